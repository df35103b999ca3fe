"""One lane: its batches in order, one request out at a time.

Each answer is judged (``retry``), written down, and then acted on: the batch goes on,
waits, is searched for its bad ids, or something bigger than the batch stops.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import anyio

from bulkbind.model import (
    Batch,
    Cause,
    Lane,
    OurCode,
    Receipts,
    Record,
    RecordKind,
    Reply,
    Scope,
    Stop,
    Target,
)
from bulkbind.retry import backoff, cause_of, classify, read_retry_after
from bulkbind.run.halt import Halt
from bulkbind.run.progress import Progress
from bulkbind.run.seams import (
    Attacher,
    GatewayLocks,
    Observer,
    Recorder,
    RunSettings,
    Turns,
)

#: Batches of a lane that are read from the ledger at once.
AHEAD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every lane of an account works with."""

    attacher: Attacher
    turns: Turns
    recorder: Recorder
    locks: GatewayLocks
    slots: anyio.Semaphore
    halt: Halt
    observer: Observer
    settings: RunSettings
    invocation: int
    now: Callable[[], float]
    """Seconds since the epoch."""
    random: Random


@dataclass(slots=True)
class _Tries:
    """Failures of one batch since it last made progress."""

    failures: int = 0
    waits: int = 0
    """Answers that were no attempt: throttled or busy."""
    busy_since: float | None = None


class LaneWorker:
    """Works one lane until nothing is left or something stops it.

    Args:
        lane: The lane.
        targets: Every target of the run, by number.
        tools: What the lane works with.
    """

    def __init__(self, lane: Lane, *, targets: list[Target], tools: Tools) -> None:
        self._lane = lane
        self._targets = targets
        self._tools = tools
        self._dead_targets: set[int] = set()
        self._parked = False
        self._given_up = 0

    async def work(self) -> None:
        """Send every open batch of the lane, in order."""
        self._tools.observer.lane_started(self._lane)
        after = 0
        while not self._halted():
            batches = await self._tools.recorder.open_batches(
                self._lane.no, after=after, limit=AHEAD
            )
            if not batches:
                break
            for batch, records in batches:
                after = batch.id
                if not self._halted() and batch.target not in self._dead_targets:
                    await self._settle(batch, records)
        self._tools.observer.lane_done(self._lane)

    def _halted(self) -> bool:
        return self._parked or self._tools.halt.reaches(self._lane.account)

    # --- one batch -------------------------------------------------------------------

    async def _settle(self, batch: Batch, records: list[Record]) -> None:
        tools = self._tools
        progress = Progress(
            batch,
            records,
            retry_before=tools.invocation if tools.settings.take_failed else 0,
        )
        if not progress.ask():
            await tools.recorder.mark(
                batch.id, bound=progress.bound, failed=progress.failed
            )
            return
        tries = _Tries()
        while (span := progress.ask()) and not self._halted():
            answer = await self._send(progress, span, tries)
            if answer is None or not await self._go_on(batch, answer, tries):
                return
        if not progress.ask():
            self._given_up = 0

    async def _send(
        self, progress: Progress, span: tuple[int, ...], tries: _Tries
    ) -> tuple[Record, Reply, bool] | None:
        """Send one request in its turn; None: halted before it left."""
        tools = self._tools
        async with AsyncExitStack() as stack:
            with tools.halt.interruptible(self._lane.account):
                await stack.enter_async_context(tools.locks(self._lane.gateway))
                await stack.enter_async_context(tools.turns.turn(tools.slots))
            if self._halted():
                return None
            intent = Record(
                batch=progress.batch.id,
                kind=RecordKind.INTENT,
                invocation=tools.invocation,
                at=tools.now(),
                span=span,
                why=progress.why(failures=tries.failures + tries.waits),
            )
            await tools.recorder.intend(intent)
            progress.leave(intent)
            tools.observer.request_left(self._lane, progress.batch, intent)
            began = anyio.current_time()
            batch = progress.batch
            reply = await tools.attacher.apply(
                batch.action,
                self._targets[batch.target],
                [batch.api_ids[position] for position in span],
            )
            seconds = anyio.current_time() - began
        return await self._take(progress, intent, reply, seconds=seconds)

    async def _take(
        self, progress: Progress, intent: Record, reply: Reply, *, seconds: float
    ) -> tuple[Record, Reply, bool]:
        """Judge an answer and make it durable, whatever else happens."""
        tools = self._tools
        answer = _judge(progress.batch, intent, reply, at=tools.now())
        stepped = progress.learn(answer)
        with anyio.CancelScope(shield=True):
            await tools.recorder.answer(
                answer,
                settled=not progress.ask(),
                bound=progress.bound,
                failed=progress.failed,
            )
        tools.observer.request_settled(
            self._lane, progress.batch, answer, seconds=seconds
        )
        return answer, reply, stepped

    # --- what an answer leads to -----------------------------------------------------

    async def _go_on(
        self, batch: Batch, taken: tuple[Record, Reply, bool], tries: _Tries
    ) -> bool:
        """Act on an answer; False: the batch is over for now."""
        answer, reply, stepped = taken
        if stepped:
            tries.failures = tries.waits = 0
            tries.busy_since = None
            return True
        match answer.scope:
            case Scope.THROTTLE:
                self._throttle(reply, tries)
                return True
            case Scope.BUSY:
                return await self._wait_busy(answer, tries)
            case Scope.TARGET | Scope.GATEWAY | Scope.ACCOUNT:
                await self._stop(batch, answer)
                return False
            case _:
                return await self._try_again(answer, tries)

    def _throttle(self, reply: Reply, tries: _Tries) -> None:
        """Pause the whole account; the next turn comes after the pause."""
        tools = self._tools
        tries.waits += 1
        asked = read_retry_after(reply.retry_after, now=tools.now())
        seconds = asked if asked is not None else self._backoff(tries.waits)
        tools.turns.pause(seconds)
        tools.observer.lane_waits(self._lane, why="throttled", seconds=seconds)

    async def _wait_busy(self, answer: Record, tries: _Tries) -> bool:
        tries.waits += 1
        now = anyio.current_time()
        if tries.busy_since is None:
            tries.busy_since = now
        if now - tries.busy_since > self._tools.settings.retry.busy_timeout_s:
            await self._park(answer, OurCode.BUSY_TOO_LONG, Cause.GATEWAY)
            return False
        await self._wait("busy", self._backoff(tries.waits, busy=True))
        return True

    async def _try_again(self, answer: Record, tries: _Tries) -> bool:
        tries.failures += 1
        if tries.failures < self._tools.settings.retry.max_attempts:
            await self._wait("retry", self._backoff(tries.failures))
            return True
        self._given_up += 1
        if answer.scope is Scope.TRANSIENT:
            await self._park(answer, answer.code, Cause.OUTAGE)
        elif self._given_up >= self._tools.settings.lane_failures:
            await self._park(answer, OurCode.OUTAGE, Cause.OUTAGE)
        return False

    def _backoff(self, attempt: int, *, busy: bool = False) -> float:
        tools = self._tools
        return backoff(
            attempt,
            policy=tools.settings.retry,
            chance=tools.random.random(),
            busy=busy,
        )

    async def _wait(self, why: str, seconds: float) -> None:
        tools = self._tools
        tools.observer.lane_waits(self._lane, why=why, seconds=seconds)
        with tools.halt.interruptible(self._lane.account):
            await anyio.sleep(seconds)

    async def _stop(self, batch: Batch, answer: Record) -> None:
        """Stop whatever the answer's scope reaches."""
        keys = {
            Scope.TARGET: str(batch.target),
            Scope.GATEWAY: str(self._lane.no),
            Scope.ACCOUNT: self._lane.account,
        }
        stop = _stop(answer, key=keys[answer.scope])
        if answer.scope is Scope.TARGET:
            self._dead_targets.add(batch.target)
        elif answer.scope is Scope.GATEWAY:
            self._parked = True
        else:
            self._tools.halt.stop_account(stop)
        await self._write_stop(stop)

    async def _park(self, answer: Record, code: str, cause: Cause) -> None:
        """Stop this lane: it fails as a whole, not any of its rows."""
        self._parked = True
        await self._write_stop(
            Stop(
                scope=Scope.GATEWAY,
                key=str(self._lane.no),
                cause=cause,
                invocation=answer.invocation,
                at=answer.at,
                status=answer.status,
                code=code,
                message=answer.message or answer.code,
                request_id=answer.request_id,
            )
        )

    async def _write_stop(self, stop: Stop) -> None:
        await self._tools.recorder.stop(stop)
        self._tools.observer.stopped(stop)


def _stop(answer: Record, *, key: str) -> Stop:
    return Stop(
        scope=answer.scope,
        key=key,
        cause=cause_of(answer.scope),
        invocation=answer.invocation,
        at=answer.at,
        status=answer.status,
        code=answer.code,
        message=answer.message,
        request_id=answer.request_id,
    )


def _judge(batch: Batch, intent: Record, reply: Reply, *, at: float) -> Record:
    """Say what a reply means for the ids that were sent."""
    receipts = _match(batch, intent.span, reply)
    scope = classify(reply)
    unnamed = len(intent.span) - len(receipts.positions)
    code, message = reply.code, reply.message
    if scope is Scope.DONE and unnamed and not code:
        code = OurCode.NOT_NAMED
        message = f"the receipt leaves out {unnamed} of {len(intent.span)} APIs"
    return Record(
        batch=batch.id,
        kind=RecordKind.ANSWER,
        invocation=intent.invocation,
        at=at,
        span=intent.span,
        why=intent.why,
        scope=scope,
        status=reply.status,
        code=code,
        message=message,
        request_id=reply.request_id,
        receipts=receipts,
        plugin_name=reply.plugin_name,
        env_name=reply.env_name,
    )


def _match(batch: Batch, span: tuple[int, ...], reply: Reply) -> Receipts:
    """Match receipts to positions by API id, never by order."""
    if not reply.receipts:
        return Receipts((), (), ())
    by_id = {receipt.api_id: receipt for receipt in reply.receipts}
    named = [
        (position, receipt)
        for position in span
        if (receipt := by_id.get(batch.api_ids[position])) is not None
    ]
    return Receipts(
        tuple(position for position, _ in named),
        tuple(receipt.plugin_attach_id for _, receipt in named),
        tuple(receipt.attached_time for _, receipt in named),
    )
