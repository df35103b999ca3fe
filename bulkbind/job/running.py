"""One invocation: open ledger -> engine -> report. The story of a run on one page."""

import json
import math
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial

from bulkbind.control.now import Doing
from bulkbind.errors import (
    JobBusy,
    ReportUnpublished,
    RunInterrupted,
    RunUnpublished,
    StateError,
)
from bulkbind.job.canary import canaries_of
from bulkbind.job.checking import CheckErrand, read_back
from bulkbind.job.connecting import Connections, connect, sound_rows
from bulkbind.job.controlling import RunLevers, obeying
from bulkbind.job.crew import crew_of, is_for_crew
from bulkbind.job.errand import Errand, Surroundings
from bulkbind.job.events import EventLog, Observers
from bulkbind.job.keeping import keep_little
from bulkbind.job.leasing import Owned, owning
from bulkbind.job.reading import engine_settings, read_tools
from bulkbind.job.refusing import (
    cap,
    displaced_so_far,
    refuse_displacing,
    refuse_unreachable,
)
from bulkbind.job.reporting import Reported, write_run_reports
from bulkbind.ledger import Ledger, LedgerRecorder
from bulkbind.live import Lists, Pictures
from bulkbind.model import Lane, RunState
from bulkbind.plan import OnReplace
from bulkbind.run import Engine, Halt, Leave, Observer, SlotPool
from bulkbind.state.facts import operator
from bulkbind.state.folders import RunFolder
from bulkbind.state.ledgers import executor_for, open_ledger, read_ledger

_CAUGHT = (signal.SIGINT, signal.SIGTERM)


async def carry_out(errand: Errand, *, around: Surroundings) -> Reported:
    """Send what a run still has to send, and write its report.

    Args:
        errand: The run and how to go about it.
        around: Clock, random source, environment, who listens.

    Raises:
        EndpointUnreachable: No connection could be made, and nothing was sent.
        StateError: Something on this machine is in the way, and nothing was sent.
        RunInterrupted: The ledger or the report cannot be written.
        RunUnpublished: It is complete; its report cannot be put where the job wants it.
    """
    try:
        _note_undone(errand)
        with ExitStack() as patience:
            if is_for_crew(errand.settings, is_undo=errand.looks_anew):
                await crew_of(around).work(errand, around=around)
            else:
                await _work(errand, around, patience)
            await _verify(errand, around)
            reported = write_run_reports(errand.run)
    except StateError as error:
        if isinstance(error, JobBusy) or not _has_sent(errand.run):
            raise
        if isinstance(error, ReportUnpublished) and _is_finished(errand.run):
            raise RunUnpublished(errand.run.handle, error) from error
        raise RunInterrupted(errand.run.handle, error) from error
    refuse_unreachable(errand.run, reported.summary)
    refuse_displacing(errand.run, reported.summary)
    return keep_little(errand.run, reported)


def _note_undone(errand: Errand) -> None:
    """Let the run that is undone say so, from now on; no rescue fails for that."""
    facts = errand.run.facts()
    is_undo = facts.undoes and facts.totals.requests
    if is_undo and errand.state.has_run(facts.undoes):
        with suppress(StateError):
            errand.state.find(facts.undoes).note({"undone_by": errand.run.id})


async def _verify(errand: Errand, around: Surroundings) -> None:
    """Read back what was done, if the job wants it and nothing is left to do."""
    if not (errand.settings.verify and _is_finished(errand.run)):
        return
    check = CheckErrand(
        run=errand.run,
        settings=errand.settings,
        credentials=errand.credentials,
        state=errand.state,
        belongs_to_run=True,
    )
    observer = Observers(around.observers)
    with obeying_signals(check.halt, observer, wanted=around.signals):
        await read_back(check, around=around)


def _is_finished(run: RunFolder) -> bool:
    return run.facts().state is RunState.FINISHED


def _has_sent(run: RunFolder) -> bool:
    """Tell whether a request may have left; a ledger that cannot be read: yes."""
    try:
        ledger = read_ledger(run.path)
    except StateError:
        return True
    try:
        return bool(ledger.last_record_at())
    except StateError:
        return True
    finally:
        ledger.close()


async def _work(errand: Errand, around: Surroundings, patience: ExitStack) -> None:
    """Open everything an engine needs, and close it again."""
    ledger = open_ledger(errand.run.path)
    try:
        with EventLog(errand.run.events, now=around.now) as events:
            async with connect(
                errand.settings,
                credentials=errand.credentials,
                state=errand.state,
                projects={t.account: t.project_id for t in ledger.targets()},
                rows=lambda: sound_rows(errand.run.pinned(), ledger.asides()),
                environ=around.environ,
            ) as connections:
                with owning(ledger, ledger.lanes(), connections) as owned:
                    await _send(
                        ledger, errand, connections, around, events, patience, owned
                    )
    finally:
        ledger.close()


async def _send(
    ledger: Ledger,
    errand: Errand,
    connections: Connections,
    around: Surroundings,
    events: EventLog,
    patience: ExitStack,
    owned: Owned,
) -> None:
    """Let the engine work every open lane."""
    doing = Doing(time.monotonic)
    observer = Observers([events, doing, *around.observers])
    lanes, targets = ledger.lanes(), ledger.targets()
    async with executor_for(ledger) as executor:
        invocation = await executor.do(
            lambda ledger: _begin(ledger, errand, around.now(), connections.label)
        )
        slots = SlotPool(errand.settings.concurrency)
        engine = engine_of(
            errand,
            ledger,
            connections,
            lanes=lanes,
            recorder=LedgerRecorder(executor),
            observer=observer,
            invocation=invocation,
            around=around,
            slots=slots,
        )
        levers = RunLevers(
            halt=engine.halt,
            paces=connections.paces,
            slots=slots,
            doing=doing,
            hours=errand.hours,
            events=events,
            observer=observer,
            executor=executor,
            invocation=invocation,
            now=around.now,
        )
        engine = replace(
            engine,
            recorders=owned.recorders(executor),
            keepers=owned.keepers(executor),
        )
        events.note("run_started", command=errand.command, invocation=invocation)
        observer.run_started(
            errand.run.id, await executor.do(lambda ledger: ledger.tally())
        )
        observer.paced(connections.paces)
        open_lanes = set(await executor.do(lambda ledger: ledger.open_lanes()))
        patience.enter_context(_unhurried(wanted=around.signals))
        with obeying_signals(engine.halt, observer, wanted=around.signals):
            to_do = [lane for lane in lanes if lane.no in open_lanes]
            async with obeying(errand.run.control, levers):
                await engine.run(to_do, targets=targets)
        stopped_by = engine.halt.reason
        state = await executor.do(
            lambda ledger: end_of(ledger, invocation, around.now(), stopped_by)
        )
        events.note("run_ended", state=state, stopped_by=stopped_by)


def engine_of(  # noqa: PLR0913 - a run is put together from all of these
    errand: Errand,
    ledger: Ledger,
    connections: Connections,
    *,
    lanes: Sequence[Lane],
    recorder: LedgerRecorder,
    observer: Observer,
    invocation: int,
    around: Surroundings,
    slots: SlotPool | None = None,
) -> Engine:
    """Put together what works a run's lanes.

    Args:
        errand: The run and how to go about it.
        ledger: The run's, open.
        connections: Open.
        lanes: Every lane of the run, by number.
        recorder: Writes to the ledger.
        observer: Hears what happens.
        invocation: Its number.
        around: Clock and random source.
        slots: Requests that may be out at once; None: the settings' number.
    """
    halt = Halt()
    count = partial(recorder.count_read, invocation)
    return Engine(
        attachers=connections.attachers,
        turns=connections.turns,
        recorder=recorder,
        locks=connections.lock,
        observer=observer,
        settings=engine_settings(
            errand.settings,
            take_failed=errand.take_failed,
            looks_first=errand.looks_first,
            looks_anew=errand.looks_anew,
        ),
        pictures=_pictures(errand, connections, lanes, halt, around, count),
        leave=_leave(errand, ledger),
        canaries=canaries_of(
            errand.settings, ledger.meta(), run_id=errand.run.id, around=around
        ),
        halt=halt,
        slots=slots,
        invocation=invocation,
        now=around.now,
        random=around.random,
    )


def _begin(ledger: Ledger, errand: Errand, now: float, label: str) -> int:
    ledger.put_meta({"credential": label})
    if errand.take_failed:
        ledger.reopen_failed()
    return ledger.start(
        command=errand.command, operator=operator(), pid=os.getpid(), at=now
    )


def end_of(ledger: Ledger, invocation: int, now: float, stopped_by: str) -> RunState:
    """Write down that an invocation has ended, and return how its run stands."""
    state = RunState.STOPPED if ledger.open_lanes() else RunState.FINISHED
    ledger.end(invocation, at=now, state=state, stopped_by=stopped_by)
    return state


def _pictures(
    errand: Errand,
    connections: Connections,
    lanes: Sequence[Lane],
    halt: Halt,
    around: Surroundings,
    count_read: Callable[[], Awaitable[None]],
) -> Pictures | None:
    """Return who looks at what is bound, unless the run is blind."""
    settings = errand.settings
    if not settings.live:
        return None
    tools = read_tools(
        connections, settings, halt=halt, around=around, count_read=count_read
    )
    return Pictures(Lists(tools), lanes, looks_behind=errand.looks_anew)


def _leave(errand: Errand, ledger: Ledger) -> Leave:
    """Return what the run may displace beyond what its plan showed."""
    settings = errand.settings
    if errand.looks_anew:
        return Leave(OnReplace.KEEP, 0)
    if settings.max_replace is None:
        return Leave(settings.on_replace, math.inf)
    totals = json.loads(ledger.meta()["totals"])
    most = cap(settings.max_replace, bindings=totals["bindings"])
    used = totals.get("replaced", 0)
    if errand.command == "resume":
        used = displaced_so_far(ledger)
    return Leave(settings.on_replace, most - used)


@contextmanager
def obeying_signals(halt: Halt, observer: Observer, *, wanted: bool) -> Iterator[None]:
    """While the block runs, SIGINT and SIGTERM drain; a second one stops now."""
    if not wanted:
        yield
        return
    import asyncio

    loop = asyncio.get_running_loop()

    def hear(name: str) -> None:
        is_first = not halt.reason
        halt.stop(name, now=not is_first)
        if is_first:
            observer.draining(name)

    before = {number: signal.getsignal(number) for number in _CAUGHT}
    for number in _CAUGHT:
        loop.add_signal_handler(number, hear, number.name)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler or signal.SIG_DFL)


@contextmanager
def _unhurried(*, wanted: bool) -> Iterator[None]:
    """From the last answer to the report, a first signal waits; a second does not."""
    if not wanted:
        yield
        return
    heard: list[int] = []

    def hear(number: int, _: object) -> None:
        if heard:
            raise KeyboardInterrupt
        heard.append(number)

    before = {number: signal.signal(number, hear) for number in _CAUGHT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
