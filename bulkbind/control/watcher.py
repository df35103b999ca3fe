"""Obeys RUN/control and the clock, beside the engine."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

import anyio

from bulkbind.control.folder import ControlFolder
from bulkbind.control.hours import Hours
from bulkbind.control.orders import Act, Order, Wishes, decide, read_wishes
from bulkbind.errors import StateError

#: Seconds between two looks: an order is obeyed within one of these.
LOOK_S = 0.25

#: Looks between two words on what the run is doing.
_LOOKS_A_WORD = 4

#: What a run is stopped by that a person stopped.
STOPPED = "stop"


class Levers(Protocol):
    """What can be done to the engine while it runs."""

    def pause(self) -> None:
        """Send nothing more until ``go_on``."""
        ...

    def go_on(self) -> None:
        """Send again."""
        ...

    def stop(self, reason: str, *, now: bool, detail: str) -> None:
        """Drain, or stop at once."""
        ...

    def set(self, order: Order) -> str:
        """Change rate and concurrency; say what holds now."""
        ...

    async def record(self, event: str, text: str, order: Order) -> None:
        """Write down what was obeyed, or not, and tell people."""
        ...

    def word(self) -> bytes:
        """Say what the run is doing now, as JSON."""
        ...


class Watcher:
    """Looks at a run's control folder and at the clock.

    Args:
        folder: The run's.
        levers: What moves the engine.
        hours: When the run must end.
        now: Seconds since the epoch.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        folder: ControlFolder,
        levers: Levers,
        *,
        hours: Hours,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        self._folder = folder
        self._levers = levers
        self._hours = hours
        self._now = now
        self._sleep = sleep
        self._before = Wishes()
        self._is_over = False

    async def watch(self) -> None:
        """Obey until cancelled."""
        looks = 0
        while True:
            if looks:
                await self._sleep(LOOK_S)
            has_news = await self.look()
            if has_news or looks % _LOOKS_A_WORD == 0:
                self._tell()
            looks += 1

    async def look(self) -> bool:
        """Look once, and obey; tell whether there was something to obey."""
        if not self._is_over and (end := self._hours.due(self._now())) is not None:
            self._is_over = True
            self._levers.stop(
                end.rule, now=False, detail=f"the run was stopped: {end.why}"
            )
        wishes = read_wishes(self._folder.look())
        acts = decide(wishes, self._before)
        for act in acts:
            await self._obey(act)
        self._before = wishes
        return bool(acts)

    async def _obey(self, act: Act) -> None:
        levers, order = self._levers, act.order
        match act.what:
            case "pause":
                levers.pause()
                text = f"paused{_who(order)}: nothing is sent until `unpause`"
                await levers.record("run_paused", text, order)
            case "unpause":
                levers.go_on()
                await levers.record("run_unpaused", "unpaused: the run goes on", order)
            case "set":
                text = f"{levers.set(order)}{_who(order)}"
                await levers.record("run_set", text, order)
                self._drop(act.name)
            case "stop":
                how = "at once" if order.now else "when what is out is answered"
                text = f"stopped{_who(order)}, {how}"
                levers.stop(STOPPED, now=order.now, detail=f"the run was {text}")
                await levers.record("run_stop_asked", text, order)
            case _:
                text = f"{self._folder.path / act.name} is ignored: {act.problem}"
                await levers.record("control_ignored", text, order)

    def _drop(self, name: str) -> None:
        try:
            self._folder.drop(name)
        except StateError:
            return  # it is obeyed once, and goes when the next invocation begins

    def _tell(self) -> None:
        try:
            self._folder.tell(self._levers.word())
        except StateError:
            return  # the run matters more than what is known of it


def _who(order: Order) -> str:
    if not order.by:
        return ""
    try:
        at = datetime.fromisoformat(order.at)
    except ValueError:
        return f" by {order.by}"
    return f" by {order.by} at {at:%H:%M:%S} UTC"
