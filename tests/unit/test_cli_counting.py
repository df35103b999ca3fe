"""What is counted of a run at work, and what is left of it, with the clock in hand."""

import math
from dataclasses import dataclass

import pytest

from bulkbind.cli.counting import Counting
from bulkbind.cli.view import LaneState
from bulkbind.model import (
    Action,
    Batch,
    Cause,
    Lane,
    LaneTally,
    OurCode,
    Receipts,
    Record,
    RecordKind,
    Scope,
    Settled,
    Stop,
)
from bulkbind.pace import Rate
from tests.clock import FakeClock

LANES = [Lane(0, "default", "host/a"), Lane(1, "pay", "host/b")]
SIZE = 10


@dataclass
class Dial:
    """A pace that a test sets."""

    rate: Rate
    ceiling: Rate


class Told(Counting):
    """Counting, with two lanes of 10 batches of 10 rows each."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        super().__init__(clock=self.clock)
        tallies = [LaneTally(lane.no, 10, 0, 100) for lane in LANES]
        self.run_started("r", tallies)
        for lane in LANES:
            self.lane_started(lane)

    def answer(self, lane, *, scope=Scope.DONE, code="", seconds=1.0, action="attach"):
        batch = Batch(1, 0, lane.no, Action(action), (), ("x",) * SIZE)
        named = tuple(range(SIZE)) if scope is Scope.DONE else ()
        blanks = ("",) * len(named)
        record = Record(
            batch=1,
            kind=RecordKind.ANSWER,
            invocation=1,
            at=0.0,
            span=tuple(range(SIZE)),
            scope=scope,
            code=code,
            message="why",
            receipts=Receipts(named if action == "attach" else (), blanks, blanks),
        )
        self.request_left(lane, batch, record)
        self.clock.forward(seconds)
        self.request_settled(lane, batch, record, seconds=seconds)

    def lane(self, no=0):
        return self.view().lanes[no]


@pytest.fixture
def told():
    return Told()


# --- lanes ----------------------------------------------------------------------------


def test_a_lane_is_in_line_then_sends_then_is_in_line_again(told):
    assert told.lane().state is LaneState.IN_LINE

    batch = Batch(1, 0, 0, Action.ATTACH, (), ())
    told.request_left(LANES[0], batch, None)
    told.clock.forward(2.5)
    assert (told.lane().state, told.lane().seconds) == (LaneState.SENDING, 2.5)

    told.answer(LANES[0])
    assert told.lane().state is LaneState.IN_LINE
    assert (told.lane().settled, told.lane().rows) == (10, 100)


def test_a_wait_counts_down_and_ends(told):
    told.lane_waits(LANES[0], why="busy", seconds=30.0)
    told.clock.forward(12.0)

    lane = told.lane()
    assert (lane.state, lane.why, lane.seconds) == (LaneState.WAITING, "busy", 18.0)

    told.clock.forward(18.0)
    assert told.lane().state is LaneState.IN_LINE


def test_a_throttled_account_lets_all_its_lanes_wait_and_no_others(told):
    other = Lane(2, "default", "host/c")
    told.lane_started(other)
    told.lane_waits(LANES[0], why="throttled", seconds=20.0)
    told.clock.forward(5.0)

    views = told.view().lanes
    assert [view.state for view in views] == [
        LaneState.WAITING,
        LaneState.IN_LINE,
        LaneState.WAITING,
    ]
    assert (views[2].why, views[2].seconds) == ("the account pauses", 15.0)


def stop(scope, key):
    return Stop(
        scope=scope,
        key=key,
        cause=Cause.GATEWAY,
        invocation=1,
        at=0.0,
        code=OurCode.OUTAGE,
        message="too often",
    )


@pytest.mark.parametrize(
    ("scope", "key", "stopped"),
    [
        (Scope.GATEWAY, "1", [False, True]),
        (Scope.ACCOUNT, "default", [True, False]),
        (Scope.TARGET, "1", [False, False]),
        (Scope.CANARY, "0", [False, False]),
    ],
)
def test_a_stop_is_shown_at_the_lanes_it_reaches_even_when_they_have_ended(
    told, scope, key, stopped
):
    told.stopped(stop(scope, key))
    for lane in LANES:
        told.lane_done(lane)

    shown = [lane.why == "BULKBIND.OUTAGE too often" for lane in told.view().lanes]
    assert shown == stopped


def test_a_lane_that_ends_with_rows_left_has_stopped(told):
    told.lane_done(LANES[0])
    for _ in range(10):
        told.answer(LANES[1])
    told.lane_done(LANES[1])

    states = [lane.state for lane in told.view().lanes]
    assert states == [LaneState.STOPPED, LaneState.DONE]


# --- verdicts and codes ---------------------------------------------------------------


def test_verdicts_are_counted_by_receipt_and_by_list(told):
    told.answer(LANES[0])
    batch = Batch(1, 0, 1, Action.ATTACH, (), ())
    told.rows_read(batch, Settled(done=1, unchanged=2, kept=3, failed=4))

    view = told.view()
    counts = {"bound": 11, "unbound": 0, "unchanged": 2, "kept": 3, "failed": 4}
    assert view.verdicts == counts
    assert view.settled == 20


def test_a_detach_counts_as_unbound_when_it_was_read_back(told):
    told.answer(LANES[0], action="detach")
    assert (told.view().settled, told.view().verdicts["unbound"]) == (10, 0)

    batch = Batch(1, 0, 0, Action.DETACH, (), ())
    told.rows_read(batch, Settled(done=10))
    assert (told.view().settled, told.view().verdicts["unbound"]) == (10, 10)


def test_codes_are_counted_and_the_last_one_met_comes_first(told):
    for code in ("A", "B", "A"):
        told.answer(LANES[0], scope=Scope.BUSY, code=code)
    told.answer(LANES[0])

    codes = [(one.code, one.times, one.message) for one in told.view().codes]
    assert codes == [("A", 2, "why"), ("B", 1, "why")]


def test_however_many_codes_there_are_few_are_kept(told):
    for number in range(200):
        told.answer(LANES[0], scope=Scope.BUSY, code=f"X.{number}")

    assert len(told.view().codes) == 50
    assert told.view().codes[0].code == "X.199"


# --- how long -------------------------------------------------------------------------


def dials(per_second, allowed=None):
    rate = Rate(per_second, 1.0)
    made = Dial(rate, Rate(allowed, 1.0) if allowed else rate)
    return {"default": made}


def test_before_there_is_a_rate_nobody_knows_how_long_it_takes(told):
    told.answer(LANES[0])

    assert told.view().eta_s is None


def test_what_is_left_takes_as_long_as_was_measured(told):
    for lane in LANES * 2:
        told.answer(lane, seconds=0.5)

    # 4 of 20 requests in 2 s, looked back on from the first answer: 16 at 4 in 1.5 s
    assert told.view().eta_s == pytest.approx(16 / (4 / 1.5))


def test_it_takes_no_less_than_the_pace_lets_it(told):
    told.paced({"default": Dial(Rate(2, 60.0), Rate(2, 60.0))})
    for lane in LANES * 2:
        told.answer(lane, seconds=0.01)

    # 8 requests of this account are left, at 2 a minute
    assert told.view().eta_s == pytest.approx(240.0)


def test_a_pause_comes_on_top(told):
    told.paced({"default": Dial(Rate(2, 60.0), Rate(2, 60.0))})
    for lane in LANES * 2:
        told.answer(lane, seconds=0.01)
    told.lane_waits(LANES[0], why="throttled", seconds=100.0)

    assert told.view().eta_s == pytest.approx(340.0)


def test_a_gateway_takes_one_request_after_another(told):
    for _ in range(10):
        told.answer(LANES[1], seconds=0.01)
    told.answer(LANES[0], seconds=10.0)

    # 9 are left on one gateway, and a request takes 10.1 s / 11 on average
    assert told.view().eta_s >= 9 * 10.1 / 11


def test_a_run_that_is_stopped_has_no_time_left(told):
    for _ in range(3):
        told.answer(LANES[0])
    told.draining("SIGINT")

    assert told.view().eta_s is None
    assert told.view().stopping.startswith("SIGINT")


def test_a_paused_run_has_no_time_left_until_it_goes_on(told):
    for _ in range(3):
        told.answer(LANES[0])
    told.held("paused by me: nothing is sent until `unpause`")
    paused = told.view()
    told.held("")

    assert paused.eta_s is None
    assert paused.stopping.startswith("paused by me")
    assert told.view().eta_s is not None
    assert not told.view().stopping


@pytest.mark.parametrize(
    ("gauges", "words"),
    [
        ({}, ""),
        (dials(10), "ceiling 10/s"),
        (dials(3, 10), "slowed to 3/s of 10/s"),
        ({"a": Dial(Rate(0, 1.0), Rate(0, 1.0))}, "no ceiling"),
        ({**dials(10), "b": Dial(Rate(30, 60.0), Rate(30, 60.0))}, "ceiling 10.5/s"),
    ],
)
def test_the_pace_is_said_in_words(told, gauges, words):
    told.paced(gauges)

    assert told.view().ceiling == words
    assert not math.isnan(told.view().rate_per_s)
