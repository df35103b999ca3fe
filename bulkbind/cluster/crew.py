"""The coordinator: judges all accounts, approves, has them run; may be killed itself."""

from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial

import anyio
import anyio.to_thread

from bulkbind.cluster.pool import hired
from bulkbind.cluster.task import Told, error_of
from bulkbind.cluster.waits import Waits
from bulkbind.errors import LedgerUnreachable, RefusedForSafety
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
            waits = Waits(ledger.lanes(), partial(_note_wait, events, observer))
            levers = RunLevers(
                halt=halt,
                paces={},
                slots=slots,
                doing=waits,
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
                group.start_soon(pass_on, halt, executor)
                told = await _drive(run, accounts, errand, halt, events, waits)
                group.cancel_scope.cancel()
    telling.look()
    return told


async def _drive(
    run: SharedRun,
    accounts: Sequence[str],
    errand: Errand,
    halt: Halt,
    events: EventLog,
    waits: Waits,
) -> list[Told]:
    """Have everything judged, then approved, then run."""

    async def each(name: str) -> list[Told]:
        return await pool.each(name, run, accounts, stops=lambda: bool(halt.reason))

    async with hired(errand.settings, waits=waits.wait) as pool:
        for one in await each("judge"):
            if one.came == "error":
                raise error_of(one)
        if halt.reason:
            return []
        await anyio.to_thread.run_sync(approve, run)
        events.note("accounts_approved", accounts=len(accounts))
        told = await each("run")
        for one in told:
            events.note("account_ended", account=one.account, came=one.came)
        events.note("accounts_ended", given_out_again=pool.resubmitted)
    if errors := [one for one in told if one.came == "error"]:
        raise error_of(errors[0])
    return told


def _note_wait(events: EventLog, observer: Observers, account: str, why: str) -> None:
    events.note("account_waits", account=account, why=why)
    observer.noticed(f"account {account} waits for {why}")


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
        """Tell each second, until cancelled; a database that is away comes back."""
        while True:
            await anyio.sleep(_LOOK_S)
            with suppress(LedgerUnreachable):
                await anyio.to_thread.run_sync(self.look)
