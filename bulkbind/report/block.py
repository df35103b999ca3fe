"""Some judged rows as columns, since most columns need no escaping at all."""

import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from bulkbind.errors import ReportWrong
from bulkbind.report.judged import JudgedRow

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


@dataclass(frozen=True, slots=True)
class Block:
    """Some judged rows, and by column what each has for itself."""

    rows: Sequence[JudgedRow]
    files: Sequence[int]
    lines: Sequence[int]
    attempts: Sequence[int]
    api_ids: Column
    attach_ids: Column
    times: Column
    verified: Column
    carried: Sequence[Column]

    @classmethod
    def of(cls, rows: Sequence[JudgedRow], *, carried: int) -> "Block":
        """Turn rows into columns.

        Args:
            rows: At least one.
            carried: How many columns the manifest carries; shorter rows are widened.

        Raises:
            ReportWrong: A row carries more.
        """
        own, _, attach_ids, times, attempts, verified = zip(*rows, strict=True)
        wide = [_widened(row.carried, carried) for row in own]
        return cls(
            rows=rows,
            files=[row.file for row in own],
            lines=[row.line for row in own],
            attempts=attempts,
            api_ids=_column([row.api_id for row in own]),
            attach_ids=_column(attach_ids),
            times=_column(times),
            verified=_column(verified),
            carried=[_column(texts) for texts in zip(*wide, strict=True)],
        )


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


def _widened(carried: tuple[str, ...], width: int) -> tuple[str, ...]:
    if len(carried) == width:
        return carried
    if len(carried) > width:
        text = (
            f"a row carries {len(carried)} columns, the manifest {width}; nothing was"
            " written; `bulkbind doctor RUN` checks the run's files"
        )
        raise ReportWrong(text)
    return carried + ("",) * (width - len(carried))
