"""What the ledger says of rows, from its order into that of the manifest.

Rows are gathered in memory, sorted by number and cut at every ``WINDOW``-th row; the
pieces go into a file without a name, which is gone with the process. A window's pieces
are then read back and sorted together. Memory holds two windows, whatever the number of
targets and batches.
"""

import tempfile
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

#: Rows sorted at once.
WINDOW = 32_768

#: Bytes of pieces that stay in memory.
_KEPT = 8 * 1024 * 1024


class Entries(NamedTuple):
    """What is known of some rows, as columns: one entry for each row."""

    numbers: Sequence[int]
    """Row numbers."""
    shares: Sequence[int]
    """Where what they share stands in a list of the caller's."""
    api_ids: Sequence[str]
    attach_ids: Sequence[str]
    times: Sequence[str]
    attempts: Sequence[int]
    verified: Sequence[str]

    @classmethod
    def together(cls, parts: Sequence["Entries"]) -> "Entries":
        """Put parts together, ascending by row number."""
        columns = [list(chain.from_iterable(column)) for column in zip(*parts)]  # noqa: B905
        if not columns:
            return _NONE
        numbers = columns[0]
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        if len(order) <= 1:
            return cls(*columns)
        pick = itemgetter(*order)
        return cls(*map(pick, columns))


_NONE = Entries((), (), (), (), (), (), ())


class Sorter:
    """Takes entries in any order and gives them back by windows; a context manager.

    Args:
        folder: Where the file is made when it is needed.
        window: Rows of a window.
    """

    def __init__(self, folder: Path, *, window: int = WINDOW) -> None:
        self._window = window
        self._file = tempfile.SpooledTemporaryFile(_KEPT, dir=str(folder))  # noqa: SIM115
        self._parts: list[Entries] = []
        self._held = 0
        self._pieces: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Entries).decode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, entries: Entries) -> None:
        """Take the entries of a batch."""
        self._parts.append(entries)
        self._held += len(entries.numbers)
        if self._held >= self._window:
            self._put_away()

    def end(self) -> None:
        """Say that all entries were added."""
        self._put_away()

    @property
    def windows_left(self) -> list[int]:
        """Numbers of the windows that have entries and were not taken, ascending."""
        return sorted(self._pieces)

    def take(self, window: int) -> Entries:
        """Return the entries of a window, counted from 0, ascending by row."""
        parts = []
        for start, size in self._pieces.pop(window, ()):
            self._file.seek(start)
            parts.append(self._decode(self._file.read(size)))
        return Entries.together(parts)

    def _put_away(self) -> None:
        entries = Entries.together(self._parts)
        self._parts.clear()
        self._held = 0
        start, most = 0, len(entries.numbers)
        while start < most:
            window = entries.numbers[start] // self._window
            end = bisect_left(entries.numbers, (window + 1) * self._window, start)
            data = self._encode([column[start:end] for column in entries])
            self._pieces[window].append((self._file.tell(), len(data)))
            self._file.write(data)
            start = end
