"""Rows of blocks, gathered until there are enough to be sorted by target at once."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bulkbind.model import ID_BYTES
from bulkbind.plan.claims import pick
from bulkbind.plan.spill import Spill

#: Rows that are sorted together: some dozens for each of some hundred targets.
ENOUGH = 32_768


class Gather:
    """Takes rows whose targets have numbers, and gives them to a spill by target.

    Args:
        spill: Where to.

    Attributes:
        places: By a target's number in the blocks: its group and number in the plan.
    """

    def __init__(self, spill: Spill) -> None:
        self.places: dict[int, tuple[int, int]] = {}
        self._spill = spill
        self._numbers: list[int] = []
        self._rows = array("q")
        self._lines = array("q")
        self._ids = bytearray()

    def add(
        self,
        numbers: Sequence[int],
        *,
        rows: Iterable[int],
        lines: Iterable[int],
        packed: bytes,
    ) -> None:
        """Take rows, as many numbers as rows, lines and packed ids of 16 bytes."""
        self._numbers += numbers
        self._rows.extend(rows)
        self._lines.extend(lines)
        self._ids += packed
        if len(self._numbers) >= ENOUGH:
            self.flush()

    def flush(self) -> None:
        """Sort what is there; whatever is given to the spill next comes behind it."""
        by_number: dict[int, list[int]] = defaultdict(list)
        for at, number in enumerate(self._numbers):
            by_number[number].append(at)
        packed = bytes(self._ids)
        ids = [packed[at : at + ID_BYTES] for at in range(0, len(packed), ID_BYTES)]
        for (group, target), positions in self._by_target(by_number).items():
            self._spill.extend(
                group,
                target,
                rows=pick(self._rows, positions),
                places=pick(self._lines, positions),
                ids=pick(ids, positions),
            )
        self._numbers.clear()
        self._ids.clear()
        self._rows, self._lines = array("q"), array("q")

    def _by_target(
        self, by_number: dict[int, list[int]]
    ) -> dict[tuple[int, int], list[int]]:
        """Join numbers that stand for one target: it may be written in two ways."""
        found: dict[tuple[int, int], list[int]] = {}
        joined = set()
        for number, positions in by_number.items():
            target = self.places[number]
            if target in found:
                found[target] += positions
                joined.add(target)
            else:
                found[target] = positions
        for target in joined:
            found[target].sort()
        return found
