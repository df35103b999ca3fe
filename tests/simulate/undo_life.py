"""Drawing plans and carrying them out in virtual time, through the job's own seams."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from bulkbind.auth import Token
from bulkbind.door import Door
from bulkbind.gateway import Gateway
from bulkbind.host import HostFolder
from bulkbind.job.connecting import Connections
from bulkbind.job.errand import Errand, Surroundings
from bulkbind.job.running import engine_of
from bulkbind.ledger import LedgerRecorder
from bulkbind.model import Reply, Row, Secret
from bulkbind.pace import Pace, Rate
from bulkbind.run import Engine
from bulkbind.sandbox import Request
from bulkbind.settings import JobSettings
from bulkbind.state.folders import RunFolder, StateFolder
from tests.simulate.case import Ending, seeded
from tests.simulate.life import (
    BY_ITSELF,
    Body,
    Life,
    LoopClock,
    SeededLoop,
    bury,
)
from tests.simulate.power import Power, WatchedExecutor
from tests.simulate.server import EPOCH, Wire

T = TypeVar("T")

#: Nothing in a simulation lasts longer; more is something that never ends.
LONGEST_S = 400_000.0


class Killed(Exception):
    """The power went before it was done."""


class NoMemory:
    """A host on which nobody was refused before."""

    def refusal(self, identity: str) -> Reply | None:
        return None

    def refuse(self, identity: str, reply: Reply) -> None:
        pass


class Joined(Connections):
    """Connections of a simulation: no other process is on this host."""

    def lock(self, gateway: str) -> AbstractAsyncContextManager[None]:
        return _free()


@asynccontextmanager
async def _free() -> AsyncIterator[None]:
    await asyncio.sleep(0)
    yield


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Joins a job to the simulated wire, as ``connect`` joins it to the real one."""

    body: Body
    power: Power
    loop: SeededLoop
    token: str
    sent: Callable[[Request, bytes, int], None]
    joined: Callable[[Mapping[str, Pace]], None]
    """Hears of the paces."""

    @asynccontextmanager
    async def open(
        self,
        settings: JobSettings,
        *,
        credentials: object,
        state: StateFolder,
        projects: Mapping[str, str],
        rows: Callable[[], Iterator[Row]],
        environ: Mapping[str, str],
    ) -> AsyncIterator[Connections]:
        """Do for a plan what ``connect`` does."""
        yield self.connections(settings, state)

    def connections(self, settings: JobSettings, state: StateFolder) -> Connections:
        """Return what is sent and read with."""
        body = self.body
        wire = Wire(body.server, power=self.power, case=body.case, sent=self.sent)
        credential = Token(Secret(self.token), label="simulated")
        paces = {
            name: Pace(Rate(*settings.rate), log=body.paces[name], clock=self.loop.time)
            for name in settings.accounts
        }
        self.joined(paces)
        doors = {name: Door("simulated", NoMemory(), paces[name]) for name in paces}
        return Joined(
            attachers={
                name: Gateway(
                    wire,
                    endpoint="",
                    project_id=account.project_id,
                    credential=credential,
                    door=doors[name],
                )
                for name, account in settings.accounts.items()
            },
            turns=doors,
            paces=paces,
            label="simulated",
            host=HostFolder(state.path / "host"),
            scope="",
        )


def let_go(
    body: Body,
    clock: LoopClock,
    main: Callable[[Power, SeededLoop], Coroutine[Any, Any, T]],
    *,
    kill_after_s: float | None = None,
) -> T:
    """Run a coroutine in virtual time, while what is under way goes on.

    Raises:
        Killed: Its time came.
    """
    case = body.case
    order = seeded(case.seed, "order", clock.now) if case.shuffled else None
    loop = clock.loop = SeededLoop(now=clock.now, chance=order)
    power = Power(loop, ending=BY_ITSELF)
    body.server.enter(loop)
    task = loop.create_task(main(power, loop))
    task.add_done_callback(lambda _: loop.stop())
    loop.call_later(LONGEST_S, loop.stop)
    if kill_after_s is not None:
        loop.call_later(kill_after_s, power.cut)
    try:
        loop.run_forever()
        is_done = task.done()
    finally:
        body.server.leave(is_killed=not power.is_on)
        bury(loop)
        clock.now, clock.loop = loop.now, None
        loop.close()
    if not power.is_on:
        raise Killed
    assert is_done, "it does not end"
    return task.result()


@dataclass(frozen=True, kw_only=True)
class Duty:
    """What a life is to carry out."""

    run: RunFolder
    settings: JobSettings
    state: StateFolder
    looks_anew: bool
    joined: Callable[[Mapping[str, Pace]], None]
    sent: Callable[[Request, bytes, int], None]
    soon: tuple[tuple[float, Callable[[], object]], ...] = ()
    """What somebody else does, and after how many seconds."""


class SightedLife(Life):
    """An invocation that looks before it sends, assembled by the job itself."""

    def __init__(
        self,
        body: Body,
        *,
        duty: Duty,
        clock: LoopClock,
        token: str,
        ending: Ending = BY_ITSELF,
        take_failed: bool = False,
    ) -> None:
        self._duty = duty
        super().__init__(
            body, clock=clock, token=token, ending=ending, take_failed=take_failed
        )
        for seconds, act in duty.soon:
            self._loop.call_later(seconds, act)

    def _engine(self, executor: WatchedExecutor) -> Engine:
        duty = self._duty
        joint = Joint(
            body=self._body,
            power=self._power,
            loop=self._loop,
            token=self._token,
            sent=duty.sent,
            joined=duty.joined,
        )
        errand = Errand(
            run=duty.run,
            settings=duty.settings,
            command="run",
            credentials={},
            state=duty.state,
            take_failed=self._take_failed,
            looks_anew=duty.looks_anew,
        )
        return engine_of(
            errand,
            self._ledger,
            joint.connections(duty.settings, duty.state),
            lanes=self._ledger.lanes(),
            recorder=LedgerRecorder(executor),
            observer=self._body.observer,
            invocation=self.no,
            around=surroundings(self._loop, seed=self._body.case.seed),
        )


def surroundings(loop: SeededLoop, *, seed: int) -> Surroundings:
    """Return clock and chance of a simulation."""
    return Surroundings(
        environ={},
        now=lambda: EPOCH + loop.now,
        random=seeded(seed, "jitter", loop.now),
    )
