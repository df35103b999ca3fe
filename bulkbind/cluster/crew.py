"""The coordinator: judges all accounts, approves, has them run; may be killed itself."""

import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial

import anyio
import anyio.to_thread

from bulkbind.cluster.pool import Pool, hired
from bulkbind.cluster.task import Told, error_of
from bulkbind.control.now import Doing
from bulkbind.errors import RefusedForSafety
from bulkbind.job.accounts import SharedRun, approve, end, list_accounts
from bulkbind.job.controlling import RunLevers, obeying
from bulkbind.job.errand import Errand, Surroundings
from bulkbind.job.events import EventLog, Observers
from bulkbind.job.passing import pass_on
from bulkbind.job.running import obeying_signals
from bulkbind.run import ON_REPLACE, Halt, SlotPool
from bulkbind.state.ledgers import database_of, executor_for, read_ledger, share_ledger

#: Seconds between two looks at how far the workers are.
_LOOK_S = 1.0


class DaskCrew:
    """Has the accounts of a run worked by the workers of its job's scheduler."""

    async def work(self, errand: Errand, *, around: Surroundings) -> None:
        """Send what a run still has to send.

        Raises:
            InputError: Nothing was sent.
            RefusedForSafety: It would displace too much; nothing was sent.
            StateError: Scheduler or database do not answer.
        """
        url, run_id = database_of(errand.run.path)
        run = SharedRun(url, run_id)
        accounts = list_accounts(
            run,
            settings=errand.settings,
            command=errand.command,
            take_failed=errand.take_failed,
            around=around,
        )
        halt, told = Halt(), list[Told]()
        with EventLog(errand.run.events, now=around.now) as events:
            observer = Observers([events, *around.observers])
            _Telling(errand, observer).begin()
            with obeying_signals(halt, observer, wanted=around.signals):
                try:
                    if accounts:
                        told = await _work(
                            run, accounts, errand, around, halt, observer, events
                        )
                except RefusedForSafety:
                    halt.stop(ON_REPLACE)
                    raise
                finally:
                    labels = {one.text for one in told if one.came != "error"}
                    end(
                        run,
                        label=", ".join(sorted(labels - {""})),
                        stopped_by=halt.reason,
                        around=around,
                    )


async def _work(
    run: SharedRun,
    accounts: Sequence[str],
    errand: Errand,
    around: Surroundings,
    halt: Halt,
    observer: Observers,
    events: EventLog,
) -> list[Told]:
    telling = _Telling(errand, observer)
    with closing(share_ledger(*run)) as ledger:
        async with executor_for(ledger) as executor:
            slots = SlotPool(errand.settings.concurrency)
            levers = RunLevers(
                halt=halt,
                paces={},
                slots=slots,
                doing=Doing(time.monotonic),
                hours=errand.hours,
                events=events,
                observer=observer,
                executor=executor,
                invocation=len(ledger.invocations()),
                now=around.now,
            )
            async with (
                obeying(errand.run.control, levers),
                anyio.create_task_group() as group,
            ):
                group.start_soon(telling.keep_on)
                group.start_soon(pass_on, levers, executor)
                told = await anyio.to_thread.run_sync(
                    partial(_drive, run, accounts, errand, halt, events)
                )
                group.cancel_scope.cancel()
    telling.look()
    return told


def _drive(
    run: SharedRun,
    accounts: Sequence[str],
    errand: Errand,
    halt: Halt,
    events: EventLog,
) -> list[Told]:
    """Have everything judged, then approved, then run; in a thread of its own."""
    with hired(errand.settings) as pool:
        for one in _each(pool, "judge", run, accounts, halt):
            if one.came == "error":
                raise error_of(one)
        if halt.reason:
            return []
        approve(run)
        events.note("accounts_approved", accounts=len(accounts))
        told = _each(pool, "run", run, accounts, halt)
        for one in told:
            events.note("account_ended", account=one.account, came=one.came)
        events.note("accounts_ended", given_out_again=pool.resubmitted)
    if errors := [one for one in told if one.came == "error"]:
        raise error_of(errors[0])
    return told


def _each(
    pool: Pool, name: str, run: SharedRun, accounts: Sequence[str], halt: Halt
) -> list[Told]:
    return pool.each(name, run, accounts, stops=lambda: bool(halt.reason))


class _Telling:
    """Tells observers how far the workers are, by the ledger."""

    def __init__(self, errand: Errand, observer: Observers) -> None:
        self._run = errand.run
        self._observer = observer

    def begin(self) -> None:
        """Tell that an invocation begins."""
        with closing(read_ledger(self._run.path)) as ledger:
            self._observer.run_started(self._run.id, ledger.tally())

    def look(self) -> None:
        """Tell how far it is."""
        with closing(read_ledger(self._run.path)) as ledger:
            requests = sum(ledger.requests_by_reason().values())
            self._observer.tallied(ledger.tally(), requests)

    async def keep_on(self) -> None:
        """Tell each second, until cancelled."""
        while True:
            await anyio.sleep(_LOOK_S)
            await anyio.to_thread.run_sync(self.look)
