"""Asks something of a run that another process works on, through its control folder."""

import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bulkbind.control.folder import iso
from bulkbind.control.now import read_now
from bulkbind.control.orders import PAUSE, SET, STOP, Order
from bulkbind.errors import SettingsError
from bulkbind.host import holder_of
from bulkbind.job.facts import operator
from bulkbind.job.folders import RunFacts, RunFolder, StateFolder
from bulkbind.model import RunState

#: Seconds that a run has to obey before a command says that it has not yet.
PATIENCE_S = 3.0

_LOOK_S = 0.05


def order(
    when: float,
    *,
    now: bool = False,
    rate: tuple[int, float] | None = None,
    concurrency: int | None = None,
) -> Order:
    """Return an order of this user's, made just now.

    Args:
        when: Seconds since the epoch.
        now: As in ``Order``, like the others.
        rate: Requests and seconds.
        concurrency: Requests out at once.
    """
    at = iso(datetime.fromtimestamp(when, UTC))
    return Order(by=operator(), at=at, now=now, rate=rate, concurrency=concurrency)


def is_at_work(facts: RunFacts) -> bool:
    """Tell whether the process that began the newest invocation still holds the job."""
    if facts.state is not RunState.RUNNING:
        return False
    state = StateFolder(facts.folder.state_path)
    holder = holder_of(state.lock_path(facts.job))
    # a holder that cannot sign its lock (a full disk) is believed to be this one
    signature = f"pid {facts.invocations[-1].pid} ("
    return holder is not None and (not holder or holder.startswith(signature))


def refuse_idle(run: RunFolder) -> None:
    """Refuse what can only be asked of a run at work on this host.

    Raises:
        SettingsError: It is none; nothing was written.
    """
    facts = run.facts()
    if facts.state is not RunState.RUNNING:
        then = (
            f"; `bulkbind resume {run.handle}` goes on" if facts.is_unfinished else ""
        )
        problem = f"run {run.id} is not at work: it is {facts.state}{then}"
        raise SettingsError([problem])
    host = facts.invocations[-1].operator.rpartition("@")[2]
    if host != platform.node():
        problem = (
            f"run {run.id} runs on host {host}, and this is {platform.node()}; give the"
            " command there"
        )
        raise SettingsError([problem])
    if not is_at_work(facts):
        problem = (
            f"run {run.id} is not at work: its process is gone;"
            f" `bulkbind resume {run.handle}` goes on"
        )
        raise SettingsError([problem])


def pause_run(run: RunFolder, *, now: float) -> bool:
    """Ask a run to send nothing; tell whether it does so already.

    Raises:
        SettingsError: It is not at work here.
        StateError: The order cannot be written.
    """
    refuse_idle(run)
    if not run.control.is_asked(PAUSE):
        run.control.ask(PAUSE, order(now))
    return _seen(run, lambda: _is_paused(run))


def unpause_run(run: RunFolder) -> bool:
    """Let a run go on; tell whether it was paused.

    One that was killed while it was paused loses its pause, too.

    Raises:
        SettingsError: It is not paused, and not at work here.
        StateError: The order cannot be taken back.
    """
    if not run.control.is_asked(PAUSE):
        refuse_idle(run)
        return False
    return run.control.drop(PAUSE)


def stop_run(run: RunFolder, *, at: float, now: bool, wait: bool) -> bool:
    """Ask a run to end; tell whether it has.

    Args:
        run: The run.
        at: Seconds since the epoch.
        now: Do not wait for answers.
        wait: Return only when it has ended.

    Raises:
        SettingsError: It is not at work here.
        StateError: The order cannot be written.
    """
    refuse_idle(run)
    run.control.ask(STOP, order(at, now=now))
    while wait and is_at_work(run.facts()):
        time.sleep(_LOOK_S)
    state = StateFolder(run.state_path)
    lock = state.lock_path(run.facts().job)
    while wait and holder_of(lock) is not None:  # it still writes its report
        time.sleep(_LOOK_S)
    return wait


def set_run(
    run: RunFolder,
    *,
    at: float,
    rate: tuple[int, float] | None,
    concurrency: int | None,
) -> bool:
    """Ask a run for another rate or concurrency; tell whether it has obeyed yet.

    Raises:
        SettingsError: It is not at work here.
        StateError: The order cannot be written.
    """
    refuse_idle(run)
    name = run.control.ask(SET, order(at, rate=rate, concurrency=concurrency))
    return _seen(run, lambda: not run.control.is_asked(name))


def _is_paused(run: RunFolder) -> bool:
    now = read_now(run.control.told())
    return now is not None and bool(now.paused_by)


def _seen(run: RunFolder, claim: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if claim():
            return True
        if not is_at_work(run.facts()):
            return False
        time.sleep(_LOOK_S)
    return False
