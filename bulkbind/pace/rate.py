"""N requests per window."""

import math
from dataclasses import dataclass

_NAMES = {1.0: "s", 60.0: "min", 3600.0: "h"}


@dataclass(frozen=True, slots=True)
class Rate:
    """N requests per window."""

    limit: int
    """Requests, from 1; 0: no ceiling."""
    window_s: float
    """Seconds."""

    def __str__(self) -> str:
        if not self.limit:
            return "unlimited"
        return f"{self.limit}/{_NAMES.get(self.window_s, f'{self.window_s:g}s')}"

    @property
    def per_second(self) -> float:
        """Requests per second, on average; infinite without a ceiling."""
        return self.limit / self.window_s if self.limit else math.inf

    def slowed(self, per_second: float) -> "Rate":
        """Return this rate, no faster than some requests per second.

        Its window is never shorter than this one's, so that what fits into two of them
        never comes to more than this rate allows.
        """
        if per_second >= self.per_second:
            return self
        window_s = self.window_s if self.limit else 1.0
        limit = max(1, math.ceil(per_second * window_s))
        return Rate(limit, limit / per_second)
