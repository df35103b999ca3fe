"""The pace of one account: no window ever holds more than N releases.

A release log decides: release k waits until release k-N is one window and some slack
old, from the first second, across resume and over all processes of this host (the
log is shared, see ``host``). An aiolimiter behind it smooths what the log would let
out in a clump. One waiter at a time passes, so the order is first come, first served.
"""

import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import anyio
from aiolimiter import AsyncLimiter

#: Added to every window, so that a gateway that counts arrivals sees no more than N.
SLACK_S = 0.02

#: Requests that one smoothing step lets through at once, as a share of N.
_STEPS = 10


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
        names = {1.0: "s", 60.0: "min", 3600.0: "h"}
        return f"{self.limit}/{names.get(self.window_s, f'{self.window_s:g}s')}"

    @property
    def per_second(self) -> float:
        """Requests per second, on average; infinite without a ceiling."""
        return self.limit / self.window_s if self.limit else math.inf


class ReleaseLog(Protocol):
    """Remembers releases; may be shared with other processes."""

    def release(self, *, limit: int, window_s: float) -> float:
        """Release now (0.0), or say how many seconds to wait before asking again."""
        ...


class MemoryLog:
    """A release log of this process alone.

    Args:
        clock: Seconds.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stamps: deque[float] = deque(maxlen=4096)

    def release(self, *, limit: int, window_s: float) -> float:
        """Release now (0.0), or say how many seconds to wait before asking again."""
        now = self._clock()
        if len(self._stamps) >= limit:
            passed = now - self._stamps[-limit]
            if passed < window_s:
                return window_s - passed
        self._stamps.append(now)
        return 0.0


class Pace:
    """Gives turns to send, in order, never faster than the rate.

    Args:
        rate: The ceiling.
        log: Where releases are remembered.
        clock: Seconds, the event loop's.
        largest: Most releases the log can look back on.
    """

    def __init__(
        self,
        rate: Rate,
        *,
        log: ReleaseLog,
        clock: Callable[[], float],
        largest: int = 4096,
    ) -> None:
        self._log = log
        self._clock = clock
        self._largest = largest
        self._queue = anyio.Lock(fast_acquire=True)
        self._paused_until = 0.0
        self.set_rate(rate)

    def set_rate(self, rate: Rate) -> None:
        """Change the ceiling; whoever waits next waits by the new one."""
        self.rate = rate
        if not rate.limit:
            return
        parts = math.ceil(rate.limit / self._largest)
        self._limit = rate.limit // parts
        self._window_s = rate.window_s / parts + SLACK_S
        step = max(1.0, rate.limit / _STEPS)
        self._smooth = AsyncLimiter(step, step / rate.per_second)

    def pause(self, seconds: float) -> None:
        """Give no turn for some seconds from now; never shortens a pause."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    @property
    def paused_s(self) -> float:
        """Seconds until the pause ends; 0 when there is none."""
        return max(0.0, self._paused_until - self._clock())

    @asynccontextmanager
    async def turn(self, slots: anyio.Semaphore) -> AsyncIterator[None]:
        """Wait for a turn and a slot; the slot is held while the block runs.

        The slot is taken last, so that an account that waits for its pace keeps no
        slot from others; the release is written down when both are there.

        Args:
            slots: Requests that may be out at once, over all accounts.
        """
        async with self._queue:
            if self.rate.limit:
                await self._smooth.acquire()
            await self._take(slots)
        try:
            yield
        finally:
            slots.release()

    async def _take(self, slots: anyio.Semaphore) -> None:
        while True:
            await slots.acquire()
            seconds = self.paused_s or self._release()
            if seconds <= 0:
                return
            slots.release()
            await anyio.sleep(seconds)

    def _release(self) -> float:
        if not self.rate.limit:
            return 0.0
        return self._log.release(limit=self._limit, window_s=self._window_s)
