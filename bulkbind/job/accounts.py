"""Account by account: a run whose ledger is in a database, worked by any engine.

    run = share_run(job, state)      # in ``job.sharing``
    accounts = list_accounts(run)
    judge_account(run, account)      # each; on any machine, in any order, again at will
    approve(run)                     # exit code 4, and nothing was sent, if it refuses
    run_account(run, account)        # each; until it says DONE or STOPPED
    finish(run, state)

Each call stands alone: it opens the ledger by its URL, takes the settings from there,
and finds the credential of its account, and of no other, where it runs. No secret is an
argument or a result. Whoever calls twice does no harm: an account is owned by a lease,
what is done is not done again, and a write of an owner that was taken over is refused.
"""

import json
import math
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio

from bulkbind.control.now import Doing
from bulkbind.errors import (
    LeaseLost,
    RefusedForSafety,
    SettingsError,
)
from bulkbind.job.connecting import connect, find_credentials
from bulkbind.job.errand import Errand, Surroundings
from bulkbind.job.leasing import Owned, owning
from bulkbind.job.looping import run_async
from bulkbind.job.passing import Halted, Worker, keep_halted
from bulkbind.job.refusing import cap, displaced_so_far
from bulkbind.job.reporting import Reported, write_run_reports
from bulkbind.job.running import end_of, engine_of
from bulkbind.job.wanted import (
    Wanted,
    keep_wanted,
    read_wanted,
    refuse_unapproved,
    refuse_version,
)
from bulkbind.ledger import LedgerRecorder, ThreadExecutor
from bulkbind.model import Lane, RunState
from bulkbind.plan import OnReplace
from bulkbind.run import Engine, Leave, SlotPool, first_of
from bulkbind.settings import SANDBOX, JobSettings
from bulkbind.state.adopting import adopt_run
from bulkbind.state.facts import operator, thaw
from bulkbind.state.folders import RunFolder, StateFolder
from bulkbind.state.ledgers import executor_for, share_ledger

if TYPE_CHECKING:
    from bulkbind.ledger.postgres import PostgresLedger

#: Workers keep no files: nothing is ever written below it.
_NOWHERE = Path("/nonexistent")


class SharedRun(NamedTuple):
    """A run that many machines may work on: all that has to travel."""

    url: str
    """The database; holds no password."""
    run_id: str


class Came(StrEnum):
    """What the work on an account came to."""

    DONE = "done"
    """Nothing of it is left to do."""
    STOPPED = "stopped"
    """Something stopped it: its credential, a gateway, a rule; the report says what."""
    LOST = "lost"
    """Another process owns it now: call again, to see that it ends."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What a call did for an account."""

    account: str
    came: Came
    label: str
    """Where its credential came from; empty: none was needed."""


def list_accounts(
    run: SharedRun,
    *,
    settings: JobSettings | None = None,
    command: str = "run",
    take_failed: bool = False,
    around: Surroundings | None = None,
) -> list[str]:
    """Begin to work on a run: return its accounts that have something to do.

    Args:
        run: The run.
        settings: How to work it; None: as it was planned.
        command: ``run`` or ``resume``.
        take_failed: Send rows again that were refused.
        around: Clock; None: the real one.

    Raises:
        JobBusy: A process works on it alone.
        SettingsError: An account is the sandbox, which lives in one process.
        StateError: The database does not answer, or has no such run.
    """
    now = (around or Surroundings()).now()
    with closing(share_ledger(*run)) as ledger:
        ledger.begin()
        wanted = settings or thaw(ledger.meta()["settings"])
        _refuse_sandbox(wanted)
        if take_failed:
            ledger.reopen_failed()
        invocation = ledger.start(
            command=command, operator=operator(), pid=os.getpid(), at=now
        )
        keep_wanted(ledger, Wanted(invocation, wanted, command, take_failed))
        keep_halted(ledger, Halted())
        lanes = set(ledger.open_lanes())
        ledger.commit()
        return sorted({lane.account for lane in ledger.lanes() if lane.no in lanes})


def judge_account(
    run: SharedRun, account: str, *, around: Surroundings | None = None
) -> Worked:
    """Look what every open batch of an account would displace; nothing is sent.

    Raises:
        JobBusy: Another process owns the account.
        CredentialsMissing: This machine has no credential for it.
        StateError: The database does not answer.
    """
    return run_async(lambda: _work(run, account, around, sends=False))


def approve(run: SharedRun) -> None:
    """Add up what all accounts would displace, and hold it against the job.

    Raises:
        RefusedForSafety: It is more than the job allows; ``run_account`` stays barred.
    """
    with closing(share_ledger(*run)) as ledger:
        ledger.begin()
        wanted, facts = read_wanted(ledger), ledger.meta()
        totals = json.loads(facts["totals"])
        settings, displaced = wanted.settings, 0
        if settings.live and settings.on_replace is not OnReplace.SKIP:
            displaced = displaced_so_far(ledger)
        most = _most(settings, bindings=totals["bindings"])
        if displaced > most:
            raise RefusedForSafety(_too_many(run, displaced, most))
        accounts = {lane.account for lane in ledger.lanes()}
        share = math.inf
        if most is not math.inf:
            share = (most - displaced) // max(1, len(accounts))
        totals["replaced"] = displaced
        ledger.put_meta({"totals": json.dumps(totals)})
        keep_wanted(ledger, replace(wanted, leave=share, is_approved=True))
        ledger.commit()


def run_account(
    run: SharedRun, account: str, *, around: Surroundings | None = None
) -> Worked:
    """Send what an account still has to send; return early if that is nothing.

    Raises:
        JobBusy: Another process owns the account: try again later.
        CredentialsMissing: This machine has no credential for it.
        RefusedForSafety: ``approve`` was not called, or refused.
        StateError: The database does not answer.
    """
    return run_async(lambda: _work(run, account, around, sends=True))


def end(
    run: SharedRun,
    *,
    label: str = "",
    stopped_by: str = "",
    around: Surroundings | None = None,
) -> RunState:
    """Write down that nobody works on a run any more, and how it stands.

    Args:
        run: The run.
        label: Where the credentials came from.
        stopped_by: What stopped it; empty: nothing did.
        around: Clock; None: the real one.
    """
    now = (around or Surroundings()).now()
    with closing(share_ledger(*run)) as ledger:
        ledger.begin()
        if label:
            ledger.put_meta({"credential": label})
        state = end_of(ledger, read_wanted(ledger).invocation, now, stopped_by)
        ledger.commit()
    return state


def finish(run: SharedRun, state: StateFolder, *, label: str = "") -> Reported:
    """End a run whose accounts were worked, and write its report.

    Args:
        run: The run.
        state: Where its folder is, or is made.
        label: Where the credentials came from.

    Raises:
        ReportWrong: The rows do not add up.
        StateError: The database or the disk is in the way.
    """
    end(run, label=label)
    return write_run_reports(adopt_run(state, run.run_id, url=run.url))


# --- one account ----------------------------------------------------------------------


async def _work(
    run: SharedRun, account: str, around: Surroundings | None, *, sends: bool
) -> Worked:
    around = around or Surroundings()
    with closing(share_ledger(*run)) as ledger:
        wanted = read_wanted(ledger)
        refuse_version(ledger.meta())
        if sends:
            refuse_unapproved(wanted)
        lanes, still = ledger.lanes(), set(ledger.open_lanes())
        own = [lane for lane in lanes if lane.no in still and lane.account == account]
        if not own:
            return Worked(account, Came.DONE, "")
        return await _work_open(run, account, ledger, wanted, own, around, sends=sends)


async def _work_open(
    run: SharedRun,
    account: str,
    ledger: "PostgresLedger",
    wanted: Wanted,
    own: list[Lane],
    around: Surroundings,
    *,
    sends: bool,
) -> Worked:
    settings = replace(
        wanted.settings, accounts={account: wanted.settings.accounts[account]}
    )
    errand = Errand(
        run=RunFolder(_NOWHERE / run.run_id),
        settings=settings,
        command=wanted.command,
        credentials=find_credentials(settings, around.environ),
        state=StateFolder(_NOWHERE),
        take_failed=wanted.take_failed,
    )
    if not (sends or settings.live):
        return Worked(account, Came.DONE, "")
    targets = ledger.targets()
    async with connect(
        settings,
        credentials=errand.credentials,
        state=errand.state,
        projects={target.account: target.project_id for target in targets},
        rows=lambda: iter(()),
        environ=around.environ,
    ) as connections:
        slots, doing = SlotPool(settings.concurrency), Doing(time.monotonic)
        with owning(ledger, own, connections) as owned:
            async with executor_for(ledger) as executor:
                engine = engine_of(
                    errand,
                    ledger,
                    connections,
                    lanes=ledger.lanes(),
                    recorder=LedgerRecorder(executor),
                    observer=doing,
                    invocation=wanted.invocation,
                    around=around,
                    slots=slots,
                )
                engine = _owned(engine, owned, executor, wanted, sends=sends)
                work = engine.run if sends else engine.look
                worker = Worker(
                    account=account,
                    halt=engine.halt,
                    slots=slots,
                    paces=connections.paces,
                    doing=doing,
                    invocation=wanted.invocation,
                    now=around.now,
                )
                orders = partial(worker.obey, executor)
                try:
                    await _beside(orders, partial(work, own, targets=targets))
                    came = await _came(account, engine, owned, executor)
                except LeaseLost:
                    came = Came.LOST
        return Worked(account, came, connections.label)


async def _beside(
    orders: Callable[[], Coroutine[object, object, None]],
    work: Callable[[], Awaitable[None]],
) -> None:
    """Do the work, and what people ask meanwhile."""
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(orders)
            await work()
            group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        raise first_of(errors) from errors


def _owned(
    engine: Engine,
    owned: Owned,
    executor: ThreadExecutor,
    wanted: Wanted,
    *,
    sends: bool,
) -> Engine:
    """Let an engine write as the account's owner, and displace what it may."""
    policy = wanted.settings.on_replace
    leave = Leave(policy, wanted.leave)
    if not sends and policy is OnReplace.STOP:
        leave = Leave(OnReplace.ALLOW, math.inf)  # only seen: ``approve`` decides
    elif not sends:
        leave = Leave(policy, math.inf)
    return replace(
        engine,
        recorders=owned.recorders(executor),
        keepers=owned.keepers(executor),
        leave=leave,
    )


async def _came(
    account: str, engine: Engine, owned: Owned, executor: ThreadExecutor
) -> Came:
    """Say how an account stands; as its owner.

    Raises:
        LeaseLost: It is none.
    """
    await owned.executors(executor)[account].do(lambda _: None)
    still = set(await executor.do(lambda ledger: ledger.open_lanes()))
    lanes = await executor.do(lambda ledger: ledger.lanes())
    is_open = any(lane.no in still for lane in lanes if lane.account == account)
    is_stopped = is_open or bool(engine.halt.reason)
    return Came.STOPPED if is_stopped else Came.DONE


# --- what is refused ------------------------------------------------------------------


def _refuse_sandbox(settings: JobSettings) -> None:
    names = [n for n, a in settings.accounts.items() if a.endpoint == SANDBOX]
    if names:
        problem = (
            f"account {names[0]!r}: the built-in sandbox lives in one process; start"
            " `bulkbind sandbox` and give its URL as the endpoint"
        )
        raise SettingsError([problem])


def _most(settings: JobSettings, *, bindings: int) -> float:
    if not settings.live or settings.on_replace is OnReplace.SKIP:
        return math.inf
    if settings.on_replace is OnReplace.STOP:
        return 0
    if settings.max_replace is None:
        return math.inf
    return cap(settings.max_replace, bindings=bindings)


def _too_many(run: SharedRun, displaced: int, most: float) -> str:
    return (
        f"{displaced:,} bindings would displace another plug-in of the same type, and"
        f" the job allows {most:,}; nothing was sent. To displace them, `bulkbind resume"
        f" {run.run_id}` with --set safety.on_replace=allow and a --set"
        " safety.max_replace that leaves room"
    )
