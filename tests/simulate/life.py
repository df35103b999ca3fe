"""One life: an invocation of the engine, assembled as ``job.running`` does it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import cast

from bulkbind.auth import Token
from bulkbind.gateway import Gateway
from bulkbind.job.canary import canaries_of_facts
from bulkbind.ledger import LedgerRecorder
from bulkbind.model import RunState, Secret
from bulkbind.pace import Pace, Rate, ReleaseLog
from bulkbind.run import Engine, Halt, Observer, RunSettings
from tests.clock import VirtualLoop
from tests.simulate.canary import Check
from tests.simulate.case import Case, Ending, seeded
from tests.simulate.power import Power, WatchedExecutor, WatchedLedger
from tests.simulate.server import EPOCH, Server, Wire
from tests.simulate.witness import Witness

BY_ITSELF = Ending()

#: Seconds between two looks whether an engine has begun.
STEP_S = 0.001

#: Turns of a loop in which cancelled tasks must have ended.
BURIAL_TURNS = 1000


class SeededLoop(VirtualLoop):
    """A virtual loop that runs what is ready in an order of its own.

    Args:
        now: Where time begins.
        chance: The order; None: first come, first served.
    """

    def __init__(self, *, now: float, chance: Random | None) -> None:
        super().__init__()
        self.now = now
        self._chance = chance
        self.set_exception_handler(lambda loop, context: None)

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        if self._chance is not None and len(ready) > 1:
            shuffled = list(ready)
            self._chance.shuffle(shuffled)
            ready.clear()
            ready.extend(shuffled)
        super()._run_once()  # type: ignore[misc]


@dataclass(slots=True)
class Lived:
    """How a life went."""

    no: int
    ended: str
    """``itself``, ``killed``; else what stopped the run."""
    state: RunState


@dataclass(frozen=True, kw_only=True)
class Body:
    """What a life is lived with."""

    case: Case
    ledger: Path
    server: Server
    witness: Witness
    paces: dict[str, "PaceLog"]
    """By account; they outlive the engine, as the host's rings do."""
    observer: Observer
    rate: Rate
    """What the engine is told; the witness knows the case's."""


class PaceLog:
    """A release log that outlives a process, and tells the witness of each release.

    Args:
        inner: Decides.
        released: Hears of a release.
    """

    def __init__(self, inner: ReleaseLog, *, released: Callable[[], None]) -> None:
        self._inner = inner
        self._released = released
        self.pause = inner.pause
        self.paused_s = inner.paused_s

    def release(self, *, limit: int, window_s: float) -> float:
        seconds = self._inner.release(limit=limit, window_s=window_s)
        if seconds <= 0:
            self._released()
        return seconds


class LoopClock:
    """The time of whichever loop runs; between two, that of the last."""

    def __init__(self) -> None:
        self.loop: VirtualLoop | None = None
        self.now = 1000.0

    def __call__(self) -> float:
        return self.loop.now if self.loop is not None else self.now


class Life:
    """One invocation of the engine, which can be let go on bit by bit.

    Args:
        body: What it is lived with.
        clock: Moves with it.
        ending: How it ends, if not by itself.
        token: What it proves itself with.
        take_failed: Send again what was refused.
    """

    def __init__(
        self,
        body: Body,
        *,
        clock: LoopClock,
        token: str,
        ending: Ending = BY_ITSELF,
        take_failed: bool = False,
    ) -> None:
        case = body.case
        order = seeded(case.seed, "order", clock.now) if case.shuffled else None
        self.no = 0
        self.halt: Halt | None = None
        """The engine's; None: it has not begun."""
        self._body = body
        self._clock = clock
        self._ending = ending
        self._token = token
        self._take_failed = take_failed
        self._loop = clock.loop = SeededLoop(now=clock.now, chance=order)
        self._power = Power(self._loop, ending=ending)
        self._ledger = cast("WatchedLedger", WatchedLedger.open(body.ledger))
        self._ledger.watch(self._power, body.witness.wrote)
        body.witness.wakes(may_take_failed=take_failed)
        body.server.enter(self._loop)
        self._task = self._loop.create_task(self._main())
        self._task.add_done_callback(lambda _: self._loop.stop())

    # --- from outside ----------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether it ended by itself, or was killed."""
        return self._task.done() or not self._power.is_on

    def advance(self, seconds: float) -> None:
        """Let some seconds pass, or fewer: until it is over."""
        if not self.is_over:
            deadline = self._loop.call_later(seconds, self._loop.stop)
            self._loop.run_forever()
            deadline.cancel()

    def kill(self) -> None:
        """Take the power away."""
        self._power.is_on = False

    def stop(self, *, now: bool) -> None:
        """Do what SIGINT does: drain, or (the second) stop now."""
        self._soon(lambda halt: halt.stop("SIGINT", now=now))

    def pause(self) -> None:
        """Let nothing more out, as ``bulkbind pause`` will."""
        self._soon(lambda _: self._hold(is_held=True))

    def unpause(self) -> None:
        """Go on."""
        self._soon(lambda _: self._hold(is_held=False))

    def set_rate(self, rate: Rate) -> None:
        """Change the ceiling of every account."""

        def change(_: Halt) -> None:
            self._body.witness.ceiling = rate
            for pace in self._body.witness.paces.values():
                pace.set_rate(rate)

        self._soon(change)

    def _hold(self, *, is_held: bool) -> None:
        self._body.witness.is_held = is_held
        for pace in self._body.witness.paces.values():
            if is_held:
                pace.hold()
            else:
                pace.let_go()

    def _soon(self, act: Callable[[Halt], None]) -> None:
        """Act inside the loop, as soon as the engine has begun."""
        if self.is_over:
            return
        while self.halt is None and not self.is_over:
            self.advance(STEP_S)
        if self.halt is not None:
            self._loop.call_soon(act, self.halt)

    def leave(self) -> Lived:
        """Let nothing of it stay but the ledger and what is under way; say how it went.

        Raises:
            AssertionError: It is still alive.
        """
        loop, ledger = self._loop, self._ledger
        is_over, is_killed = self.is_over, not self._power.is_on
        ledger.watch(Power(loop, ending=BY_ITSELF), lambda _: None)
        self._body.server.leave(is_killed=is_killed)
        bury(loop)
        accepted = canaries_of_facts(ledger.meta()).accepted
        ledger.close()
        self._clock.now, self._clock.loop = loop.now, None
        loop.close()
        if is_killed:
            self._body.witness.cut_short(accepted)
            return Lived(self.no, "killed", RunState.RUNNING)
        if not is_over:
            message = "it does not end"
            raise AssertionError(message)
        if self._task.result().ended != "itself":
            self._body.witness.cut_short(accepted)
        return self._task.result()

    # --- inside ----------------------------------------------------------------------

    async def _main(self) -> Lived:
        """As ``job.running`` has it: begin, work every open lane, end."""
        ledger, case = self._ledger, self._body.case
        executor = WatchedExecutor(
            ledger,
            power=self._power,
            chance=seeded(case.seed, "commit", self._loop.now),
            longest_s=case.commit_s,
        )
        lanes, targets = ledger.lanes(), ledger.targets()
        self.no = await executor.do(lambda ledger: self._begin())
        engine = self._engine(executor)
        self.halt = engine.halt
        open_lanes = set(await executor.do(lambda ledger: ledger.open_lanes()))
        self._set_ending(engine.halt)
        await engine.run(
            [lane for lane in lanes if lane.no in open_lanes], targets=targets
        )
        stopped_by = engine.halt.reason
        state = await executor.do(lambda ledger: self._end(stopped_by))
        return Lived(self.no, stopped_by or "itself", state)

    def _begin(self) -> int:
        if self._take_failed:
            self._ledger.reopen_failed()
        return self._ledger.start(
            command="run", operator="sim@virtual", pid=1, at=self._wall()
        )

    def _end(self, stopped_by: str) -> RunState:
        ledger = self._ledger
        state = RunState.STOPPED if ledger.open_lanes() else RunState.FINISHED
        ledger.end(self.no, at=self._wall(), state=state, stopped_by=stopped_by)
        return state

    def _wall(self) -> float:
        return EPOCH + self._loop.now

    def _engine(self, executor: WatchedExecutor) -> Engine:
        case, body = self._body.case, self._body
        wire = Wire(body.server, power=self._power, case=case, sent=body.witness.sent)
        credential = Token(Secret(self._token), label="simulated")
        accounts = {target.account: target for target in self._ledger.targets()}
        paces = {
            name: Pace(body.rate, log=body.paces[name], clock=self._loop.time)
            for name in accounts
        }
        body.witness.paces = paces
        return Engine(
            attachers={
                name: Gateway(
                    wire,
                    endpoint="",
                    project_id=target.project_id,
                    credential=credential,
                )
                for name, target in accounts.items()
            },
            turns=paces,
            recorder=LedgerRecorder(executor),
            canaries=replace(
                canaries_of_facts(self._ledger.meta()),
                check=Check.of(case, body.witness, now=self._loop.now),
            ),
            locks=self._lock,
            observer=body.observer,
            settings=RunSettings(
                concurrency=case.concurrency,
                retry=case.retry,
                take_failed=self._take_failed,
            ),
            invocation=self.no,
            now=self._wall,
            random=seeded(case.seed, "jitter", self._loop.now),
        )

    @asynccontextmanager
    async def _lock(self, gateway: str) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        yield

    def _set_ending(self, halt: Halt) -> None:
        ending = self._ending
        at = self._loop.now + ending.after_s
        if ending.how == "kill":
            self._loop.call_at(at, self._power.cut)
        elif ending.how in {"drain", "now"}:
            self._loop.call_at(at, halt.stop, "SIGINT")
        if ending.how == "now":
            later = at + ending.commits / 100
            self._loop.call_at(later, lambda: halt.stop("SIGINT", now=True))


def bury(loop: SeededLoop) -> None:
    """End the tasks of an engine that has no power any more."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    for _ in range(BURIAL_TURNS):
        if all(task.done() for task in tasks):
            return
        loop.call_soon(loop.stop)
        loop.run_forever()
    message = "tasks of a dead engine go on"
    raise AssertionError(message)
