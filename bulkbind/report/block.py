"""Some judged rows as columns, since most columns need no escaping at all."""

import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from bulkbind.errors import ReportWrong
from bulkbind.model import PinnedRows
from bulkbind.report.judged import JudgedRow, Shared

#: Rows in a block: enough to be fast, few enough to be small.
BLOCK_ROWS = 2_000

#: Bytes of UTF-8 that stand for themselves anywhere, in CSV as in JSON. The dash is
#: one of them except at a cell's start; 0xEF is not: full-width signs begin with it.
_PLAIN = (string.ascii_letters + string.digits + "-_.:/{}()[]*~ ").encode() + bytes(
    sorted(set(range(0x80, 0x100)) - {0xEF})
)


class Column(NamedTuple):
    """One cell of each row of a block."""

    texts: Sequence[str]
    plain: bool
    """True: no text needs escaping in any form."""

    def spelt(self, spell: Callable[[str], str]) -> Sequence[str]:
        """Return the cells, escaped where they need it."""
        return self.texts if self.plain else [spell(text) for text in self.texts]


class Found(NamedTuple):
    """What became of some rows, as columns: one entry for each row."""

    shares: Sequence[Shared]
    attach_ids: Sequence[str]
    times: Sequence[str]
    """``attached_time``"""
    attempts: Sequence[int]
    verified: Sequence[str]


@dataclass(frozen=True, slots=True)
class Block:
    """Some judged rows, and by column what each has for itself."""

    pinned: PinnedRows
    shares: Sequence[Shared]
    attempts: Sequence[int]
    api_ids: Column
    attach_ids: Column
    times: Column
    verified: Column
    carried: Sequence[Column]

    @classmethod
    def of(cls, rows: Iterable[JudgedRow], *, carried: int) -> "Block":
        """Turn rows into columns.

        Args:
            rows: At least one.
            carried: How many columns the manifest carries; shorter rows are widened.

        Raises:
            ReportWrong: A row carries more.
        """
        own, shares, attach_ids, times, attempts, verified = zip(*rows, strict=True)
        return cls.joined(
            PinnedRows.of(own),
            Found(shares, attach_ids, times, attempts, verified),
            carried=carried,
        )

    @classmethod
    def joined(cls, pinned: PinnedRows, found: Found, *, carried: int) -> "Block":
        """Put columns together; as ``of`` otherwise."""
        wide = _widened(pinned.carried, carried)
        return cls(
            pinned=pinned,
            shares=found.shares,
            attempts=found.attempts,
            api_ids=_column(pinned.api_ids),
            attach_ids=_column(found.attach_ids),
            times=_column(found.times),
            verified=_column(found.verified),
            carried=[_column(texts) for texts in zip(*wide, strict=True)],
        )

    def __len__(self) -> int:
        return len(self.shares)

    def row(self, at: int) -> JudgedRow:
        """Return one of the rows."""
        return JudgedRow(
            self.pinned.row(at),
            self.shares[at],
            self.attach_ids.texts[at],
            self.times.texts[at],
            self.attempts[at],
            self.verified.texts[at],
        )

    @property
    def rows(self) -> list[JudgedRow]:
        """All of the rows."""
        return [self.row(at) for at in range(len(self))]


def blocks(rows: Iterable[JudgedRow], *, carried: int) -> Iterator[Block]:
    """Cut rows into blocks, in order."""
    rows = iter(rows)
    while some := list(islice(rows, BLOCK_ROWS)):
        yield Block.of(some, carried=carried)


def _column(texts: Sequence[str]) -> Column:
    return Column(texts, is_plain(texts))


def is_plain(texts: Sequence[str]) -> bool:
    """Tell, fast, that no text needs escaping in any form; False may be wrong."""
    joined = "\n" + "\n".join(texts)
    if "\n-" in joined:
        return False
    rest = joined.encode("utf-8", "surrogatepass").translate(None, _PLAIN)
    return len(rest) == len(texts) == joined.count("\n")


def _widened(
    carried: Sequence[tuple[str, ...]], width: int
) -> Sequence[tuple[str, ...]]:
    widths = set(map(len, carried))
    if widths == {width}:
        return carried
    if max(widths) > width:
        text = (
            f"a row carries {max(widths)} columns, the manifest {width}; nothing was"
            " written; `bulkbind doctor RUN` checks the run's files"
        )
        raise ReportWrong(text)
    return [cells + ("",) * (width - len(cells)) for cells in carried]
