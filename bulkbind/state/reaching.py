"""Reaches the process that works on a run: by its control folder, or by its database.

A run whose ledger is a file is reached on its own host only; one in a database from any
host that reaches that.
"""

import platform
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bulkbind.control.now import Now, join, read_now
from bulkbind.control.orders import PAUSE, SET, UNPAUSE, Order, Standing, add_up, parse
from bulkbind.errors import SettingsError
from bulkbind.host import holder_of
from bulkbind.model import RunState
from bulkbind.state.folders import RunFacts, RunFolder, StateFolder
from bulkbind.state.ledgers import board_of, find_database

if TYPE_CHECKING:
    from bulkbind.ledger.board import Asked

#: What a process said longer ago is not held to be so any more; seconds.
_STALE_S = 10.0


class Heard(NamedTuple):
    """What a run said last of what it does."""

    now: Now
    age_s: float
    """How long ago; seconds."""


def is_at_work(facts: RunFacts) -> bool:
    """Tell whether the process that began the newest invocation still works on the run."""
    if facts.state is not RunState.RUNNING:
        return False
    if where := find_database(facts.folder.path):
        with board_of(*where) as board:
            return board.is_worked_on()
    state = StateFolder(facts.folder.state_path)
    holder = holder_of(state.lock_path(facts.job))
    # a holder that cannot sign its lock (a full disk) is believed to be this one
    signature = f"pid {facts.invocations[-1].pid} ("
    return holder is not None and (not holder or holder.startswith(signature))


def refuse_idle(run: RunFolder) -> None:
    """Refuse what can only be asked of a run at work, and within reach.

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
    if host != platform.node() and not find_database(run.path):
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


def ask(run: RunFolder, name: str, order: Order) -> Callable[[], bool]:
    """Leave an order where the run's process finds it.

    Returns:
        Tells whether everybody who works on the run obeys.

    Raises:
        StateError: It cannot be left there.
    """
    if name == UNPAUSE:
        run.control.drop(PAUSE)
    if where := find_database(run.path):
        with board_of(*where) as board:
            number = board.ask(name, msgspec.json.encode(order))
        return lambda: _is_obeyed(run, number)
    if name == UNPAUSE:
        return lambda: True
    file = run.control.ask(name, order)
    return lambda: name != SET or not run.control.is_asked(file)


def _is_obeyed(run: RunFolder, number: int) -> bool:
    heard = hear(run, at=0.0)
    return heard is not None and heard.now.obeyed >= number


def is_paused(run: RunFolder) -> bool:
    """Tell whether a pause was asked for, and stands."""
    if where := find_database(run.path):
        with board_of(*where) as board:
            asked = board.asked()
        if asked:
            return standing_of(asked).paused
    return run.control.is_asked(PAUSE)


def standing_of(asked: "Sequence[Asked]") -> Standing:
    """Say what the orders of a board come to."""
    found = [(one.name, parse(one.body)) for one in asked]
    return add_up((name, order) for name, order in found if order is not None)


def hear(run: RunFolder, *, at: float) -> Heard | None:
    """Return what a run said last of what it does; None: nothing.

    Args:
        run: The run.
        at: Seconds since the epoch.
    """
    where = find_database(run.path)
    if where is None:
        now = read_now(run.control.told())
        return Heard(now, max(0.0, at - now.at)) if now else None
    with board_of(*where) as board:
        told = board.told()
    heard = [
        Heard(now, one.age_s) for one in told if (now := read_now(one.body)) is not None
    ]
    fresh = [one for one in heard if one.age_s <= _STALE_S] or heard[:1]
    now = join([one.now for one in fresh])
    return Heard(now, min(one.age_s for one in fresh)) if now else None
