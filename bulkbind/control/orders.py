"""What the files of RUN/control mean, and what follows from them. Pure.

``pause`` and ``stop`` are there or not, ``set-*.json`` are taken one after the other. A
file without content, made by hand, asks for what its name says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from bulkbind.wire import scrub

PAUSE = "pause"
#: On a board: a pause is over; in a folder its file is gone.
UNPAUSE = "unpause"
STOP = "stop"
SET = "set-"

#: A larger file is none of ours.
MAX_BYTES = 4096

_MOST_SLOTS = 10_000
_FASTEST = 1_000_000
#: A shorter window is none that a job file can say.
_SHORTEST_S = 1.0
_LONGEST_S = 7 * 86_400.0


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody asks of a run; also what its file holds, as JSON."""

    format_version: str = "1.0"
    by: str = ""
    """user@host"""
    at: str = ""
    """When: ISO 8601, UTC."""
    now: bool = False
    """``stop``: do not wait for answers."""
    rate: tuple[int, float] | None = None
    """``set``: requests and seconds; 0 requests: unlimited."""
    concurrency: int | None = None
    """``set``: requests out at once."""


class Found(NamedTuple):
    """A file of RUN/control."""

    data: bytes
    owner: str
    """user@host of its owner: who made a file by hand."""
    changed_at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything that is asked for now."""

    pause: Order | None = None
    stop: Order | None = None
    sets: Mapping[str, Order] = field(default_factory=dict)
    """File name -> order, in the order they are to be obeyed."""
    wrong: Mapping[str, str] = field(default_factory=dict)
    """File name -> why it is not obeyed."""


def read_wishes(files: Mapping[str, Found | str]) -> Wishes:
    """Say what files ask for.

    Args:
        files: Name -> content; or why it cannot be read.
    """
    wishes, sets, wrong = Wishes(), {}, dict[str, str]()
    for name in sorted(files):
        found = files[name]
        try:
            _check_name(name)
            if isinstance(found, str):
                wrong[name] = found
                continue
            order = _read(found, may_be_empty=name in {PAUSE, STOP})
        except ValueError as error:
            wrong[name] = str(error)
            continue
        if name == PAUSE:
            wishes = replace(wishes, pause=order)
        elif name == STOP:
            wishes = replace(wishes, stop=order)
        else:
            sets[name] = order
    return replace(wishes, sets=sets, wrong=wrong)


@dataclass(frozen=True, slots=True)
class Standing:
    """What orders, one after the other, come to."""

    paused: bool = False
    stop: Order | None = None
    rate: tuple[int, float] | None = None
    concurrency: int | None = None


def add_up(orders: Iterable[tuple[str, Order]]) -> Standing:
    """Say what orders come to.

    Args:
        orders: Name (``pause``, ``unpause``, ``stop`` or ``set-``) and order, the
            oldest first.
    """
    standing = Standing()
    for name, order in orders:
        if name in {PAUSE, UNPAUSE}:
            standing = replace(standing, paused=name == PAUSE)
        elif name == STOP:
            standing = replace(standing, stop=order)
        elif name == SET:
            standing = replace(
                standing,
                rate=order.rate or standing.rate,
                concurrency=order.concurrency or standing.concurrency,
            )
    return standing


class Act(NamedTuple):
    """What follows for the run."""

    what: str
    """``pause``, ``unpause``, ``stop``, ``set`` or ``ignore``."""
    order: Order
    name: str = ""
    """The file's."""
    problem: str = ""
    """Why it is ignored."""


def decide(wishes: Wishes, before: Wishes) -> list[Act]:
    """Say what is new in what is asked for.

    Args:
        wishes: What is asked for now.
        before: What was asked for when this was asked the last time.
    """
    acts = [
        Act("ignore", Order(), name, problem)
        for name, problem in wishes.wrong.items()
        if before.wrong.get(name) != problem
    ]
    acts += [
        Act("set", order, name)
        for name, order in wishes.sets.items()
        if name not in before.sets
    ]
    if wishes.pause is not None and before.pause is None:
        acts.append(Act("pause", wishes.pause, PAUSE))
    if wishes.pause is None and before.pause is not None:
        acts.append(Act("unpause", Order(), PAUSE))
    if wishes.stop is not None and wishes.stop != before.stop:
        acts.append(Act("stop", wishes.stop, STOP))
    return acts


def _check_name(name: str) -> None:
    is_set = name.startswith(SET) and name.endswith(".json")
    if name not in {PAUSE, STOP} and not is_set:
        message = (
            "no such order; the files here are `pause`, `stop` and what `bulkbind set`"
            " writes"
        )
        raise ValueError(message)


def parse(body: bytes) -> Order | None:
    """Return the order that a board has; None: it is none of ours."""
    try:
        return _read(Found(body, "", ""), may_be_empty=False)
    except ValueError:
        return None


def _read(found: Found, *, may_be_empty: bool) -> Order:
    if not found.data.strip():
        if not may_be_empty:
            message = "empty; `bulkbind set` writes what it sets"
            raise ValueError(message)
        return Order(by=found.owner, at=found.changed_at)
    try:
        order = msgspec.json.decode(found.data, type=Order)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"not an order: {scrub(str(error))}"
        raise ValueError(message) from error
    _check(order)
    return msgspec.structs.replace(
        order,
        by=scrub(order.by) or found.owner,
        at=scrub(order.at) or found.changed_at,
    )


def _check(order: Order) -> None:
    """Refuse what no command would write."""
    slots, rate = order.concurrency, order.rate
    if not order.format_version.startswith("1."):
        message = f"format_version {scrub(order.format_version)!r} is not 1.x"
        raise ValueError(message)
    if slots is not None and not 1 <= slots <= _MOST_SLOTS:
        message = f"concurrency {slots}: from 1 to {_MOST_SLOTS:,}"
        raise ValueError(message)
    if rate is not None and not (
        0 <= rate[0] <= _FASTEST and _SHORTEST_S <= rate[1] <= _LONGEST_S
    ):
        message = (
            f"rate {rate[0]} in {rate[1]} s: up to {_FASTEST:,} in a second to a week"
        )
        raise ValueError(message)
