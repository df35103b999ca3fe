"""Rows of a pinned manifest as columns."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bulkbind.model.rows import Row


class PinnedRows(NamedTuple):
    """Some rows, one after another, as columns: one entry for each row."""

    files: Sequence[int]
    """As ``Row.file``."""
    lines: Sequence[int]
    ids: Sequence[tuple[str, ...]]
    """As ``Row.target_ids``; rows of one target may refer to the same."""
    api_ids: Sequence[str]
    carried: Sequence[tuple[str, ...]]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "PinnedRows":
        """Turn rows into columns."""
        some = list(rows)
        return cls(
            [row.file for row in some],
            [row.line for row in some],
            [row.target_ids for row in some],
            [row.api_id for row in some],
            [row.carried for row in some],
        )

    def row(self, at: int) -> Row:
        """Return one row."""
        ids = (*self.ids[at], self.api_ids[at])
        return Row._make(
            (self.files[at], self.lines[at], *ids, self.carried[at], None, True)
        )

    def rows(self) -> Iterator[Row]:
        """Yield the rows, one by one."""
        for file, line, ids, api_id, carried in zip(*self, strict=True):
            yield Row._make((file, line, *ids, api_id, carried, None, True))

    def part(self, start: int, end: int) -> "PinnedRows":
        """Return the rows from one place to before another."""
        files, lines, ids, api_ids, carried = (column[start:end] for column in self)
        return PinnedRows(files, lines, ids, api_ids, carried)  # type: ignore[arg-type]


def windows(parts: Iterable[PinnedRows], *, size: int) -> Iterator[PinnedRows]:
    """Cut rows anew: so many at a time, the last time what is left."""
    held = PinnedRows([], [], [], [], [])
    for part in parts:
        for column, more in zip(held, part, strict=True):
            column += more  # type: ignore[operator]  # noqa: PLW2901 - lists of our own
        while len(held.lines) >= size:
            yield held.part(0, size)
            held = held.part(size, len(held.lines))
    if held.lines:
        yield held
