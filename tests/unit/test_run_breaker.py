"""The outage breaker: who may send, who probes, who listens, what is given up."""

import anyio
import anyio.lowlevel
import pytest

from bulkbind.retry import RetryPolicy
from bulkbind.run.breaker import Breaker, Given
from tests.clock import run_virtually

POLICY = RetryPolicy(
    breaker_failures=3, breaker_probes=2, probe_wait_s=5.0, longest_probe_wait_s=30.0
)


def joined(*lanes: int, policy: RetryPolicy = POLICY) -> Breaker:
    breaker = Breaker(policy)
    for lane in lanes:
        breaker.join(lane)
    return breaker


def fail(breaker: Breaker, lane: int, *, times: int) -> list[Given]:
    return [breaker.fail(lane) for _ in range(times)]


def opened(*lanes: int) -> Breaker:
    """Return a breaker whose lanes are all open, and not one has probed."""
    breaker = joined(*lanes)
    for lane in lanes:
        fail(breaker, lane, times=3)
    return breaker


# --- one lane -------------------------------------------------------------------------


@pytest.mark.parametrize(("failures", "is_open"), [(0, False), (2, False), (3, True)])
def test_a_lane_opens_after_so_many_failures_in_a_row(failures, is_open):
    breaker = joined(1)
    fail(breaker, 1, times=failures)

    assert breaker.is_open(1) is is_open


def test_a_good_answer_begins_the_count_anew():
    breaker = joined(1)
    fail(breaker, 1, times=2)
    breaker.succeed(1)
    fail(breaker, 1, times=2)

    assert not breaker.is_open(1)


def test_failures_of_one_lane_open_no_other():
    breaker = joined(1, 2)
    fail(breaker, 1, times=3)

    assert (breaker.is_open(1), breaker.is_open(2)) == (True, False)


def test_the_failures_that_open_a_lane_are_no_probes():
    breaker = joined(1)

    assert fail(breaker, 1, times=3) == [Given.NOTHING] * 3


def test_a_lane_is_given_up_when_its_probes_are_spent():
    breaker = opened(1)

    assert fail(breaker, 1, times=2) == [Given.NOTHING, Given.LANE]


def test_a_probe_that_goes_well_closes_the_lane_and_gives_all_probes_back():
    breaker = opened(1)
    breaker.fail(1)
    breaker.succeed(1)

    assert not breaker.is_open(1)
    assert fail(breaker, 1, times=4) == [Given.NOTHING] * 4


@pytest.mark.parametrize(
    ("probes", "seconds"), [(0, 5.0), (1, 10.0), (2, 20.0), (3, 30.0), (9, 30.0)]
)
def test_the_wait_before_a_probe_doubles_up_to_the_longest(probes, seconds):
    policy = RetryPolicy(
        breaker_failures=1,
        breaker_probes=99,
        probe_wait_s=5.0,
        longest_probe_wait_s=30.0,
    )
    breaker = joined(1, policy=policy)
    fail(breaker, 1, times=1 + probes)

    assert breaker.wait_s(1) == seconds


# --- a whole account ------------------------------------------------------------------


def test_a_lane_that_is_alone_is_no_account():
    breaker = opened(1)

    assert not breaker.must_listen(1)


def test_nobody_listens_while_one_lane_is_well():
    breaker = joined(1, 2, 3)
    fail(breaker, 1, times=3)
    fail(breaker, 2, times=3)

    assert [breaker.must_listen(lane) for lane in (1, 2)] == [False, False]


def test_when_all_lanes_are_open_the_first_to_ask_probes_for_all():
    breaker = opened(1, 2, 3)

    assert [breaker.must_listen(lane) for lane in (2, 1, 3)] == [False, True, True]
    assert not breaker.must_listen(2)


def test_the_account_is_given_up_when_the_probes_for_all_are_spent():
    breaker = opened(1, 2)
    breaker.must_listen(1)

    assert fail(breaker, 1, times=2) == [Given.NOTHING, Given.ACCOUNT]


def test_a_good_probe_closes_every_lane_of_the_account():
    breaker = opened(1, 2, 3)
    breaker.must_listen(2)
    breaker.fail(2)
    breaker.succeed(2)

    assert not any(breaker.is_open(lane) for lane in (1, 2, 3))
    assert breaker.wait_s(2) == POLICY.probe_wait_s


def test_a_lane_that_joins_an_account_that_is_out_may_try_for_itself():
    breaker = opened(1, 2)
    breaker.must_listen(1)
    breaker.join(3)

    assert not breaker.must_listen(2)
    assert not breaker.is_open(3)


def test_only_a_lane_is_given_up_once_another_has_joined():
    breaker = opened(1, 2)
    breaker.must_listen(1)
    breaker.fail(1)
    breaker.join(3)

    assert breaker.fail(1) is Given.LANE


def test_when_the_lane_that_probes_ends_another_one_does():
    breaker = opened(1, 2, 3)
    breaker.must_listen(1)
    breaker.leave(1)

    assert [breaker.must_listen(lane) for lane in (3, 2)] == [False, True]


def test_the_last_lane_that_is_left_listens_to_nobody():
    breaker = opened(1, 2)
    breaker.must_listen(1)
    breaker.leave(1)

    assert not breaker.must_listen(2)
    assert fail(breaker, 2, times=2) == [Given.NOTHING, Given.LANE]


def test_a_lane_may_leave_that_never_joined():
    breaker = opened(1, 2)
    breaker.leave(7)

    assert [breaker.must_listen(lane) for lane in (1, 2)] == [False, True]


# --- news -----------------------------------------------------------------------------


def heard_after(tell) -> list[int]:
    """Return which listening lanes wake when lane 1, which probes, has its news."""

    async def main() -> list[int]:
        breaker, heard = opened(1, 2, 3), []
        breaker.must_listen(1)

        async def listen(lane: int) -> None:
            await breaker.listen()
            heard.append(lane)

        async with anyio.create_task_group() as group:
            for lane in (2, 3):
                group.start_soon(listen, lane)
            await anyio.wait_all_tasks_blocked()
            tell(breaker)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        return sorted(heard)

    return run_virtually(main)


@pytest.mark.parametrize(
    ("tell", "heard"),
    [
        (lambda breaker: breaker.succeed(1), [2, 3]),
        (lambda breaker: breaker.leave(1), [2, 3]),
        (lambda breaker: breaker.fail(1), []),
        (lambda breaker: breaker.leave(2), []),
    ],
    ids=["goes well", "probing lane ends", "fails", "another lane ends"],
)
def test_lanes_that_listen_wake_when_the_probe_goes_well_or_nobody_probes(tell, heard):
    assert heard_after(tell) == heard


def test_old_news_wakes_nobody_who_listens_later():
    async def main() -> bool:
        breaker = opened(1, 2)
        breaker.must_listen(1)
        breaker.succeed(1)
        with anyio.move_on_after(100.0) as scope:
            await breaker.listen()
        return scope.cancelled_caught

    assert run_virtually(main)
