"""Asks something of a run that another process works on."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from bulkbind.control.folder import iso
from bulkbind.control.orders import PAUSE, SET, STOP, UNPAUSE, Order
from bulkbind.host import holder_of
from bulkbind.state.facts import operator
from bulkbind.state.folders import RunFolder, StateFolder
from bulkbind.state.ledgers import board_of, find_database
from bulkbind.state.reaching import ask, hear, is_at_work, is_paused, refuse_idle

#: Seconds that a run has to obey before a command says that it has not yet.
PATIENCE_S = 5.0

_LOOK_S = 0.05
_LOOK_SHARED_S = 0.5


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


def pause_run(run: RunFolder, *, now: float) -> bool:
    """Ask a run to send nothing; tell whether it does so already.

    Raises:
        SettingsError: It is not at work, or not within reach.
        StateError: The order cannot be written.
    """
    refuse_idle(run)
    is_obeyed = ask(run, PAUSE, order(now))
    return _seen(run, lambda: is_obeyed() and _says_paused(run))


def unpause_run(run: RunFolder) -> bool:
    """Let a run go on; tell whether it was paused.

    One that was killed while it was paused loses its pause, too.

    Raises:
        SettingsError: It is not paused, and not at work.
        StateError: The order cannot be taken back.
    """
    if not is_paused(run):
        refuse_idle(run)
        return False
    ask(run, UNPAUSE, Order())
    return True


def stop_run(run: RunFolder, *, at: float, now: bool, wait: bool) -> bool:
    """Ask a run to end; tell whether it has.

    Args:
        run: The run.
        at: Seconds since the epoch.
        now: Do not wait for answers.
        wait: Return only when it has ended.

    Raises:
        SettingsError: It is not at work, or not within reach.
        StateError: The order cannot be written.
    """
    refuse_idle(run)
    ask(run, STOP, order(at, now=now))
    while wait and (is_at_work(run.facts()) or _is_job_held(run)):  # it reports, too
        time.sleep(_look_s(run))
    return wait


def _is_job_held(run: RunFolder) -> bool:
    """Tell whether a process still has the run's job."""
    job = run.facts().job
    if where := find_database(run.path):
        with board_of(*where) as board:
            return board.is_job_held(job)
    return holder_of(StateFolder(run.state_path).lock_path(job)) is not None


def _look_s(run: RunFolder) -> float:
    """Return how long to wait between two looks; each opens connections to a database."""
    return _LOOK_SHARED_S if find_database(run.path) else _LOOK_S


def set_run(
    run: RunFolder,
    *,
    at: float,
    rate: tuple[int, float] | None,
    concurrency: int | None,
) -> bool:
    """Ask a run for another rate or concurrency; tell whether it has obeyed yet.

    Raises:
        SettingsError: It is not at work, or not within reach.
        StateError: The order cannot be written.
    """
    refuse_idle(run)
    return _seen(run, ask(run, SET, order(at, rate=rate, concurrency=concurrency)))


def _says_paused(run: RunFolder) -> bool:
    heard = hear(run, at=0.0)
    return heard is not None and bool(heard.now.paused_by)


def _seen(run: RunFolder, claim: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if claim():
            return True
        if not is_at_work(run.facts()):
            return False
        time.sleep(_look_s(run))
    return False
