"""What the gateway takes, learnt from what it refuses; never above the ceiling.

A refusal that tells a limit makes it the ceiling. One that does not cuts the rate to
somewhat less than what was accepted lately, at most by half; after a while without
refusals it returns by a fixed step a second. The while doubles with each cut that no
accepted request came before: a gateway that counts what it refuses wants to be left
alone. Refusals of requests that left before the last cut say nothing new.
"""

import math
from collections import deque
from collections.abc import Callable

from bulkbind.pace.rate import Rate

#: Share of the accepted rate that a cut leaves.
CUT = 0.85

#: Share of the ceiling by which the rate returns, per second.
RETURN_PER_S = 0.01

#: Seconds without a refusal before it begins to return.
HOLD_S = 2.0

#: Longest of these, however many cuts there were without an accepted request.
LONGEST_HOLD_S = 3600.0

#: Requests per second that a cut never goes below.
FLOOR = 1 / 60

#: Seconds of answers that a cut looks back on, at least.
_LOOK_BACK_S = 1.0


class Estimate:
    """How fast one account may send.

    Args:
        ceiling: What the job allows.
        clock: Seconds.
    """

    def __init__(self, ceiling: Rate, *, clock: Callable[[], float]) -> None:
        self.ceiling = ceiling
        self._clock = clock
        self._told: Rate | None = None
        self._cut_to = math.inf
        self._cut_at = -math.inf
        self._hold_s = HOLD_S
        self._took_one = True
        """A request was accepted since the last cut."""
        self._height = math.inf
        """What an account without a ceiling took when it was first cut."""
        self._accepted: deque[float] = deque(maxlen=4096)

    def set_ceiling(self, ceiling: Rate) -> None:
        """Change what the job allows; what was learnt stays."""
        self.ceiling = ceiling

    def accept(self) -> None:
        """A request was answered, and not for its speed."""
        self._accepted.append(self._clock())
        self._took_one = True

    def refuse(self, *, left_at: float, told: Rate | None) -> None:
        """A request was refused as too fast.

        Args:
            left_at: When it left.
            told: The limit that the answer names, if it does.
        """
        if told is not None:
            self._told = told
        elif left_at > self._cut_at:
            now = self._clock()
            current = self.rate().per_second
            lately = self._lately(now)
            if math.isinf(current):
                current = self._height = max(lately, FLOOR)
            half = current / 2
            self._cut_to = max(FLOOR, half, CUT * min(current, lately))
            self._cut_at = now
            doubled = min(LONGEST_HOLD_S, 2 * self._hold_s)
            self._hold_s = HOLD_S if self._took_one else doubled
            self._took_one = False

    def rate(self) -> Rate:
        """Return how fast to send now."""
        ceiling = self.ceiling
        if self._told is not None and self._told.per_second < ceiling.per_second:
            ceiling = self._told
        if math.isinf(self._cut_to):
            return ceiling
        step = RETURN_PER_S * min(ceiling.per_second, self._height)
        calm_s = max(0.0, self._clock() - self._cut_at - self._hold_s)
        return ceiling.slowed(self._cut_to + step * calm_s)

    def _lately(self, now: float) -> float:
        """Requests accepted per second, over the last window."""
        window_s = max(_LOOK_BACK_S, self.ceiling.window_s if self.ceiling.limit else 0)
        many = sum(1 for stamp in self._accepted if stamp > now - window_s)
        return many / window_s
