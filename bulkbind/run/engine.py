"""Starts a worker for every lane that has something to do, and waits for them."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

import anyio

from bulkbind.errors import LeaseLost
from bulkbind.model import Cause, Lane, OurCode, Scope, Stop, Target
from bulkbind.plan import OnReplace
from bulkbind.run.breaker import Breaker
from bulkbind.run.canary import Canaries
from bulkbind.run.halt import Halt
from bulkbind.run.lane import LaneWorker
from bulkbind.run.leave import Leave
from bulkbind.run.limits import Limits
from bulkbind.run.looking import look_ahead
from bulkbind.run.seams import (
    Attacher,
    GatewayLocks,
    Observer,
    Pictures,
    Recorder,
    RunSettings,
    Slots,
    Turns,
)
from bulkbind.run.slots import SlotPool
from bulkbind.run.tools import Tools

#: Lanes of an account that may hold their gateway's lock while they wait for a turn:
#: enough that no slot waits for a lane, and few beside the 256 files of some systems.
FEWEST_GATES = 32
GATES_A_SLOT = 2


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Runs the lanes of a run side by side."""

    attachers: Mapping[str, Attacher]
    """The gateways of each account, by its name."""
    turns: Mapping[str, Turns]
    """The pace of each account, by its name."""
    recorder: Recorder
    locks: GatewayLocks
    """Keeps other processes of this host off a gateway."""
    observer: Observer
    settings: RunSettings
    invocation: int
    """Number of this run or resume."""
    now: Callable[[], float]
    """Seconds since the epoch."""
    random: Random
    halt: Halt = field(default_factory=Halt)
    slots: Slots | None = None
    """Requests that may be out at once, over all accounts; None: the settings' number."""
    pictures: Pictures | None = None
    """Says what is bound now; None: send blind."""
    recorders: Mapping[str, Recorder] = field(default_factory=dict)
    """The ledger for the lanes of an account that is owned by a lease."""
    keepers: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """Goes on owning an account; cancelled when all lanes are done."""
    leave: Leave = field(default_factory=lambda: Leave(OnReplace.ALLOW, math.inf))
    """What may be displaced that no earlier picture showed."""
    canaries: Canaries = field(default_factory=Canaries)
    """The first batches of targets, which the others wait for."""

    async def _look(
        self, lanes: Sequence[Lane], targets: list[Target], tools: Mapping[str, Tools]
    ) -> None:
        """See what every open batch would displace, before anything is sent."""
        for lane in lanes:
            with self.halt.now:
                await look_ahead(lane, targets=targets, tools=tools[lane.account])

    async def run(self, lanes: Sequence[Lane], *, targets: list[Target]) -> None:
        """Work every lane until nothing is left or something stops it.

        Raises:
            LedgerFailed: The ledger cannot be written; what is out is abandoned.
        """
        tools = self._tools()

        async def work() -> None:
            if self.settings.looks_first:
                await self._look(lanes, targets, tools)
            with self.halt.now:
                await self._work(lanes, targets, tools)

        await self._kept(work)
        if self.halt.reason:
            stop = self.halt.run_stop(invocation=self.invocation, at=self.now())
            await self.recorder.stop(stop)
            self.observer.stopped(stop)

    async def look(self, lanes: Sequence[Lane], *, targets: list[Target]) -> None:
        """See what every open batch would displace; nothing is sent.

        Raises:
            LeaseLost: Another process owns an account now.
            LedgerFailed: The ledger cannot be written.
        """
        await self._kept(partial(self._look, lanes, targets, self._tools()))

    async def _kept(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work while the accounts go on being owned."""
        try:
            async with anyio.create_task_group() as group:
                for account, keep in self.keepers.items():
                    group.start_soon(self._until_lost, account, keep)
                await work()
                group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            raise first_of(errors) from errors

    async def _work(
        self, lanes: Sequence[Lane], targets: list[Target], tools: Mapping[str, Tools]
    ) -> None:
        async with anyio.create_task_group() as group:
            for lane in lanes:
                worker = LaneWorker(
                    lane,
                    targets=targets,
                    tools=tools[lane.account],
                    canaries=self.canaries,
                )
                group.start_soon(self._until_lost, lane.account, worker.work)

    async def _until_lost(
        self, account: str, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Work for an account; once another process owns it, all of it stops here."""
        try:
            await work()
        except LeaseLost as lost:
            self._lose(account, lost)

    def _lose(self, account: str, lost: LeaseLost) -> None:
        if account in self.halt.accounts:
            return
        stop = Stop(
            scope=Scope.ACCOUNT,
            key=account,
            cause=Cause.ACCOUNT,
            invocation=self.invocation,
            at=self.now(),
            code=OurCode.STOPPED,
            message=str(lost),
        )
        self.halt.stop_account(stop)
        self.observer.stopped(stop)

    def _tools(self) -> dict[str, Tools]:
        slots = self.slots or SlotPool(self.settings.concurrency)
        limits = Limits(
            self.halt,
            budget=self.settings.retry.budget,
            max_failed=self.settings.max_failed,
        )
        return {
            account: Tools(
                attacher=attacher,
                turns=self.turns[account],
                recorder=self.recorders.get(account, self.recorder),
                locks=self.locks,
                gates=anyio.Semaphore(
                    max(FEWEST_GATES, GATES_A_SLOT * self.settings.concurrency),
                    fast_acquire=True,
                ),
                slots=slots,
                halt=self.halt,
                breaker=Breaker(self.settings.retry),
                limits=limits,
                leave=self.leave,
                pictures=self.pictures,
                observer=self.observer,
                settings=self.settings,
                count_read=partial(self.recorder.count_read, self.invocation),
                invocation=self.invocation,
                now=self.now,
                random=self.random,
            )
            for account, attacher in self.attachers.items()
        }


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error that is not a group; the others follow from it."""
    first = errors.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
