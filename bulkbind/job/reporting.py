"""Ledger and pinned manifest -> the files of a report, and the summary."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from bulkbind.errors import (
    LedgerDamaged,
    ReportUnpublished,
    ReportWrong,
    StateError,
)
from bulkbind.host import is_alive
from bulkbind.job.page import about_run
from bulkbind.ledger import Ledger
from bulkbind.manifest import read_pin, read_pinned
from bulkbind.model import (
    Aside,
    Batch,
    Invocation,
    Record,
    Requests,
    Stop,
    Summary,
    Target,
    Verdict,
    Verification,
    Why,
)
from bulkbind.report import (
    Block,
    Exported,
    History,
    JudgedRow,
    Layout,
    Totals,
    Watched,
    Wish,
    export,
    judged_blocks,
    judged_rows,
    write_reports,
    write_summary,
)
from bulkbind.report.files import sweep
from bulkbind.retry import advise
from bulkbind.settings import JobSettings
from bulkbind.state.facts import thaw
from bulkbind.state.folders import RunFacts, RunFolder
from bulkbind.state.ledgers import read_ledger

FORMAT_VERSION = "1.0"

#: Verdicts after which there is something for a person to do: exit code 1.
_WANTING = (Verdict.FAILED, Verdict.UNCONFIRMED, Verdict.KEPT, Verdict.INVALID)

#: What ``latest`` is called until it is in its place.
_LINK = ".latest-"

_SIGNALS = {"SIGINT": 130, "SIGTERM": 143}


@dataclass(frozen=True, slots=True)
class LedgerSource:
    """A ledger as the report wants to read it."""

    ledger: Ledger
    invocation: int

    def targets(self) -> list[Target]:
        """Return every target of the run."""
        return self.ledger.targets()

    def batches(self, target: int) -> Iterator[tuple[Batch, list[Record]]]:
        """Read a target's batches, rows ascending."""
        return self.ledger.batches(target)

    def asides(self) -> Iterator[Aside]:
        """Read the rows that the plan set aside."""
        return self.ledger.asides()

    def stops(self) -> list[Stop]:
        """Return why rows without an answer of their own have none."""
        return self.ledger.stops()


def judge_run(facts: RunFacts, ledger: Ledger) -> Iterator[JudgedRow]:
    """Yield every row of a run with its verdict, in manifest order.

    Raises:
        LedgerDamaged: The ledger is not whole, or the pinned copy is not what was
            planned.
        ReportWrong: The rows do not add up.
    """
    ledger.prove()
    check_pin(facts)
    return judged_rows(
        read_pin(facts.folder.pinned()),
        source=LedgerSource(ledger, len(facts.invocations)),
        expected_rows=facts.totals.rows,
    )


def judge_blocks(facts: RunFacts, ledger: Ledger, history: History) -> Iterator[Block]:
    """Yield every row of a run with its verdict, in columns: made for millions.

    The pinned copy is summed while it is read; ``history`` is told of every request.

    Raises:
        LedgerDamaged: The ledger is not whole, or the pinned copy is not what was
            planned. What was yielded until then must not be believed.
        ReportWrong: The rows do not add up.
    """
    ledger.prove()
    try:
        yield from judged_blocks(
            read_pinned(facts.folder.pinned(), sha256=facts.meta["pin_sha256"]),
            source=Watched(LedgerSource(ledger, len(facts.invocations)), history),
            expected_rows=facts.totals.rows,
            carried=len(facts.texts("carried")),
            folder=facts.folder.path,
        )
    except ReportWrong:
        check_pin(facts)
        raise
    except OSError as error:
        message = (
            f"{facts.folder.path}: the rows cannot be sorted ({error.strerror or error});"
            f" make room there, then `bulkbind report {facts.folder.handle}`"
        )
        raise StateError(message) from error


def layout_of(facts: RunFacts) -> Layout:
    """Return how a run's report is laid out."""
    return Layout(
        files=[file.name for file in facts.files],
        carried=facts.texts("carried"),
        advise=advise,
    )


@dataclass(frozen=True, slots=True)
class Reported:
    """A run's report."""

    summary: Summary
    totals: Totals
    files: tuple[Path, ...]
    keeps_rows: bool = True
    """False: nothing was sent, and only the summary was kept."""


def write_run_reports(run: RunFolder) -> Reported:
    """Write every report of a run into its folder, and the summary last.

    Raises:
        ReportWrong: The rows do not add up; nothing was written.
        StateError: The files cannot be written.
    """
    facts = run.facts()
    ledger = read_ledger(run.path)
    try:
        settings = thaw(facts.meta["settings"])
        history = History()
        written = write_reports(
            run.path,
            blocks=judge_blocks(facts, ledger, history),
            layout=layout_of(facts),
            formats=_formats(facts, settings),
            about=about_run(facts, ledger, history),
        )
        summary = _summary(facts, ledger, written.totals)
    finally:
        ledger.close()
    path = write_summary(run.path, summary)
    files = (*written.files, path)
    if settings.report_dir is not None and run.archive is None:
        _publish(run, settings.report_dir, files, is_latest=not facts.undoes)
    return Reported(summary, written.totals, files)


def _formats(facts: RunFacts, settings: JobSettings) -> tuple[str, ...]:
    """Return what is written; an undo's rows are no manifest of the job."""
    failed = () if facts.undoes else ("failed",)
    return (*settings.report_formats, *failed)


def _publish(
    run: RunFolder, folder: Path, files: tuple[Path, ...], *, is_latest: bool
) -> None:
    """Copy a report where the job wants it: a folder per run, and ``latest``."""
    target = folder / run.id
    try:
        target.mkdir(mode=0o755, parents=True, exist_ok=True)
        sweep(target)
        for file in (*files, run.path / "SHA256SUMS"):
            draft = target / f".{file.name}.{os.getpid()}-copy"
            draft.unlink(missing_ok=True)
            with file.open("rb") as source, _new_shared(draft) as copy:
                shutil.copyfileobj(source, copy)
            draft.replace(target / file.name)
        _sweep_links(folder)
        if not is_latest:
            return
        link = folder / f"{_LINK}{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(run.id)
        link.replace(folder / "latest")
    except OSError as error:
        message = (
            f"the report cannot be put into {folder} ({error.strerror}); it is whole"
            f" in {run.path}: see to the folder, then `bulkbind report {run.handle}`"
        )
        raise ReportUnpublished(message) from error


def _new_shared(path: Path) -> BinaryIO:
    """Open a new file that others may read, if the umask lets them, and never write."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    return os.fdopen(os.open(path, flags, 0o644), "wb")


def _sweep_links(folder: Path) -> None:
    """Remove the links that killed processes had not put in their place."""
    for path in folder.glob(f"{_LINK}*"):
        pid = path.name.removeprefix(_LINK)
        if pid.isdecimal() and not is_alive(int(pid)):
            path.unlink(missing_ok=True)


def check_pin(facts: RunFacts) -> None:
    """Refuse a run whose pinned copy is not what was planned.

    Raises:
        StateError: It cannot be read.
        LedgerDamaged: It is another one.
    """
    try:
        with facts.folder.pinned().open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        message = (
            f"{facts.folder.pin} cannot be read ({error.strerror or error}); see to the"
            f" disk, then `bulkbind report {facts.folder.handle}`"
        )
        raise StateError(message) from error
    if found != facts.meta["pin_sha256"]:
        message = (
            f"{facts.folder.pin} is not what was planned; it is not believed: restore"
            " it, or start a new run from the manifest"
        )
        raise LedgerDamaged(message)


def _summary(facts: RunFacts, ledger: Ledger, totals: Totals) -> Summary:
    meta = facts.meta
    settings = thaw(meta["settings"])
    reasons = ledger.requests_by_reason()
    sent = sum(reasons.values())
    seconds = _seconds_sending(facts.invocations, ledger.last_record_at())
    verification = _verification(facts)
    return Summary(
        format_version=FORMAT_VERSION,
        run_id=meta["run_id"],
        job=facts.job,
        state=facts.state,
        exit_code=exit_code(
            totals.verdicts, stopped_by=facts.stopped_by, verification=verification
        ),
        action=settings.action,
        rows=totals.rows,
        verdicts=totals.verdicts,
        codes=totals.codes,
        requests=Requests(
            sent=sent,
            isolation=reasons[Why.ISOLATION],
            retries=reasons[Why.RETRY],
            reads=int(meta.get("reads", 0)) + ledger.reads(),
        ),
        seconds_reading=round(float(meta.get("seconds_reading", 0)), 3),
        seconds_sending=round(seconds, 3),
        rate_reached=round(sent / seconds, 3) if seconds else 0.0,
        manifest_sha256=meta["manifest_sha256"],
        plan_digest=meta["digest"],
        note=meta["note"],
        operator=facts.invocations[-1].operator if facts.invocations else "",
        tool_version=meta["tool"],
        credential=meta.get("credential", ""),
        stopped_by=facts.stopped_by,
        started_at=_iso(facts.invocations[0].started_at) if facts.invocations else "",
        finished_at=_iso(facts.invocations[-1].ended_at) if facts.invocations else "",
        endpoint=", ".join(
            sorted({account.endpoint for account in settings.accounts.values()})
        ),
        warnings=facts.texts("warnings"),
        verification=verification,
        trouble=totals.trouble,
    )


def _verification(facts: RunFacts) -> Verification | None:
    """Return the last verification, unless the run went on after it."""
    text = facts.meta.get("verification", "")
    if not text:
        return None
    verification = Verification(**json.loads(text))
    is_news = verification.invocation == len(facts.invocations)
    return verification if is_news else None


def exit_code(
    verdicts: Mapping[str, int],
    *,
    stopped_by: str,
    verification: Verification | None = None,
) -> int:
    """Return the exit code of a run. Source: DESIGN, section 7.

    Args:
        verdicts: Rows by verdict.
        stopped_by: What stopped it.
        verification: Counts if the run did it itself.
    """
    if stopped_by in _SIGNALS:
        return _SIGNALS[stopped_by]
    drift = unread = 0
    if verification is not None and verification.belongs_to_run:
        drift, unread = verification.drift, verification.unread
    if verdicts[Verdict.NOT_SENT] or unread:
        return 3
    is_wanting = any(verdicts[verdict] for verdict in _WANTING)
    return 1 if is_wanting or drift else 0


def _seconds_sending(invocations: tuple[Invocation, ...], last_record: float) -> float:
    """Sum what each invocation took; a killed one ends with its last record."""
    seconds = 0.0
    for place, invocation in enumerate(invocations):
        later = invocations[place + 1 :]
        end = invocation.ended_at
        if end is None:
            end = later[0].started_at if later else last_record
        seconds += max(0.0, end - invocation.started_at)
    return seconds


def _iso(moment: float | None) -> str:
    if moment is None:
        return ""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def export_run(run: RunFolder, *, wish: Wish, out: Path | BinaryIO) -> Exported:
    """Write chosen rows of a run somewhere else.

    Raises:
        SettingsError: The wish cannot be met.
        ReportWrong: The rows do not add up.
        StateError: The files cannot be written.
    """
    facts = run.facts()
    ledger = read_ledger(run.path)
    try:
        history = History()
        return export(
            judge_blocks(facts, ledger, history),
            layout=layout_of(facts),
            wish=wish,
            out=out,
            about=about_run(facts, ledger, history, only=wish.only),
        )
    finally:
        ledger.close()
