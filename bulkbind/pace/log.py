"""Where releases are remembered: in this process, or (``host.Ring``) for all of them."""

from collections import deque
from collections.abc import Callable
from typing import Protocol


class ReleaseLog(Protocol):
    """Remembers releases and pauses; may be shared with other processes."""

    def release(self, *, limit: int, window_s: float) -> float:
        """Release now (0.0), or say how many seconds to wait before asking again."""
        ...

    def pause(self, seconds: float) -> None:
        """Release nothing for some seconds from now; never shortens a pause."""
        ...

    def paused_s(self) -> float:
        """Return the seconds until the pause ends; 0 when there is none."""
        ...


class MemoryLog:
    """A release log of this process alone.

    Args:
        clock: Seconds.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stamps: deque[float] = deque(maxlen=4096)
        self._paused_until = 0.0

    def release(self, *, limit: int, window_s: float) -> float:
        """Release now (0.0), or say how many seconds to wait before asking again."""
        now = self._clock()
        if now < self._paused_until:
            return self._paused_until - now
        if limit and len(self._stamps) >= limit:
            passed = now - self._stamps[-limit]
            if passed < window_s:
                return window_s - passed
        self._stamps.append(now)
        return 0.0

    def pause(self, seconds: float) -> None:
        """Release nothing for some seconds from now; never shortens a pause."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def paused_s(self) -> float:
        """Return the seconds until the pause ends; 0 when there is none."""
        return max(0.0, self._paused_until - self._clock())
