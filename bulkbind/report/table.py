"""Judged rows -> lines of ``report.csv``, ``report.jsonl`` or ``failed.csv``.

A line says what :func:`bulkbind.report.cells.report_cells` says. It is put together
from parts: what rows have in common (cells 2-8, target; 10-16, answer; 20-21, request)
is rendered once and kept with :class:`Shared`; their own cells are rendered column by
column, since most columns need no escaping at all.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Protocol

from bulkbind.model import ID_COLUMNS, REPORT_COLUMNS, Verdict
from bulkbind.report.block import Block
from bulkbind.report.cells import (
    Layout,
    csv_cell,
    json_inside,
    json_text,
    report_cells,
)
from bulkbind.report.judged import JudgedRow, Shared
from bulkbind.report.totals import Totals

#: The verdicts of rows that are worth another run.
FAILED_VERDICTS = frozenset(
    {Verdict.FAILED, Verdict.UNCONFIRMED, Verdict.NOT_SENT, Verdict.INVALID}
)

#: Columns of ``failed.csv`` after the ids and the carried ones.
FAILED_COLUMNS = ("line", "verdict", "error_code", "error_msg", "advice")


class Form(Protocol):
    """One way to write judged rows as lines of text."""

    header: str
    """What stands before the first row; may be empty."""

    def lines(self, block: Block) -> str:
        """Write some rows, each with its line end."""
        ...

    def end(self, totals: Totals) -> Iterable[str]:
        """Write what stands behind the last row, in pieces."""
        ...

    def close(self) -> None:
        """Give back what was held; nothing can be written any more."""
        ...


class LineForm:
    """A form that is nothing but lines."""

    def end(self, totals: Totals) -> Iterable[str]:
        """Write nothing."""
        del totals
        return ()

    def close(self) -> None:
        """Hold nothing."""


class CsvForm(LineForm):
    """``report.csv``: RFC 4180, safe in a spreadsheet."""

    def __init__(self, layout: Layout) -> None:
        self.header = csv_line(layout.columns)
        self._layout = layout
        self._files = [csv_cell(name) for name in layout.files]
        self._comma = "," if layout.carried else ""

    def lines(self, block: Block) -> str:
        """Write some rows as CSV."""
        comma = self._comma
        columns = zip(
            [self._files[file] for file in block.pinned.files],
            block.pinned.lines,
            [
                shared.drawn.get("csv") or self._draw(block.row(at))
                for at, shared in enumerate(block.shares)
            ],
            block.api_ids.spelt(csv_cell),
            block.attach_ids.spelt(csv_cell),
            block.times.spelt(csv_cell),
            block.attempts,
            block.verified.spelt(csv_cell),
            map(",".join, _across(block, csv_cell)),
            strict=True,
        )
        return "".join(
            [
                f"{file},{line},{target},{api},{answer},{attach},{time},{attempts}"
                f",{request},{verified}{comma}{carried}\r\n"
                for file, line, (
                    target,
                    answer,
                    request,
                ), api, attach, time, attempts, verified, carried in columns
            ]
        )

    def _draw(self, judged: JudgedRow) -> tuple[str, ...]:
        cells = report_cells(judged, layout=self._layout)
        texts = [csv_cell(str(cell)) for cell in cells]
        return _keep(judged.shared, form="csv", texts=texts)


class JsonlForm(LineForm):
    """``report.jsonl``: exact and canonical; the same facts are the same bytes."""

    header = ""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._files = [json_text(name) for name in layout.files]
        self._carried = ",".join(
            json_text(name).replace("%", "%%") + ':"%s"' for name in layout.carried
        )

    def lines(self, block: Block) -> str:
        """Write some rows, one JSON object each."""
        columns = zip(
            [self._files[file] for file in block.pinned.files],
            block.pinned.lines,
            [
                shared.drawn.get("jsonl") or self._draw(block.row(at))
                for at, shared in enumerate(block.shares)
            ],
            block.api_ids.spelt(json_inside),
            block.attach_ids.spelt(json_inside),
            block.times.spelt(json_inside),
            block.attempts,
            block.verified.spelt(json_inside),
            map(self._carried.__mod__, _across(block, json_inside)),
            strict=True,
        )
        return "".join(
            [
                f'{{"file":{file},"line":{line},{target},"api_id":"{api}",{answer}'
                f',"plugin_attach_id":"{attach}","attached_time":"{time}","attempts":'
                f'{attempts},{request},"verified":"{verified}","carried":{{{carried}}}}}'
                "\n"
                for file, line, (
                    target,
                    answer,
                    request,
                ), api, attach, time, attempts, verified, carried in columns
            ]
        )

    def _draw(self, judged: JudgedRow) -> tuple[str, ...]:
        cells = report_cells(judged, layout=self._layout)
        texts = [
            f'"{name}":{cell if isinstance(cell, int) else json_text(cell)}'
            for name, cell in zip(REPORT_COLUMNS, cells, strict=False)
        ]
        return _keep(judged.shared, form="jsonl", texts=texts)


class FailedForm(LineForm):
    """``failed.csv``: runs as a manifest once the causes are put right.

    Of the rows it is given it writes those of :data:`FAILED_VERDICTS`.
    """

    def __init__(self, layout: Layout) -> None:
        self.header = csv_line((*ID_COLUMNS, *layout.carried, *FAILED_COLUMNS))
        self._layout = layout

    def lines(self, block: Block) -> str:
        """Write the failed ones among some rows as CSV."""
        return "".join(
            [
                csv_line(self._texts(block.row(at)))
                for at, shared in enumerate(block.shares)
                if shared.verdict in FAILED_VERDICTS
            ]
        )

    def _texts(self, judged: JudgedRow) -> tuple[str, ...]:
        shared = judged.shared
        code = shared.error_code
        return (
            shared.account,
            shared.project_id,
            shared.instance_id,
            shared.plugin_id,
            shared.plugin_type or judged.row.plugin_type,
            shared.env_id,
            judged.row.api_id,
            *self._layout.carried_by(judged),
            str(judged.row.line),
            shared.verdict.value,
            code,
            shared.error_msg,
            self._layout.advise(code) if code else "",
        )


def csv_line(texts: tuple[str, ...]) -> str:
    """Write one CSV line with its line end."""
    return ",".join([csv_cell(text) for text in texts]) + "\r\n"


def _across(block: Block, spell: Callable[[str], str]) -> Iterable[tuple[str, ...]]:
    """Return the carried cells of each row, escaped."""
    if not block.carried:
        return repeat((), len(block))
    columns = [column.spelt(spell) for column in block.carried]
    return zip(*columns, strict=True)


def _keep(shared: Shared, *, form: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Keep what the rows with these cells have in common."""
    parts = ",".join(texts[2:9]), ",".join(texts[10:17]), ",".join(texts[20:22])
    shared.drawn[form] = parts
    return parts
