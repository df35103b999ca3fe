"""Asks something of a run that another process works on."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from bulkbind.control.folder import iso
from bulkbind.control.orders import PAUSE, SET, STOP, UNPAUSE, Order
from bulkbind.host import holder_of
from bulkbind.state.facts import operator
from bulkbind.state.folders import RunFolder, StateFolder
from bulkbind.state.reaching import ask, hear, is_at_work, is_paused, refuse_idle

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


def pause_run(run: RunFolder, *, now: float) -> bool:
    """Ask a run to send nothing; tell whether it does so already.

    Raises:
        SettingsError: It is not at work, or not within reach.
        StateError: The order cannot be written.
    """
    refuse_idle(run)
    if not is_paused(run):
        ask(run, PAUSE, order(now))
    return _seen(run, lambda: _says_paused(run))


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
        time.sleep(_LOOK_S)
    return False
