"""Claims on one target, as columns: what is done for millions of rows at once. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import itemgetter
from typing import TypeVar

T = TypeVar("T")


def pick(column: Sequence[T], positions: Sequence[int]) -> list[T]:
    """Return a column's entries at some positions."""
    if len(positions) == 1:
        return [column[positions[0]]]
    return list(itemgetter(*positions)(column)) if positions else []


@dataclass(slots=True, eq=True)
class Claims:
    """Sound rows of one target, cut down to what rules and requests need."""

    rows: list[int]
    """Row numbers in the run, ascending; negative: ``--only`` drops the row."""
    places: list[int]
    """Where they came from, as ``Claim.place``."""
    api_ids: list[str]

    @classmethod
    def none(cls) -> "Claims":
        """Return no claims; more may be appended."""
        return cls([], [], [])

    def __len__(self) -> int:
        return len(self.rows)

    def append(self, more: "Claims") -> None:
        """Put claims behind these."""
        self.rows += more.rows
        self.places += more.places
        self.api_ids += more.api_ids

    def take(self, positions: Sequence[int]) -> "Claims":
        """Return the claims at some positions."""
        return Claims(
            pick(self.rows, positions),
            pick(self.places, positions),
            pick(self.api_ids, positions),
        )

    def parts(self, size: int, *, first: Sequence[int] = ()) -> Iterator["Claims"]:
        """Cut into parts of a size, the last one shorter.

        Args:
            size: Claims in a part.
            first: Claims in the first parts, where these are fewer.
        """
        start = 0
        for wanted in chain(first, repeat(size)):
            if start >= len(self):
                return
            part = slice(start, start + min(wanted, size))
            yield Claims(self.rows[part], self.places[part], self.api_ids[part])
            start = part.stop

    def repeats(self) -> dict[int, int]:
        """Return the positions of repeated ids, and where each came first."""
        count = len(self.api_ids)
        backwards = range(count - 1, -1, -1)
        first = dict(zip(reversed(self.api_ids), backwards, strict=True))
        if len(first) == count:
            return {}
        repeated = sorted(set(range(count)).difference(first.values()))
        return {position: first[self.api_ids[position]] for position in repeated}
