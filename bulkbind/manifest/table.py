"""Tables: CSV, TSV and their kin, as records with the line where each starts."""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bulkbind.errors import ManifestError
from bulkbind.manifest.faults import refusal
from bulkbind.manifest.rows import Record
from bulkbind.manifest.text import LINE_CAP, Piece

#: Tried in this order; the first that gives most of our columns is taken.
DELIMITERS = (",", "\t", ";", "|")


class Table(NamedTuple):
    """A header and what follows it."""

    header: list[str]
    line: int
    """Where the header starts."""
    delimiter: str
    records: Iterator[Record]
    """By the csv module, of what is left in the feed."""
    feed: "Feed"


class Feed:
    """Hands lines to the csv module one by one, or many at once to who needs none.

    Args:
        pieces: The lines.
    """

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._piece: Piece | None = None
        """Not begun yet."""
        self._again: list[str] = []
        self._lines: list[str] = []
        self._at = 0
        self._is_plain = False
        self._before = 0
        """Lines of earlier pieces, less those that were put back."""
        self._flow = self._handed()

    def __iter__(self) -> Iterator[str]:
        return self._flow

    @property
    def count(self) -> int:
        """Lines that were handed out."""
        return self._before + self._at

    def recount(self, count: int) -> None:
        """Say how many lines the records so far are: where not each line is one."""
        self._before += count - self.count

    def put_back(self, lines: list[str]) -> None:
        """Hand lines out again, before all others."""
        self._again += reversed(lines)
        self._before -= len(lines)

    @property
    def is_plain(self) -> bool:
        """Whether the next lines need no csv module; to be asked where a record ends.

        Raises:
            ManifestError: There are no next lines, because the text broke off.
        """
        if self._again:
            return False
        if self._at < len(self._lines):
            return self._is_plain
        if self._piece is None:
            self._piece = next(self._pieces, None)
        return self._piece is not None and self._piece.is_plain

    def plain(self) -> str:
        """Hand out what is left of a piece that needs no csv module."""
        if self._at < len(self._lines):
            text = "".join(self._lines[self._at :])
            self._at = len(self._lines)
            return text
        text = self._piece.text if self._piece is not None else ""
        self._piece = None
        self._before += text.count("\n") + (not text.endswith("\n"))
        return text

    def _handed(self) -> Iterator[str]:
        while True:
            if self._again:
                self._before += 1
                yield self._again.pop()
            elif self._at < len(self._lines):
                self._at += 1
                yield self._lines[self._at - 1]
            else:
                piece, self._piece = self._piece or next(self._pieces, None), None
                if piece is None:
                    return
                self._before += len(self._lines)
                self._lines, self._at = piece.lines(), 0
                self._is_plain = piece.is_plain


def table_of(
    pieces: Iterator[Piece],
    *,
    name: str,
    count_known: Callable[[list[str]], int],
    counts_records: bool = False,
) -> Table:
    """Return a table, its delimiter found from its header.

    Args:
        pieces: The lines.
        name: The file, as faults show it.
        count_known: How many of a header's columns are known.
        counts_records: A record counts as one line, whatever its cells hold: the file
            has no lines of its own.

    Raises:
        ManifestError: There is no header. The records raise it when a quote is
            not closed, or a cell is too long.
    """
    csv.field_size_limit(LINE_CAP)
    feed = Feed(pieces)
    head = _Head(feed)
    delimiter = head.told_delimiter() or _find_delimiter(head, count_known)
    head.put_back()
    records = _records(
        feed, name=name, delimiter=delimiter, counts_records=counts_records
    )
    for line, header in records:
        return Table(header, line, delimiter, records, feed)
    raise refusal(
        name, line=0, problem="it has no header line", remedy="name the columns in it"
    )


class _Head:
    """The first lines, which are read more than once."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._lines = iter(feed)
        self._seen: list[str] = []
        self._size = 0

    def told_delimiter(self) -> str:
        """Return what Excel's ``sep=;`` line says, and skip that line."""
        for line in self.again():
            text = line.strip("\r\n")
            if len(text) == len("sep=;") and text.lower().startswith("sep="):
                self._seen.clear()
                return text[-1]
            break
        return ""

    def again(self) -> Iterator[str]:
        """Yield the lines from the first, and remember those that are new.

        There is an end to what is remembered, and then to the lines.
        """
        yield from self._seen
        while self._size <= LINE_CAP and (line := next(self._lines, "")):
            if not self._seen and line.isspace():
                continue  # before the header: no delimiter makes a record of it
            self._seen.append(line)
            self._size += len(line)
            yield line

    def put_back(self) -> None:
        """Let the lines be read by others."""
        self._feed.put_back(self._seen)


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
    feed: Feed, *, name: str, delimiter: str, counts_records: bool
) -> Iterator[Record]:
    """Yield records; blank lines are none."""
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    line = feed.count + 1
    try:
        for cells in reader:
            if counts_records:
                feed.recount(line)
            if len(cells) > 1 or not _is_blank(cells):
                yield line, cells
            line = feed.count + 1
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
