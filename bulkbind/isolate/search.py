"""The walk along a batch: which group goes next."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property

from bulkbind.isolate.hints import Hints
from bulkbind.isolate.odds import Odds


class Search:
    """Asks for groups of positions to send, and is told what became of them.

    Told the same things in the same order, it asks for the same next, so a history
    rebuilds it. What it never asked for is knowledge as well.

    Args:
        positions: Positions in the batch that still need an answer, ascending.
        api_ids: The ids of the whole batch, for hints; empty: messages are not read.
        not_hints: Ids of other things that messages may name.
    """

    def __init__(
        self,
        positions: Sequence[int],
        *,
        api_ids: Sequence[str] = (),
        not_hints: AbstractSet[str] = frozenset(),
    ) -> None:
        self._open = list(positions)
        self._size = len(self._open)
        self._most = _most_requests(self._size)
        self._odds = Odds(self._size)
        self._hints = Hints(api_ids, not_hints)
        self._requests = 0
        self._dirty = 0
        """How many of the first open positions hold a bad one; 0: not known."""
        self._rest = 0
        """How many of the last group were left out by the answer that took the rest."""
        self._last_bad: int | None = None
        self._checks: list[int] = []
        """Hinted positions that go alone next."""
        self._asked: tuple[int, ...] | None = None
        """What to ask, once it is worked out."""

    @cached_property
    def _members(self) -> set[int]:
        """The open positions once more; most searches end without asking for them."""
        return set(self._open)

    @property
    def left(self) -> int:
        """Positions without an answer of their own."""
        return len(self._open)

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions without an answer of their own, ascending."""
        return tuple(self._open)

    @property
    def requests(self) -> int:
        """Answers that it was told."""
        return self._requests

    def ask(self) -> tuple[int, ...]:
        """Return the positions to send next; empty when nothing is left to ask."""
        if self._asked is None:
            self._asked = self._choose()
        return self._asked

    def settle(self, positions: Iterable[int]) -> None:
        """Take out positions that a receipt names, or that have an answer of their own.

        What is left of the group that was asked for is asked for again, alone.
        """
        asked = self.ask()
        if len(asked) == len(self._open) and positions == asked:
            self._finish()
            return
        settled = self._members.intersection(positions)
        if not settled.issubset(asked):
            self.drop(settled)
        elif settled:
            self._requests += 1
            self._odds.deliver(settled)
            self._take_out(settled)
            self._rest = len(asked) - len(settled)
            if self._hints.deny(settled) and not self._hints.worth(self._dirty):
                self._checks.clear()

    def _finish(self) -> None:
        """Take out everything: the one group that was asked for was all that is left."""
        self._requests += bool(self._open)
        self._open = []
        self._members = set()
        self._asked = None
        self._dirty = self._rest = 0
        self._checks.clear()

    def drop(self, positions: Iterable[int]) -> None:
        """Take out positions that were settled by other means than what was asked for.

        They may well be the bad ones, so the rest gets a fresh start.
        """
        dropped = self._members.intersection(positions)
        if dropped:
            self._take_out(dropped)
            self._dirty = self._rest = 0
            self._last_bad = None
            self._odds = Odds(self._size)

    def refuse(self, positions: Sequence[int], *, message: str = "") -> None:
        """Hear that a request of exactly these positions was refused for an id.

        Args:
            positions: One: it is bad. More: at least one of them is.
            message: What the gateway said; ids in it are checked before they count.
        """
        self._requests += 1
        self._rest = 0
        self._asked = None
        span = tuple(positions)
        if len(span) > 1:
            self._narrow(span)
            self._listen(span, message)
        elif span and span[0] in self._members:
            self._confirm(span[0])

    # --- what to ask -----------------------------------------------------------------

    def _choose(self) -> tuple[int, ...]:
        if not self._open:
            return ()
        if self._requests + len(self._open) >= self._most:
            return (self._open[0],)
        if self._checks:
            return (self._checks[0],)
        if self._last_bad is not None and self._odds.runs_go_on:
            behind = self._last_bad + 1
            if behind in self._members:
                return (behind,)
        return tuple(self._open[: self._length()])

    def _length(self) -> int:
        """Return how many of the first open positions to send."""
        if self._rest:
            return self._rest
        if self._dirty:
            return min(self._odds.group, self._half())
        if self._last_bad is None or self._hints.lead:
            return len(self._open)
        return self._odds.group

    def _half(self) -> int:
        """Return where to cut what holds a bad id.

        A bad id that goes alone needs no confirming, so that a little less than half
        is best; the first cuts are where others, who halve, would make them.
        """
        if self._last_bad is None:
            return (self._dirty + 1) // 2
        return max(1, int(self._dirty * _SPLIT))

    # --- what was heard --------------------------------------------------------------

    def _narrow(self, span: tuple[int, ...]) -> None:
        """Keep the shortest prefix that holds a bad id; other groups say nothing."""
        known = self._dirty or len(span)
        if len(span) <= known and tuple(self._open[: len(span)]) == span:
            self._dirty = len(span)

    def _listen(self, span: tuple[int, ...], message: str) -> None:
        named = self._hints.read(message, self._members.intersection(span))
        if named and self._hints.worth(len(span)):
            earlier = [place for place in self._checks if place not in named]
            self._checks = named + earlier

    def _confirm(self, place: int) -> None:
        """Take out a bad id: it explains why what held it was refused."""
        self._odds.find(place, hinted=place in self._checks)
        self._hints.prove(place)
        explained = bisect_left(self._open, place) < self._dirty
        self._take_out({place})
        self._last_bad = place
        if explained:
            self._dirty = 0

    def _take_out(self, settled: set[int]) -> None:
        self._asked = None
        end = self._open[self._dirty - 1]
        self._members -= settled
        if not self._members:
            self._open = []
        elif len(settled) == 1:
            del self._open[bisect_left(self._open, next(iter(settled)))]
        else:
            self._open = [place for place in self._open if place not in settled]
        if self._dirty:
            self._dirty = bisect_right(self._open, end)
        if self._checks:
            self._checks = [place for place in self._checks if place not in settled]


#: The best share of a group to cut off. Source: ``python -m tests.isolation_table``.
_SPLIT = 0.45


def _most_requests(size: int) -> float:
    """Return how many requests a search of so many ids may take in all.

    Never more than halving takes.
    """
    return min(max(1.35 * size, size + 2 * size.bit_length() + 2), 2 * size - 1)
