"""What a run has done so far and what is left, counted from what the engine tells.

Every event costs a few steps, whatever the number of lanes; a view of them all is made
only when somebody looks.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bulkbind.cli.view import CodeView, LaneState, LaneView, RunView
from bulkbind.model import (
    Action,
    Batch,
    Lane,
    LaneTally,
    Record,
    Scope,
    Settled,
    Stop,
    Verdict,
)
from bulkbind.run import Gauge, Observer

#: Settled requests that the measured rate looks back on.
_WINDOW = 200

#: How many codes are remembered: those met last.
_CODES = 50


@dataclass(frozen=True, slots=True)
class _Doing:
    """What a lane does since when."""

    state: LaneState
    at: float
    """When it began; of a wait, when it ends."""
    why: str = ""


@dataclass(slots=True)
class _LaneCount:
    """How far a lane is."""

    name: str
    account: str
    rows: int = 0
    settled: int = 0
    batches: int = 0
    """Not settled when this invocation began."""
    open_rows: int = 0
    """In those."""

    @property
    def requests_left(self) -> float:
        """About so many, by the rows that have no answer yet."""
        left = self.rows - self.settled
        return self.batches * left / self.open_rows if self.open_rows else 0.0


class Counting(Observer):
    """Counts what the engine does, and estimates what is left.

    Args:
        clock: Seconds.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stamps: deque[float] = deque(maxlen=_WINDOW)
        self.run_id = ""
        self.rows = self.done = self.requests = self.pages = 0
        self.stopping = self.held_by = ""
        self.verdicts: Counter[str] = Counter()
        self._tallies: dict[int, LaneTally] = {}
        self._lanes: dict[int, _LaneCount] = {}
        self._doing: dict[int, _Doing] = {}
        self._codes: dict[str, tuple[int, str]] = {}
        self._gauges: Mapping[str, Gauge] = {}
        self._paused: dict[str, float] = {}
        """Until when an account sends nothing, because it was too fast."""
        self._out_s = 0.0

    # --- what the engine tells -------------------------------------------------------

    def run_started(self, run_id: str, tallies: Sequence[LaneTally]) -> None:
        """Take over what earlier invocations did."""
        self.run_id = run_id
        self._take(tallies)

    def tallied(self, tallies: Sequence[LaneTally], requests: int) -> None:
        """Take over what other machines did."""
        self._take(tallies)
        self._stamps.extend([self._clock()] * (requests - self.requests))
        self.requests = requests
        self.changed()

    def _take(self, tallies: Sequence[LaneTally]) -> None:
        self.rows = sum(tally.rows for tally in tallies)
        self.done = sum(tally.settled for tally in tallies)
        self._tallies = {tally.lane: tally for tally in tallies}
        for verdict in _SETTLING:
            self.verdicts[verdict] = sum(getattr(tally, verdict) for tally in tallies)

    def paced(self, gauges: Mapping[str, Gauge]) -> None:
        """Remember whom to ask how fast it may go."""
        self._gauges = gauges

    def lane_started(self, lane: Lane) -> None:
        """Take a gateway's lane in."""
        made = _LaneCount(lane.gateway, lane.account)
        tally = self._tallies.get(lane.no)
        if tally is not None:
            made.rows, made.settled = tally.rows, tally.settled
            made.batches = tally.batches - tally.settled_batches
            made.open_rows = tally.rows - tally.settled
        self._do(lane.no, LaneState.IN_LINE)  # first: another thread may look
        self._lanes[lane.no] = made

    def page_read(self) -> None:
        """Count a page of a list."""
        self.pages += 1
        self.changed()

    def request_left(self, lane: Lane, batch: Batch, intent: Record) -> None:
        """Note that a lane sends."""
        del batch, intent
        self._do(lane.no, LaneState.SENDING)

    def request_settled(
        self, lane: Lane, batch: Batch, answer: Record, *, seconds: float
    ) -> None:
        """Count an answer."""
        self.requests += 1
        self._out_s += seconds
        self._stamps.append(self._clock())
        if batch.action is Action.ATTACH:
            self._settle(lane.no, Verdict.BOUND, len(answer.receipts.positions))
        elif answer.scope is Scope.DONE:  # its verdict waits until it is read back
            self._settle(lane.no, None, len(answer.span))
        if answer.scope is Scope.ITEM and len(answer.span) == 1:
            self._settle(lane.no, Verdict.FAILED, 1)
        if answer.scope is not Scope.DONE or answer.code:
            self._meet(answer.code or f"HTTP {answer.status}", answer.message)
        self._do(lane.no, LaneState.IN_LINE)
        self.changed()

    def rows_read(self, batch: Batch, gained: Settled) -> None:
        """Count rows that a list answers; a detach was counted when it was sent."""
        is_attach = batch.action is Action.ATTACH
        self._settle(batch.lane, Verdict.UNCHANGED, gained.unchanged)
        self._settle(batch.lane, Verdict.KEPT, gained.kept)
        if is_attach:
            self._settle(batch.lane, Verdict.BOUND, gained.done)
            self._settle(batch.lane, Verdict.FAILED, gained.failed)
        else:
            self.verdicts[Verdict.UNBOUND] += gained.done
            self.verdicts[Verdict.FAILED] += gained.failed
        self.changed()

    def lane_waits(self, lane: Lane, *, why: str, seconds: float) -> None:
        """Note why a lane does not send, and until when."""
        until = self._clock() + seconds
        self._doing[lane.no] = _Doing(LaneState.WAITING, until, why)
        if why == "throttled":  # the whole account waits
            self._paused[lane.account] = max(until, self._paused.get(lane.account, 0.0))
        self.changed()

    def stopped(self, stop: Stop) -> None:
        """Note whom it stops."""
        if stop.scope is not Scope.DONE:
            self._meet(stop.code, stop.message)
        for no, lane in self._lanes.items():
            is_lane = stop.scope is Scope.GATEWAY and stop.key == str(no)
            is_account = stop.scope is Scope.ACCOUNT and stop.key == lane.account
            if is_lane or is_account:
                why = f"{stop.code} {stop.message}".strip()
                self._do(no, LaneState.STOPPED, why)

    def draining(self, reason: str) -> None:
        """Note that a person stops the run."""
        self.stopping = f"{reason}: stopping, what is out is awaited"

    def held(self, why: str) -> None:
        """Note that a person has paused the run, or lets it go on."""
        self.held_by = why

    def lane_done(self, lane: Lane) -> None:
        """Note that a lane has ended; one that was stopped stays so."""
        doing = self._doing.get(lane.no)
        if doing is None or doing.state is not LaneState.STOPPED:
            self._do(lane.no, LaneState.DONE)

    def changed(self) -> None:
        """Show what changed; called after every event that changes a number."""

    # --- what it comes to ------------------------------------------------------------

    @property
    def failed(self) -> int:
        """Rows that were refused."""
        return self.verdicts[Verdict.FAILED]

    @property
    def rate(self) -> float:
        """Requests per second, lately."""
        stamps = tuple(self._stamps)
        if not stamps[1:]:  # no rate from one point
            return 0.0
        passed = self._clock() - stamps[0]
        return len(stamps) / passed if passed > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds that are left: by what was measured, and never less than it can be.

        An account's pace lets so many requests out, and a gateway takes one after
        another; whichever of these takes longest is the answer.
        """
        rate = self.rate
        if not rate or self.stopping or self.held_by:
            return None
        left: defaultdict[str, float] = defaultdict(float)
        longest = 0.0
        for lane in tuple(self._lanes.values()):
            left[lane.account] += lane.requests_left
            longest = max(longest, lane.requests_left)
        bounds = [longest * self._out_s / self.requests, sum(left.values()) / rate]
        for account, gauge in self._gauges.items():
            pause_s = max(0.0, self._paused.get(account, 0.0) - self._clock())
            seconds = left[account] / gauge.rate.per_second
            bounds.append(seconds + pause_s if left[account] else 0.0)
        return max(bounds)

    @property
    def ceiling(self) -> str:
        """What the accounts together may send; empty: nobody said."""
        gauges = tuple(self._gauges.values())
        if not gauges:
            return ""
        now = sum(gauge.rate.per_second for gauge in gauges)
        allowed = sum(gauge.ceiling.per_second for gauge in gauges)
        if math.isinf(now):
            return "no ceiling"
        if now < allowed:
            return f"slowed to {now:.3g}/s of {allowed:.3g}/s"
        return f"ceiling {allowed:.3g}/s"

    def view(self) -> RunView:
        """Return the run as it is now; another thread may ask."""
        now = self._clock()
        paused = {name: until - now for name, until in self._paused.items()}
        return RunView(
            run_id=self.run_id,
            rows=self.rows,
            settled=self.done,
            verdicts={str(v): self.verdicts[v] for v in _SETTLING},
            requests=self.requests,
            pages=self.pages,
            rate_per_s=self.rate,
            ceiling=self.ceiling,
            eta_s=self.eta_s,
            stopping=self.stopping or self.held_by,
            lanes=[
                _lane(lane, self._doing[no], now=now, paused=paused)
                for no, lane in tuple(self._lanes.items())
            ],
            codes=[
                CodeView(code=code, times=times, message=message)
                for code, (times, message) in reversed(tuple(self._codes.items()))
            ],
        )

    # --- counting --------------------------------------------------------------------

    def _do(self, no: int, state: LaneState, why: str = "") -> None:
        self._doing[no] = _Doing(state, self._clock(), why)

    def _settle(self, no: int, verdict: Verdict | None, rows: int) -> None:
        self.done += rows
        if verdict is not None:
            self.verdicts[verdict] += rows
        if lane := self._lanes.get(no):
            lane.settled += rows

    def _meet(self, code: str, message: str) -> None:
        """Count a code, as the last one met."""
        times, _ = self._codes.pop(code, (0, ""))
        self._codes[code] = times + 1, message
        if len(self._codes) > _CODES:
            del self._codes[next(iter(self._codes))]


#: Verdicts that a run counts while it is at work, in the order they are shown.
_SETTLING = (
    Verdict.BOUND,
    Verdict.UNBOUND,
    Verdict.UNCHANGED,
    Verdict.KEPT,
    Verdict.FAILED,
)


def _lane(
    lane: _LaneCount, doing: _Doing, *, now: float, paused: Mapping[str, float]
) -> LaneView:
    """Return a lane as it is now: a wait that is over is one for its turn."""
    state, why, seconds = doing.state, doing.why, abs(now - doing.at)
    if state is LaneState.WAITING and now >= doing.at:
        state, why = LaneState.IN_LINE, ""
    if state is LaneState.IN_LINE and paused.get(lane.account, 0.0) > 0:
        state, why = LaneState.WAITING, "the account pauses"
        seconds = paused[lane.account]
    if state is LaneState.DONE and lane.settled < lane.rows:
        state = LaneState.STOPPED
    return LaneView(
        name=lane.name,
        state=state,
        rows=lane.rows,
        settled=lane.settled,
        why=why,
        seconds=seconds if state in {LaneState.WAITING, LaneState.SENDING} else None,
    )
