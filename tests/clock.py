"""Time as a test wants it: a clock that is set by hand, a loop that never waits."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class FakeClock:
    """Seconds that move only when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nobody has work."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_VirtualSelector(self))

    def time(self) -> float:
        return self.now


class _VirtualSelector(selectors.SelectSelector):
    #: Time that a turn of the loop takes, so that no wait is too short to end.
    TURN_S = 1e-9

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            if timeout is None:
                message = "every task waits for something that never comes"
                raise RuntimeError(message)
            self._loop.now += max(timeout, 0.0) + self.TURN_S
        return events


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in virtual time: an hour takes as long as its work."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
