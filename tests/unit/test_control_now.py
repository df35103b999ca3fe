"""What a run says of itself: which lanes send, which wait, for what and how long."""

from dataclasses import dataclass

from bulkbind.control.now import TOLD, Doing, describe, join, reasons_of
from bulkbind.model import Action, Batch, Lane, Record, RecordKind, Why
from bulkbind.run import Halt, SlotPool
from tests.clock import FakeClock


@dataclass
class Pace:
    paused_s: float = 0.0
    next_s: float = 0.0
    seconds_each: float = 0.0
    rate: str = "10/s"
    ceiling: str = "20/s"


def lane(no: int) -> Lane:
    return Lane(no, "default", f"host/gateway-{no}")


BATCH = Batch(id=1, target=0, lane=0, action=Action.ATTACH, rows=(0,), api_ids=("a",))
INTENT = Record(
    batch=1,
    kind=RecordKind.INTENT,
    invocation=1,
    at=0.0,
    span=(0,),
    why=Why.FIRST,
)


def doing(clock, lanes: int) -> Doing:
    made = Doing(clock)
    for no in range(lanes):
        made.lane_started(lane(no))
    return made


def reasons(made: Doing, pace: Pace, *, paused=False, slots=8):
    lanes = made.lanes({"default": pace}, paused=paused, slots=slots)
    return [(one.why, one.lanes, one.seconds) for one in reasons_of(lanes)]


def test_lanes_that_wait_for_the_pace_come_one_after_the_other():
    made = doing(FakeClock(), 3)

    assert reasons(made, Pace(next_s=2.0, seconds_each=10.0)) == [("pace", 3, 22.0)]


def test_a_lane_that_backs_off_says_why_and_how_long_still():
    clock = FakeClock()
    made = doing(clock, 2)
    made.lane_waits(lane(0), why="gateway busy", seconds=30.0)
    clock.now += 12.0

    assert reasons(made, Pace()) == [("gateway busy", 1, 18.0), ("its gateway", 1, 0.0)]
    clock.now += 18.0
    assert reasons(made, Pace(seconds_each=1.0)) == [("pace", 2, 1.0)]


def test_a_throttled_account_is_what_its_lanes_wait_for():
    made = doing(FakeClock(), 2)

    assert reasons(made, Pace(paused_s=60.0, seconds_each=1.0)) == [
        ("throttled", 2, 61.0)
    ]


def test_who_waits_for_a_slot_is_told_how_many_there_are():
    made = doing(FakeClock(), 3)
    made.request_left(lane(0), BATCH, INTENT)

    assert reasons(made, Pace(seconds_each=1.0), slots=1) == [
        ("a slot (concurrency 1)", 2, 0.0)
    ]


def test_a_paused_run_waits_until_somebody_says_so():
    made = doing(FakeClock(), 2)

    assert reasons(made, Pace(seconds_each=1.0), paused=True) == [("paused", 2, None)]


def test_an_answer_and_an_end_are_seen():
    clock = FakeClock()
    made = doing(clock, 2)
    made.request_left(lane(0), BATCH, INTENT)
    clock.now += 3.0

    (first, _) = made.lanes({"default": Pace()}, paused=False, slots=8)
    assert (first.state, first.seconds) == ("sending", 3.0)
    made.request_settled(lane(0), BATCH, INTENT, seconds=3.0)
    made.lane_done(lane(0))
    lanes = made.lanes({"default": Pace()}, paused=False, slots=8)
    assert [one.state for one in lanes] == ["waiting"]
    assert made.done == 1


def test_two_hundred_lanes_are_summed_up_and_the_slowest_come_first():
    made = doing(FakeClock(), 200)
    for no in range(100):
        made.lane_waits(lane(no), why="retry", seconds=float(no))

    lanes = made.lanes({"default": Pace()}, paused=False, slots=8)
    assert [one.seconds for one in lanes[:3]] == [99.0, 98.0, 97.0]
    assert len(lanes[:TOLD]) == TOLD
    assert reasons(made, Pace())[0] == ("retry", 99, 99.0)


def word(made: Doing, pace: Pace, *, paused=False):
    halt = Halt()
    if paused:
        halt.pause()
    paces = {"default": pace}
    return describe(made, paces, halt=halt, slots=SlotPool(8), at=0.0, invocation=1)


async def test_what_several_processes_say_is_one_word():
    first, second = doing(FakeClock(), 2), doing(FakeClock(), 3)
    first.lane_waits(lane(0), why="retry", seconds=5.0)
    second.lane_waits(lane(0), why="retry", seconds=9.0)
    second.request_left(lane(1), BATCH, INTENT)
    second.lane_done(lane(2))

    joined = join([word(first, Pace()), word(second, Pace())])

    assert joined is not None
    assert (joined.lanes_sending, joined.lanes_done) == (1, 1)
    assert [account.rate for account in joined.accounts] == ["10/s", "10/s"]
    assert [(one.why, one.lanes, one.seconds) for one in joined.reasons] == [
        ("retry", 2, 9.0),
        ("its gateway", 1, 0.0),
    ]
    assert [one.seconds for one in joined.slowest] == [9.0, 5.0, 0.0, 0.0]


async def test_a_wait_that_nobody_knows_the_end_of_stays_one_when_words_are_joined():
    words = [word(doing(FakeClock(), 1), Pace(), paused=True) for _ in range(2)]

    joined = join(words)

    assert joined is not None
    assert [(one.lanes, one.seconds) for one in joined.reasons] == [(2, None)]
    assert join([]) is None
