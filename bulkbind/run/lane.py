"""One lane: its batches in order, one request out at a time.

Each answer is judged (``judging``), written down, and then acted on: the batch goes
on, waits, is searched for its bad ids, is read back, or something bigger stops.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import NamedTuple

import anyio

from bulkbind.model import (
    Action,
    Batch,
    Cause,
    Lane,
    OurCode,
    Record,
    RecordKind,
    Reply,
    Scope,
    Stop,
    Target,
)
from bulkbind.run.breaker import Given
from bulkbind.run.canary import Canaries, Canary
from bulkbind.run.doubts import Doubts, PutOff
from bulkbind.run.judging import judge_refusals, judge_reply, park_of, stop_of
from bulkbind.run.looking import ON_REPLACE, Looking
from bulkbind.run.preflight import Preflight
from bulkbind.run.progress import Progress
from bulkbind.run.reading import Reading
from bulkbind.run.tools import Tools
from bulkbind.run.turning import take_turn
from bulkbind.run.unbinding import Unbinding
from bulkbind.run.waiting import Waiting

#: Batches of a lane that are read from the ledger at once.
AHEAD = 4


@dataclass(slots=True)
class _Tries:
    """Failures of one batch since it last made progress."""

    failures: int = 0
    waits: int = 0
    """Answers that were no attempt: throttled or busy."""
    busy_since: float | None = None


class _Taken(NamedTuple):
    """An answer that is durable."""

    answer: Record
    reply: Reply
    stepped: bool
    """Some id has its own answer now, or the search is a step further."""
    left_at: float


class LaneWorker:
    """Works one lane until nothing is left or something stops it.

    Args:
        lane: The lane.
        targets: Every target of the run, by number.
        tools: What the lane works with.
        canaries: The run's.
    """

    def __init__(
        self, lane: Lane, *, targets: list[Target], tools: Tools, canaries: Canaries
    ) -> None:
        self._lane = lane
        self._targets = targets
        self._tools = tools
        self._waiting = Waiting(lane, tools)
        reading = Reading(lane, tools, self._waiting)
        self._preflight = Preflight(tools, reading)
        self._looking = Looking(lane, tools)
        self._doubts = Doubts(lane, tools, reading, self._waiting)
        self._unbinding = Unbinding(lane, targets, tools, reading, self._waiting)
        self._canary = Canary(lane, targets, canaries, tools, self._unbinding)
        self._dead_targets: set[int] = set()
        self._parked = False
        self._good = 0
        """Requests answered, and not with a failure."""
        self._put_off: dict[int, PutOff] = {}
        """Batches that spent their attempts."""
        self._is_last_pass = False

    async def work(self) -> None:
        """Send every open batch of the lane, in order."""
        tools = self._tools
        tools.observer.lane_started(self._lane)
        tools.breaker.join(self._lane.no)
        try:
            await self._preflight.restore(self._lane.no)
            await self._pass()
            if (self._put_off or self._canary.holds) and not self._halted():
                self._is_last_pass = True
                await self._pass()
            if not self._halted():
                await self._doubts.second_look(self._targets)
                await self._unbinding.conclude()
                await self._canary.conclude()
        finally:
            tools.breaker.leave(self._lane.no)
            tools.observer.lane_done(self._lane)

    async def _pass(self) -> None:
        """Work every open batch once; what is put off comes again in the last pass."""
        after = 0
        while not self._halted():
            batches = await self._tools.recorder.open_batches(
                self._lane.no, after=after, limit=AHEAD
            )
            for batch, records in batches:
                after = batch.id
                if not self._halted() and batch.target not in self._dead_targets:
                    await self._settle(batch, records)
            if len(batches) < AHEAD:
                break

    def _halted(self) -> bool:
        return self._parked or self._tools.halt.reaches(self._lane.account)

    # --- one batch -------------------------------------------------------------------

    async def _settle(self, batch: Batch, records: list[Record]) -> None:
        tools = self._tools
        target = self._targets[batch.target]
        progress = Progress(
            batch,
            records,
            retry_before=tools.invocation if tools.settings.take_failed else 0,
            not_hints=frozenset({target.instance_id, target.plugin_id, target.env_id}),
        )
        if progress.is_settled:
            await tools.recorder.mark(batch.id, progress.settled)
            return
        if await self._canary.admits(batch) and await self._prepare(progress, target):
            await self._work(progress)
        await self._unbinding.leave(progress)

    async def _prepare(self, progress: Progress, target: Target) -> bool:
        """See what is there before a batch is sent; False: it cannot be sent now."""
        if progress.batch.action is Action.DETACH and progress.unknown:
            if not await self._unbinding.look(progress):
                return False
            progress.unshelve()
        if (stop := await self._looking.look(progress, target)) is not None:
            await self._obey(stop)
            return False
        await self._preflight.strike(progress, target)
        return True

    async def _work(self, progress: Progress) -> None:
        """Send what is left of a batch, until every id has its own answer."""
        tries = _Tries()
        is_detach = progress.batch.action is Action.DETACH
        while (span := progress.ask()) and not self._halted():
            taken = await self._send(progress, span, tries)
            if taken is None or not await self._go_on(progress, taken, tries):
                return
            is_lost = taken.answer.scope in {Scope.AMBIGUOUS, Scope.BUSY}
            if is_detach and is_lost and not await self._unbinding.look(progress):
                return

    async def _send(
        self, progress: Progress, span: tuple[int, ...], tries: _Tries
    ) -> _Taken | None:
        """Send one request in its turn; None: halted before it left."""
        tools = self._tools
        await self._wait_for_breaker()
        async with AsyncExitStack() as stack:
            is_turn = await take_turn(stack, self._lane, tools)
            if not is_turn or self._halted():
                return None
            intent = self._intent(progress, span, tries)
            await tools.recorder.intend(intent)
            progress.leave(intent)
            tools.observer.request_left(self._lane, progress.batch, intent)
            left_at = anyio.current_time()
            batch = progress.batch
            reply = await tools.attacher.apply(
                batch.action,
                self._targets[batch.target],
                batch.ids_at(span),
            )
            seconds = anyio.current_time() - left_at
        answer, stepped = await self._take(progress, intent, reply, seconds=seconds)
        return _Taken(answer, reply, stepped, left_at)

    def _intent(
        self, progress: Progress, span: tuple[int, ...], tries: _Tries
    ) -> Record:
        return Record(
            batch=progress.batch.id,
            kind=RecordKind.INTENT,
            invocation=self._tools.invocation,
            at=self._tools.now(),
            span=span,
            why=progress.why(failures=tries.failures + tries.waits),
        )

    async def _take(
        self, progress: Progress, intent: Record, reply: Reply, *, seconds: float
    ) -> tuple[Record, bool]:
        """Judge an answer and make it durable, whatever else happens."""
        tools = self._tools
        before = progress.settled
        answer = judge_reply(progress.batch, intent, reply, at=tools.now())
        records = [answer, *judge_refusals(progress.batch, answer, reply)]
        steps = [progress.learn(record) for record in records]
        with anyio.CancelScope(shield=True):
            await tools.recorder.answer(
                *records, counts=progress.settled, settled=progress.is_settled
            )
        tools.limits.settle(progress.settled.since(before))
        tools.observer.request_settled(
            self._lane, progress.batch, answer, seconds=seconds
        )
        return answer, any(steps)

    # --- what an answer leads to -----------------------------------------------------

    async def _go_on(self, progress: Progress, taken: _Taken, tries: _Tries) -> bool:
        """Act on an answer; False: the batch is over for now."""
        answer = taken.answer
        if answer.status and answer.scope is not Scope.THROTTLE:
            self._tools.turns.accepted()
        if answer.scope in {Scope.DONE, Scope.ITEM}:
            self._good += 1
            self._tools.breaker.succeed(self._lane.no)
        if taken.stepped:
            tries.failures = tries.waits = 0
            tries.busy_since = None
            if answer.scope is Scope.ITEM and len(answer.span) > 1:
                await self._preflight.poisoned(
                    progress, self._targets[progress.batch.target]
                )
            return True
        match answer.scope:
            case Scope.THROTTLE:
                tries.waits += 1
                self._waiting.throttled(
                    taken.reply, left_at=taken.left_at, times=tries.waits
                )
                return True
            case Scope.BUSY:
                return await self._wait_busy(answer, tries)
            case Scope.TARGET | Scope.GATEWAY | Scope.ACCOUNT:
                await self._stop(progress, answer)
                return False
            case _:
                return await self._try_again(progress, answer, tries)

    async def _wait_busy(self, answer: Record, tries: _Tries) -> bool:
        tries.waits += 1
        now = anyio.current_time()
        if tries.busy_since is None:
            tries.busy_since = now
        if now - tries.busy_since > self._tools.settings.retry.busy_timeout_s:
            await self._park(answer, OurCode.BUSY_TOO_LONG, Cause.GATEWAY)
            return False
        seconds = self._waiting.backoff_s(tries.waits, busy=True)
        await self._waiting.wait("busy", seconds)
        return True

    async def _try_again(
        self, progress: Progress, answer: Record, tries: _Tries
    ) -> bool:
        """Send again, if attempts, breaker and budget allow it."""
        tools = self._tools
        tries.failures += 1
        if answer.scope is not Scope.DONE and await self._broken(answer):
            return False
        tools.limits.retry()
        if self._halted():
            return False
        if tries.failures < tools.settings.retry.max_attempts:
            if not tools.breaker.is_open(self._lane.no):
                seconds = self._waiting.backoff_s(tries.failures)
                await self._waiting.wait("retry", seconds)
            return True
        tries.failures = tries.waits = 0
        return await self._give_up(progress, answer)

    async def _give_up(self, progress: Progress, answer: Record) -> bool:
        """Put a batch off; in the last pass, look what became of what was sent.

        Only where other requests went well meanwhile can these ids themselves be to
        blame; otherwise it is an outage, and an outage fails no row.

        Returns:
            True: the rest of the batch goes on without them.
        """
        batch = progress.batch
        if not self._is_last_pass:
            self._put_off[batch.id] = PutOff(self._good, frozenset(answer.span))
            return False
        if answer.scope is Scope.TRANSIENT:
            await self._park(answer, answer.code, Cause.OUTAGE)
            return False
        off = self._put_off.get(batch.id)
        may_end = off is not None and off.is_blamed(answer.span, good=self._good)
        await self._doubts.first_look(
            progress, answer, self._targets[batch.target], may_end=may_end
        )
        progress.shelve(answer.span)
        return True

    async def _broken(self, answer: Record) -> bool:
        """Count a failure; True: the lane, or its account, is given up."""
        given = self._tools.breaker.fail(self._lane.no)
        if given is Given.NOTHING:
            return False
        never_left = answer.scope is Scope.TRANSIENT
        code = answer.code if never_left else OurCode.OUTAGE
        if given is Given.LANE:
            await self._park(answer, code, Cause.OUTAGE)
            return True
        stop = park_of(
            answer,
            scope=Scope.ACCOUNT,
            key=self._lane.account,
            code=code,
            cause=Cause.OUTAGE,
        )
        self._tools.halt.stop_account(stop)
        await self._write_stop(stop)
        return True

    async def _wait_for_breaker(self) -> None:
        """While the breaker is open, wait for the probe's time, or another's news."""
        breaker, lane = self._tools.breaker, self._lane
        while breaker.is_open(lane.no) and not self._halted():
            if not breaker.must_listen(lane.no):
                await self._waiting.wait("breaker open", breaker.wait_s(lane.no))
                return
            self._waiting.say("breaker open", breaker.wait_s(lane.no))
            with self._tools.halt.interruptible(lane.account):
                await breaker.listen()

    # --- what stops more than a batch ------------------------------------------------

    async def _stop(self, progress: Progress, answer: Record) -> None:
        """Stop whatever the answer's scope reaches."""
        batch = progress.batch
        keys = {
            Scope.TARGET: str(batch.target),
            Scope.GATEWAY: str(self._lane.no),
            Scope.ACCOUNT: self._lane.account,
        }
        stop = stop_of(answer, scope=answer.scope, key=keys[answer.scope])
        if answer.scope is Scope.TARGET:
            self._dead_targets.add(batch.target)
        elif answer.scope is Scope.GATEWAY:
            self._parked = True
        else:
            self._tools.halt.stop_account(stop)
        await self._write_stop(stop)
        if answer.scope is Scope.TARGET and not progress.unknown:
            # The stop has failed what was never sent; this batch was. What may have
            # been bound by an answer that was lost stays open for a resume.
            counts = progress.settled
            failed = len(batch.api_ids) - sum(counts) + counts.failed
            await self._tools.recorder.mark(batch.id, counts._replace(failed=failed))

    async def _obey(self, stop: Stop) -> None:
        """Stop what a look at the gateway says must stop."""
        halt = self._tools.halt
        if stop.scope is Scope.DONE:
            halt.stop(ON_REPLACE, detail=stop.message)
            return
        if stop.scope is Scope.ACCOUNT:
            halt.stop_account(stop)
        else:
            self._parked = True
        await self._write_stop(stop)

    async def _park(self, answer: Record, code: str, cause: Cause) -> None:
        """Stop this lane: it fails as a whole, not any of its rows."""
        self._parked = True
        key = str(self._lane.no)
        await self._write_stop(
            park_of(answer, scope=Scope.GATEWAY, key=key, code=code, cause=cause)
        )

    async def _write_stop(self, stop: Stop) -> None:
        await self._tools.recorder.stop(stop)
        self._tools.observer.stopped(stop)
