"""Tables: CSV, TSV and their kin, as records with the line where each starts."""

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from bulkbind.errors import ManifestError
from bulkbind.manifest.faults import refusal
from bulkbind.manifest.rows import Record
from bulkbind.manifest.text import LINE_CAP

#: Tried in this order; the first that gives most of our columns is taken.
DELIMITERS = (",", "\t", ";", "|")


class Table(NamedTuple):
    """A header and what follows it."""

    header: list[str]
    line: int
    """Where the header starts."""
    records: Iterator[Record]


def table_of(
    lines: Iterator[str], *, name: str, count_known: Callable[[list[str]], int]
) -> Table:
    """Return a table, its delimiter found from its header.

    Args:
        lines: With their ends.
        name: The file, as faults show it.
        count_known: How many of a header's columns are known.

    Raises:
        ManifestError: There is no header. The records raise it when a quote is
            not closed, or a cell is too long.
    """
    csv.field_size_limit(LINE_CAP)
    head = _Head(lines)
    delimiter = head.told_delimiter() or _find_delimiter(head, count_known)
    records = _records(head.all(), name=name, delimiter=delimiter, before=head.skipped)
    for line, header in records:
        return Table(header, line, records)
    raise refusal(
        name, line=0, problem="it has no header line", remedy="name the columns in it"
    )


class _Head:
    """The first lines, which are read more than once."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._seen: list[str] = []
        self._size = 0
        self.skipped = 0

    def told_delimiter(self) -> str:
        """Return what Excel's ``sep=;`` line says, and skip that line."""
        for line in self.again():
            text = line.strip("\r\n")
            if len(text) == len("sep=;") and text.lower().startswith("sep="):
                self._seen.clear()
                self.skipped = 1
                return text[-1]
            break
        return ""

    def again(self) -> Iterator[str]:
        """Yield the lines from the first, and remember those that are new.

        There is an end to what is remembered, and then to the lines.
        """
        yield from self._seen
        while self._size <= LINE_CAP and (line := next(self._lines, "")):
            self._seen.append(line)
            self._size += len(line)
            yield line

    def all(self) -> Iterator[str]:
        """Yield the lines from the first, for the last time."""
        return chain(self._seen, self._lines)


def _find_delimiter(head: _Head, count_known: Callable[[list[str]], int]) -> str:
    best, best_score = DELIMITERS[0], (-1, 0)
    for delimiter in DELIMITERS:
        header = _first_record(head.again(), delimiter)
        score = (count_known(header), len(header))
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _first_record(lines: Iterable[str], delimiter: str) -> list[str]:
    try:
        records = csv.reader(lines, delimiter=delimiter, strict=True)
        return next((cells for cells in records if not _is_blank(cells)), [])
    except csv.Error:
        return []


def _records(
    lines: Iterator[str], *, name: str, delimiter: str, before: int
) -> Iterator[Record]:
    """Yield records; blank lines are none."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = before + 1
    try:
        for cells in reader:
            if len(cells) > 1 or not _is_blank(cells):
                yield line, cells
            line = before + 1 + reader.line_num
    except csv.Error as error:
        raise _broken(name, line, str(error)) from error


def _is_blank(cells: list[str]) -> bool:
    return not cells or (len(cells) == 1 and cells[0].isspace())


def _broken(name: str, line: int, error: str) -> ManifestError:
    if "unexpected end" in error:
        problem = "a quote is opened in this row and never closed"
    elif "field limit" in error:
        problem = f"a cell is longer than {LINE_CAP >> 20} MiB: is a quote not closed?"
    else:
        problem = f"a quoted cell goes on after its closing quote ({error})"
    return refusal(name, line=line, problem=problem, remedy='write a quote as ""')
