"""A gateway's clock, as far as its answers tell it."""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

#: Seconds that a ``Date`` header may differ by being on its way.
_TOLERANCE_S = 30.0

#: The most that a signature's date may be off, in seconds. Source: API signing guide.
MAX_SKEW_S = 900.0


class ServerClock:
    """Tells the time that the other side has.

    Args:
        now: This machine's clock, in seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.own = now
        self.skew_s = 0.0
        """How far the other side is ahead of this machine, in seconds."""

    def __call__(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self.own() + self.skew_s

    def hear(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer's ``Date``; one that cannot be read says nothing."""
        try:
            date = parsedate_to_datetime(headers.get("Date", ""))
        except (TypeError, ValueError):
            return
        skew_s = date.timestamp() - self.own()
        if abs(skew_s - self.skew_s) > _TOLERANCE_S:
            self.skew_s = skew_s if abs(skew_s) > _TOLERANCE_S else 0.0
