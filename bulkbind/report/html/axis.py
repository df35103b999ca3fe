"""The time that a run was at work, cut into equal parts. Pure."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from bulkbind.report.html.history import Sent

#: Parts at most: as many bars as a small screen can show.
_MOST_PARTS = 120

#: Up to this many seconds, moments are told to the tenth.
_SHORT_S = 60.0

#: Lengths of a part, seconds; beyond the last one whole days.
_DAY_S = 86_400.0
_STEPS = (
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0),
    *(900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0),
)


@dataclass(frozen=True, slots=True)
class Axis:
    """The starts of a run, one behind the other, without the time in between."""

    spans: tuple[tuple[float, float], ...]
    """From the first request to the last answer of each start, by time."""
    step_s: float
    """Length of a part."""
    parts: int

    def part(self, at: float) -> int:
        """Return the part that a moment is in; before and behind: the nearest."""
        begun = bisect_right([begin for begin, _ in self.spans], at)
        passed = sum(end - begin for begin, end in self.spans[: max(begun - 1, 0)])
        if begun:
            begin, end = self.spans[begun - 1]
            passed += min(at, end) - begin
        return min(int(passed / self.step_s), self.parts - 1)

    @property
    def is_short(self) -> bool:
        """True: its parts, or its ends, may be of the same second."""
        return sum(end - begin for begin, end in self.spans) <= _SHORT_S

    def begins(self, part: int) -> float:
        """Return the moment that a part begins, seconds since the epoch."""
        left = part * self.step_s
        for begin, end in self.spans:
            if left < end - begin:
                return begin + left
            left -= end - begin
        return self.spans[-1][1]


def axis_of(requests: Iterable[Sent], *, least_s: float = 0.0) -> Axis | None:
    """Return the time that requests take up; None: there are none.

    Args:
        requests: In any order.
        least_s: Length of a part at least.
    """
    met: dict[int, tuple[float, float]] = {}
    for sent in requests:
        begin, end = met.get(sent.invocation, (sent.left, sent.answered))
        met[sent.invocation] = min(begin, sent.left), max(end, sent.answered)
    if not met:
        return None
    spans = _apart(sorted(met.values()))
    seconds = sum(end - begin for begin, end in spans)
    step_s = next(
        (step for step in _STEPS if seconds <= step * _MOST_PARTS and least_s <= step),
        ceil(max(seconds / _MOST_PARTS, least_s) / _DAY_S) * _DAY_S,
    )
    return Axis(spans, step_s, max(1, ceil(seconds / step_s)))


def _apart(spans: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Make spans that overlap (a clock was set back) one."""
    found = [spans[0]]
    for begin, end in spans[1:]:
        if begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return tuple(found)
