"""What a run is doing now, and why it waits: kept while it runs, read by ``status``."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from bulkbind.model import Batch, Lane, Record
from bulkbind.run import Halt, Observer, SlotPool

#: Lanes that are told of one by one: those that wait longest.
TOLD = 50

SENDING = "sending"
WAITING = "waiting"


class LaneNow(msgspec.Struct, frozen=True, kw_only=True):
    """What one gateway's lane does."""

    gateway: str
    account: str
    state: str
    """``sending``, or ``waiting``."""
    why: str = ""
    """Why it waits; or nothing."""
    seconds: float = 0.0
    """How long it will still wait; sending: since when it has waited for an answer."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Lanes that wait for the same."""

    why: str
    lanes: int
    seconds: float | None
    """The longest wait; None: until somebody says so."""


class AccountNow(msgspec.Struct, frozen=True, kw_only=True):
    """The pace of one account."""

    account: str
    rate: str
    """How fast it sends now."""
    ceiling: str
    """How fast the job lets it."""
    throttled_seconds: float
    """How long the gateway's wish to be left alone still holds."""


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is doing."""

    format_version: str = "1.0"
    at: float
    """When this was written; seconds since the epoch."""
    pid: int
    invocation: int
    paused_by: str = ""
    """Who paused it, since when; empty: it is not paused."""
    stopping: str
    """What stops it; empty: nothing does."""
    ends_in: float | None = None
    """Seconds until its deadline comes or its window closes; None: neither."""
    obeyed: int = 0
    """Number of the newest order of the board that is obeyed; of a run in a database."""
    ends_by: str = ""
    """``deadline`` or ``window``."""
    concurrency: int
    accounts: list[AccountNow]
    lanes_sending: int
    lanes_done: int
    reasons: list[Reason]
    """The longest wait first."""
    slowest: list[LaneNow]
    """At most 50."""


class PaceNow(Protocol):
    """What is asked of an account's pace."""

    @property
    def rate(self) -> object:
        """How fast it sends now."""
        ...

    @property
    def ceiling(self) -> object:
        """How fast the job lets it."""
        ...

    @property
    def paused_s(self) -> float:
        """Seconds until its pause ends."""
        ...

    @property
    def next_s(self) -> float:
        """Seconds until it lets the next request out, as far as is known."""
        ...

    @property
    def seconds_each(self) -> float:
        """Seconds between two requests, on average."""
        ...


@dataclass(slots=True)
class _Lane:
    gateway: str
    account: str
    sends: bool = False
    since: float = 0.0
    why: str = ""
    until: float = 0.0


@dataclass
class Doing(Observer):
    """Keeps what every lane does.

    Args:
        clock: Seconds.
    """

    clock: Callable[[], float]
    done: int = 0
    _lanes: dict[int, _Lane] = field(default_factory=dict)

    def lane_started(self, lane: Lane) -> None:
        """A worker begins."""
        self._lanes[lane.no] = _Lane(lane.gateway, lane.account)

    def request_left(self, lane: Lane, batch: Batch, intent: Record) -> None:
        """A lane waits for an answer."""
        del batch, intent
        now = self._lanes[lane.no]
        now.sends, now.why, now.since = True, "", self.clock()

    def request_settled(
        self, lane: Lane, batch: Batch, answer: Record, *, seconds: float
    ) -> None:
        """A lane has its answer."""
        del batch, answer, seconds
        self._lanes[lane.no].sends = False

    def lane_waits(self, lane: Lane, *, why: str, seconds: float) -> None:
        """A lane will wait for some seconds."""
        now = self._lanes.get(lane.no)
        if now is not None:
            now.why, now.until = why, self.clock() + seconds

    def lane_done(self, lane: Lane) -> None:
        """A worker ends."""
        self.done += self._lanes.pop(lane.no, None) is not None

    def lanes(
        self, paces: Mapping[str, PaceNow], *, paused: bool, slots: int
    ) -> list[LaneNow]:
        """Return what every lane does now, those that wait longest first.

        Args:
            paces: By account.
            paused: Nobody may send.
            slots: Requests that may be out at once.
        """
        clock = self.clock()
        is_full = sum(lane.sends for lane in self._lanes.values()) >= slots
        turns = {
            name: _Turns(pace, slots if is_full else 0) for name, pace in paces.items()
        }
        found = [
            _told(lane, clock, turns[lane.account], paused=paused)
            for lane in self._lanes.values()
        ]
        return _slowest(found)


class _Turns:
    """Why lanes of an account have no turn yet, one after the other.

    Args:
        pace: The account's.
        full: Slots, if all of them are taken; else 0.
    """

    def __init__(self, pace: PaceNow, full: int) -> None:
        self._each_s = pace.seconds_each
        self._why = f"a slot (concurrency {full})" if full else "its gateway"
        if self._each_s and not full:
            self._why = "pace"
        self._next_s = 0.0 if full else pace.next_s
        if (paused_s := pace.paused_s) > 0:
            self._why, self._next_s = "throttled", paused_s

    def next(self) -> tuple[str, float]:
        """Return why the next lane waits, and how many seconds."""
        seconds = self._next_s
        if self._why in {"pace", "throttled"}:
            self._next_s += self._each_s
        return self._why, seconds


def _told(lane: _Lane, clock: float, turns: _Turns, *, paused: bool) -> LaneNow:
    if lane.sends:
        state, why, seconds = SENDING, "", clock - lane.since
    elif paused:
        state, why, seconds = WAITING, "paused", 0.0
    elif lane.until > clock:
        state, why, seconds = WAITING, lane.why, lane.until - clock
    else:
        state, (why, seconds) = WAITING, turns.next()
    return LaneNow(
        gateway=lane.gateway,
        account=lane.account,
        state=state,
        why=why,
        seconds=round(seconds, 1),
    )


def reasons_of(lanes: Iterable[LaneNow]) -> list[Reason]:
    """Sum lanes up by why they wait, the longest wait first."""
    found: dict[str, list[float]] = defaultdict(list)
    for lane in lanes:
        if lane.state == WAITING:
            found[lane.why].append(lane.seconds)
    reasons = [
        Reason(
            why=why,
            lanes=len(seconds),
            seconds=None if why == "paused" else max(seconds),
        )
        for why, seconds in found.items()
    ]
    return sorted(reasons, key=lambda one: -(one.seconds or 0.0))


def describe(
    doing: Doing,
    paces: Mapping[str, PaceNow],
    *,
    halt: Halt,
    slots: SlotPool,
    at: float,
    invocation: int,
) -> Now:
    """Say what lanes and accounts do.

    Args:
        doing: Knows what every lane does.
        paces: By account.
        halt: Says whether it is paused, and what stops it.
        slots: Requests that may be out at once.
        at: Seconds since the epoch.
        invocation: Its number.
    """
    lanes = doing.lanes(paces, paused=halt.is_paused, slots=slots.number)
    return Now(
        at=at,
        pid=os.getpid(),
        invocation=invocation,
        stopping=halt.reason,
        concurrency=slots.number,
        accounts=[
            AccountNow(
                account=name,
                rate=str(pace.rate),
                ceiling=str(pace.ceiling),
                throttled_seconds=round(pace.paused_s, 1),
            )
            for name, pace in paces.items()
        ],
        lanes_sending=sum(lane.state == SENDING for lane in lanes),
        lanes_done=doing.done,
        reasons=reasons_of(lanes),
        slowest=lanes[:TOLD],
    )


def join(words: Sequence[Now]) -> Now | None:
    """Make one word of what the processes of a run say; None: nobody says anything.

    Args:
        words: First that of the process which leads the others, if there is one.
    """
    if not words:
        return None
    return msgspec.structs.replace(
        words[0],
        obeyed=min(word.obeyed for word in words),
        accounts=[account for word in words for account in word.accounts],
        lanes_sending=sum(word.lanes_sending for word in words),
        lanes_done=sum(word.lanes_done for word in words),
        reasons=_joined([reason for word in words for reason in word.reasons]),
        slowest=_slowest([lane for word in words for lane in word.slowest])[:TOLD],
    )


def _joined(reasons: Sequence[Reason]) -> list[Reason]:
    found: dict[str, Reason] = {}
    for one in reasons:
        other = found.get(one.why, Reason(why=one.why, lanes=0, seconds=0.0))
        waits = [other.seconds, one.seconds]
        seconds = None if None in waits else max(wait or 0.0 for wait in waits)
        found[one.why] = Reason(
            why=one.why, lanes=other.lanes + one.lanes, seconds=seconds
        )
    return sorted(found.values(), key=lambda one: -(one.seconds or 0.0))


def _slowest(lanes: Iterable[LaneNow]) -> list[LaneNow]:
    return sorted(lanes, key=lambda one: -one.seconds)


def read_now(text: bytes | None) -> Now | None:
    """Return what a run told of itself; None: nothing that can be read."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Now)
    except msgspec.MsgspecError:
        return None
