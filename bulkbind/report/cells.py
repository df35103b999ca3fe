"""Cells as text: for CSV, safe in a spreadsheet and reversible; for JSON, exact."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring

from bulkbind.model import FORMULA, REPORT_COLUMNS
from bulkbind.report.judged import JudgedRow


@dataclass(frozen=True, slots=True)
class Layout:
    """What is the same for all rows of a report."""

    files: Sequence[str]
    """Names of the manifest's files; ``Row.file`` counts them from 0."""
    carried: Sequence[str]
    """Names of the columns carried through."""
    advise: Callable[[str], str]
    """An error code -> what to do about it, empty when there is nothing to say."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the report, in order."""
        return REPORT_COLUMNS + tuple(self.carried)

    def carried_by(self, judged: JudgedRow) -> tuple[str, ...]:
        """Return a row's carried cells, one for each carried column."""
        carried = judged.row.carried
        return carried + ("",) * (len(self.carried) - len(carried))


def csv_cell(text: str) -> str:
    """Write one CSV cell that no spreadsheet runs as a formula.

    A cell that looks like one, or like one made safe before, gets one more ``'`` in
    front; the manifest reader takes one away from such a cell.

    Source:
        RFC 4180, section 2; OWASP, CSV injection.
    """
    if FORMULA.match(text):
        text = "'" + text
    if '"' in text:
        return '"' + text.replace('"', '""') + '"'
    if "," in text or "\n" in text or "\r" in text:
        return f'"{text}"'
    return text


def json_text(text: str) -> str:
    """Write one JSON string: only what must be escaped is."""
    return encode_basestring(text)


def json_inside(text: str) -> str:
    """Write what stands between the quotes of a JSON string."""
    return encode_basestring(text)[1:-1]


@lru_cache(maxsize=1024)
def time_text(at: float) -> str:
    """Write seconds since the epoch as ISO 8601, UTC, milliseconds; 0 as nothing."""
    if not at:
        return ""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def report_cells(judged: JudgedRow, *, layout: Layout) -> tuple[str | int, ...]:
    """Return a row's cells in the order of ``layout.columns``.

    Numbers stay numbers; what is missing is an empty text.
    """
    row, shared = judged.row, judged.shared
    return (
        layout.files[row.file],
        row.line,
        shared.account,
        shared.project_id,
        shared.instance_id,
        shared.plugin_id,
        shared.plugin_name,
        shared.env_id,
        shared.env_name,
        row.api_id,
        shared.verdict.value,
        shared.cause.value,
        shared.replaced_plugin_id,
        shared.http_status or "",
        shared.error_code,
        shared.error_msg,
        layout.advise(shared.error_code) if shared.error_code else "",
        judged.plugin_attach_id,
        judged.attached_time,
        judged.attempts,
        shared.request_id,
        time_text(shared.finished_at),
        judged.verified,
        *layout.carried_by(judged),
    )
