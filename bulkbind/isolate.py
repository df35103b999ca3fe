"""Which ids of a batch to send next, given what was answered so far.

A refused batch holds at least one bad id; the search finds which. A clean answer
finishes its ids, so no request is wasted on good ones. This is the simplest strategy:
halve a refused group until single ids are left. Another one keeps the same three
verbs.
"""

from collections.abc import Iterable, Sequence


class Search:
    """Asks for groups of positions to send, and is told what became of them.

    Args:
        positions: Positions in the batch that still need an answer, ascending.
    """

    def __init__(self, positions: Sequence[int]) -> None:
        self._groups = [tuple(positions)] if positions else []

    def ask(self) -> tuple[int, ...]:
        """Return the positions to send next; empty when nothing is left to ask."""
        return self._groups[0] if self._groups else ()

    def settle(self, positions: Iterable[int]) -> None:
        """Take out positions that have an answer of their own."""
        settled = frozenset(positions)
        rest = (
            tuple(p for p in group if p not in settled) if settled else group
            for group in self._groups
        )
        self._groups = [group for group in rest if group]

    def refuse(self, positions: Sequence[int]) -> None:
        """Hear that a group of two or more holds a bad id: its halves come next."""
        refused = tuple(positions)
        groups = []
        for group in self._groups:
            groups += _halve(group) if group == refused else [group]
        self._groups = groups


def _halve(group: tuple[int, ...]) -> list[tuple[int, ...]]:
    middle = (len(group) + 1) // 2
    return [group[:middle], group[middle:]]
