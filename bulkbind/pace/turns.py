"""Turns to send: first come, first served, never faster than the rate.

A release log decides: release k waits until release k-N is one window and some slack
old, from the first second, across resume and over all processes of this host (the
log is shared, see ``host``). An aiolimiter behind it smooths what the log would let
out in a clump. One waiter at a time passes.
"""

import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import anyio
from aiolimiter import AsyncLimiter

from bulkbind.pace.estimate import Estimate
from bulkbind.pace.log import ReleaseLog
from bulkbind.pace.rate import Rate

#: Added to every window, so that a gateway that counts arrivals sees no more than N.
SLACK_S = 0.02

#: Requests that one smoothing step lets through at once, as a share of N.
_STEPS = 10

#: A smaller rise of the rate is not worth a new limiter; a fall always is.
_WORTH_IT = 0.01


class Slots(Protocol):
    """Requests that may be out at once."""

    async def acquire(self) -> None:
        """Wait for a slot."""
        ...

    def release(self) -> None:
        """Give a slot back."""
        ...


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
        self._released: deque[float] = deque(maxlen=largest)
        self._queue = anyio.Lock(fast_acquire=True)
        self._estimate = Estimate(rate, clock=clock)
        self._held: anyio.Event | None = None
        """Set when turns are given again; None: they are given."""
        self._sleeper: anyio.CancelScope | None = None
        """Where the one waiter that is next sleeps."""
        self._next_at = 0.0
        """Until when it does."""
        self._apply(rate)

    @property
    def rate(self) -> Rate:
        """How fast requests go out now."""
        return self._rate

    @property
    def ceiling(self) -> Rate:
        """What the job allows."""
        return self._estimate.ceiling

    def set_rate(self, rate: Rate) -> None:
        """Change the ceiling; whoever waits now waits by the new one at once."""
        before = self._rate.per_second
        self._estimate.set_ceiling(rate)
        self._apply(self._estimate.rate())
        self._clear(before)
        if self._sleeper is not None:
            self._sleeper.cancel()

    def pause(self, seconds: float) -> None:
        """Give no turn for some seconds from now; never shortens a pause."""
        self._log.pause(seconds)

    @property
    def paused_s(self) -> float:
        """Seconds until the pause ends; 0 when there is none."""
        return self._log.paused_s()

    @property
    def next_s(self) -> float:
        """Seconds that whoever is next still sleeps; 0 when nobody is known to."""
        return max(0.0, self._next_at - self._clock())

    @property
    def seconds_each(self) -> float:
        """Seconds between two requests, on average; 0 without a ceiling."""
        return 1 / self._rate.per_second if self._rate.limit else 0.0

    def hold(self) -> None:
        """Give no turn until ``let_go``; whoever has one keeps it."""
        if self._held is None:
            self._held = anyio.Event()

    def let_go(self) -> None:
        """Give turns again."""
        if self._held is not None:
            self._held.set()
            self._held = None

    def accepted(self) -> None:
        """Hear that a request was answered, and not for its speed."""
        self._estimate.accept()

    def throttled(
        self, *, left_at: float, told: tuple[int, float] | None, pause_s: float
    ) -> None:
        """Hear that a request was refused as too fast: pause, and go on more slowly.

        Args:
            left_at: When it left, by the event loop's clock.
            told: N and W in seconds, when the answer names the limit.
            pause_s: Seconds that nothing is sent.
        """
        before = self._rate.per_second
        self._estimate.refuse(left_at=left_at, told=Rate(*told) if told else None)
        self._log.pause(pause_s)
        self._follow()
        if told:
            self._clear(before)

    @asynccontextmanager
    async def turn(self, slots: Slots) -> AsyncIterator[None]:
        """Wait for a turn and a slot; the slot is held while the block runs.

        The slot is taken last, so that an account that waits for its pace keeps no
        slot from others; the release is written down when both are there.

        Args:
            slots: Requests that may be out at once, over all accounts.
        """
        async with self._queue:
            await self._smoothen()
            await self._take(slots)
        try:
            yield
        finally:
            slots.release()

    async def _smoothen(self) -> None:
        """Wait until the limiter lets one through; a new rate has a new limiter."""
        is_through = False
        while not is_through:
            self._follow()
            if not self._rate.limit:
                return
            with self._asleep():
                await self._smooth.acquire()
                is_through = True

    async def _take(self, slots: Slots) -> None:
        while True:
            await self._slot(slots)
            seconds = self._over_ceiling_s()
            if seconds <= 0:
                seconds = self._log.release(limit=self._limit, window_s=self._window_s)
            if seconds <= 0:
                self._released.append(self._clock())
                return
            slots.release()
            self._next_at = self._clock() + seconds
            with self._asleep():
                await anyio.sleep(seconds)

    async def _slot(self, slots: Slots) -> None:
        """Take a slot; nobody who waits for ``let_go`` keeps one."""
        await slots.acquire()
        while self._held is not None:
            slots.release()
            await self._held.wait()
            await slots.acquire()

    def _over_ceiling_s(self) -> float:
        """Return the seconds until the job's own ceiling allows one more; 0: now.

        The log counts by the rate that holds now. A limit that the gateway told has a
        window of its own, in which the job's may be exceeded.
        """
        limit, window_s = self._counted(self._estimate.ceiling)
        if not limit or len(self._released) < limit:
            return 0.0
        return window_s - (self._clock() - self._released[-limit])

    @contextmanager
    def _asleep(self) -> Iterator[None]:
        """Sleep inside: a new rate ends the block at once, without an exception."""
        try:
            with anyio.CancelScope() as self._sleeper:
                yield
        finally:
            self._sleeper = None

    def _clear(self, before: float) -> None:
        """Let a window pass when the rate has fallen below what the log can count.

        The log looks back on one part of the window only; what the faster rate let
        out before that part would come on top of the new rate's first releases.

        Args:
            before: Requests per second until now.
        """
        if self._rate.per_second < before and self._rate.limit > self._largest:
            self._log.pause(self._rate.window_s + SLACK_S)

    def _follow(self) -> None:
        """Go as fast as the estimate says."""
        wanted = self._estimate.rate()
        now, then = wanted.per_second, self._rate.per_second
        if now < then or now > (1 + _WORTH_IT) * then:
            self._apply(wanted)

    def _apply(self, rate: Rate) -> None:
        self._rate = rate
        self._limit, self._window_s = self._counted(rate)
        if rate.limit:
            step = max(1.0, rate.limit / _STEPS)
            self._smooth = AsyncLimiter(step, step / rate.per_second)

    def _counted(self, rate: Rate) -> tuple[int, float]:
        """Return a rate as the log counts: no more than it can look back on."""
        if not rate.limit:
            return 0, 0.0
        parts = math.ceil(rate.limit / self._largest)
        return rate.limit // parts, (rate.window_s + SLACK_S) / parts
