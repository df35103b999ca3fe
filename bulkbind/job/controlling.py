"""Lets people pause, re-rate and stop a run at work, and the clock end it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
import msgspec

from bulkbind.control.folder import ControlFolder
from bulkbind.control.hours import DEADLINE, WINDOW, Hours
from bulkbind.control.now import Doing, Now, describe
from bulkbind.control.orders import PAUSE, Order
from bulkbind.control.watcher import Watcher
from bulkbind.errors import StateError
from bulkbind.job.events import EventLog
from bulkbind.job.fetching import Fetcher
from bulkbind.job.passing import hold_all, let_all_go
from bulkbind.ledger import ThreadExecutor
from bulkbind.ledger.enduring import EnduringExecutor
from bulkbind.ledger.store import Ledger
from bulkbind.pace import Pace, Rate
from bulkbind.run import Halt, Observer, SlotPool, first_of

#: The ledger's fact that keeps what was asked of a run; so many of the last.
CONTROLLED = "controlled"
_KEPT = 1000


@dataclass(kw_only=True)
class RunLevers:
    """Moves one invocation, and writes down what was asked."""

    halt: Halt
    paces: Mapping[str, Pace]
    slots: SlotPool
    doing: Doing
    hours: Hours
    events: EventLog
    observer: Observer
    executor: ThreadExecutor
    invocation: int
    now: Callable[[], float]
    paused_by: str = ""

    def pause(self) -> None:
        """Send nothing more until ``go_on``; reads wait, too."""
        hold_all(self.halt, self.paces)

    def go_on(self) -> None:
        """Send again."""
        self.paused_by = ""
        let_all_go(self.halt, self.paces)

    def stop(self, reason: str, *, now: bool, detail: str) -> None:
        """Drain, or stop at once."""
        is_first = not self.halt.reason
        self.halt.stop(reason, now=now, detail=detail)
        if is_first:
            self.observer.noticed(detail)

    def set(self, order: Order) -> str:
        """Change rate and concurrency for the rest of this invocation."""
        said = []
        if order.rate is not None:
            rate = Rate(*order.rate)
            for pace in self.paces.values():
                pace.set_rate(rate)
            said.append(f"rate {rate}")
        if order.concurrency is not None:
            self.slots.resize(order.concurrency)
            said.append(f"concurrency {order.concurrency}")
        return f"{' and '.join(said) or 'nothing'} set"

    async def record(self, event: str, text: str, order: Order) -> None:
        """Write it into events and ledger, and tell people."""
        if event == "run_paused":
            self.paused_by = text
        if event in {"run_paused", "run_unpaused"}:
            self.observer.held(self.paused_by)
        facts = {"by": order.by, "asked_at": order.at, "text": text}
        self.events.note(event, **facts)
        self.observer.noticed(text)
        entry = {"invocation": self.invocation, "event": event, **facts}
        await self.executor.do(lambda ledger: _keep(ledger, entry))

    def word(self) -> bytes:
        """Say what the run is doing now, as JSON."""
        return msgspec.json.encode(self.say())

    def say(self) -> Now:
        """Say what the run is doing now."""
        now = self.now()
        word = describe(
            self.doing,
            self.paces,
            halt=self.halt,
            slots=self.slots,
            at=now,
            invocation=self.invocation,
        )
        return msgspec.structs.replace(
            word,
            paused_by=self.paused_by if self.halt.is_paused else "",
            ends_in=self.hours.left_s(now),
            ends_by=self.hours.ends[0].rule if self.hours.ends else "",
        )


def _keep(ledger: Ledger, entry: Mapping[str, object]) -> None:
    kept = json.loads(ledger.meta().get(CONTROLLED, "[]"))
    ledger.put_meta({CONTROLLED: json.dumps([*kept, entry][-_KEPT:])})


@asynccontextmanager
async def obeying(folder: ControlFolder, levers: RunLevers) -> AsyncIterator[None]:
    """Obey the control folder and the clock while the block runs.

    A pause outlives what nobody asked for: a kill, a deadline, the window's end.
    """
    folder.begin()
    fetcher = None
    if isinstance(levers.executor, EnduringExecutor):
        fetcher = Fetcher(folder, levers.executor, levers.say)
        await fetcher.look()
    watcher = Watcher(folder, levers, hours=levers.hours, now=levers.now)
    await watcher.look()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(watcher.watch)
            if fetcher is not None:
                group.start_soon(fetcher.work)
            yield
            group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        raise first_of(errors) from errors
    keeps_pause = levers.halt.reason in {DEADLINE, WINDOW}
    if fetcher is not None:
        await fetcher.end(keeps_pause=keeps_pause)
    with suppress(StateError):
        folder.end()
        if not keeps_pause:
            folder.drop(PAUSE)
