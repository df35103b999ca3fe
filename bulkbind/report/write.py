"""One pass over the judged rows writes all the run's reports."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bulkbind.model import Summary
from bulkbind.report.block import Block
from bulkbind.report.cells import Layout
from bulkbind.report.files import (
    drafts,
    publish,
    sweep,
    write_file,
    write_sums,
)
from bulkbind.report.forms import REPORT_NAMES, new_form
from bulkbind.report.html import About
from bulkbind.report.totals import Tally, Totals

#: File name of the summary.
SUMMARY_NAME = "summary.json"


@dataclass(frozen=True, slots=True)
class Written:
    """What writing the reports came to."""

    totals: Totals
    files: tuple[Path, ...]
    """The reports; not ``SHA256SUMS``."""
    sums: dict[str, str]
    """SHA-256 in hex, by file name."""


def write_reports(
    folder: Path,
    *,
    blocks: Iterable[Block],
    layout: Layout,
    formats: Sequence[str] = ("csv", "jsonl", "failed"),
    about: About | None = None,
) -> Written:
    """Write the run's reports, all of them or none.

    They are written under temporary names, made durable and renamed when the last
    row has been judged, so that a report which does not add up never appears. What a
    killed process left of an earlier one is removed.

    Args:
        folder: The run's folder; it exists.
        blocks: As :func:`bulkbind.report.ordering.judged_blocks` yields them.
        layout: File names, carried columns, advice.
        formats: Of ``csv``, ``jsonl``, ``html``, ``failed``.
        about: The run as a whole; ``html`` needs it.

    Returns:
        The totals, and which files there are now.

    Raises:
        ReportWrong: The rows do not add up.
        StateError: The files cannot be written.
    """
    sweep(folder)
    tally = Tally(layout.advise)
    paths = [folder / REPORT_NAMES[name] for name in formats]
    with drafts(paths) as opened, ExitStack() as stack:
        forms = [new_form(name, layout=layout, about=about) for name in formats]
        for form in forms:
            stack.callback(form.close)
        pens = list(zip(forms, opened, strict=True))
        for form, draft in pens:
            draft.add(form.header)
        for block in blocks:
            tally.count(block)
            for form, draft in pens:
                draft.add(form.lines(block))
        for form, draft in pens:
            for text in form.end(tally.totals()):
                draft.add(text)
        sums = publish(opened)
    write_sums(folder, sums)
    return Written(tally.totals(), tuple(paths), sums)


def write_summary(folder: Path, summary: Summary) -> Path:
    """Write ``summary.json``, and note its checksum beside those of the reports.

    Raises:
        StateError: It cannot be written.
    """
    path = folder / SUMMARY_NAME
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n"
    write_sums(folder, {SUMMARY_NAME: write_file(path, text)})
    return path
