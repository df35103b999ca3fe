"""Rules that stop a run: retries that outrun good answers, rows that are refused.

A halt needs a running loop, so most of these tests are coroutines.
"""

import pytest

from bulkbind.model import Settled
from bulkbind.run import Halt, MaxFailed
from bulkbind.run.limits import ENOUGH_ROWS, MAX_FAILED, RETRY_BUDGET, Limits


def limits(*, budget: int = 100, max_failed: MaxFailed | None = None) -> Limits:
    return Limits(Halt(), budget=budget, max_failed=max_failed)


def retry(counted: Limits, *, times: int) -> str:
    """Spend retries; return why the run stops, if it does."""
    for _ in range(times):
        counted.retry()
    return counted.halt.reason


# --- retries --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "reason"), [(0, ""), (9, ""), (10, RETRY_BUDGET), (11, RETRY_BUDGET)]
)
async def test_the_last_retry_of_the_budget_stops_the_run(times, reason):
    assert retry(limits(budget=10), times=times) == reason


@pytest.mark.parametrize(("good", "failed"), [(1, 0), (500, 0), (0, 1), (3, 3)])
async def test_an_answer_that_settles_rows_earns_one_retry_however_many_they_are(
    good, failed
):
    counted = limits(budget=10)
    retry(counted, times=5)
    counted.settle(Settled(done=good, failed=failed))

    assert retry(counted, times=5) == ""
    assert retry(counted, times=1) == RETRY_BUDGET


async def test_an_answer_that_settles_nothing_earns_nothing():
    counted = limits(budget=10)
    retry(counted, times=5)
    counted.settle(Settled())

    assert retry(counted, times=5) == RETRY_BUDGET


async def test_good_answers_never_earn_more_than_the_whole_budget():
    counted = limits(budget=3)
    for _ in range(100):
        counted.settle(Settled(done=500))

    assert retry(counted, times=3) == RETRY_BUDGET


# --- refused rows ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "failed", "settled", "reached"),
    [
        (MaxFailed(0), 0, 10, False),
        (MaxFailed(0), 1, 1, True),
        (MaxFailed(5), 5, 5, False),
        (MaxFailed(5), 6, 9_000, True),
        (MaxFailed(0.1, is_share=True), 499, 499, False),
        (MaxFailed(0.1, is_share=True), 51, ENOUGH_ROWS, True),
        (MaxFailed(0.1, is_share=True), 50, ENOUGH_ROWS, False),
        (MaxFailed(0.1, is_share=True), 100, 1000, False),
        (MaxFailed(0.1, is_share=True), 101, 1000, True),
        (MaxFailed(0.0, is_share=True), 1, ENOUGH_ROWS, True),
        (MaxFailed(1.0, is_share=True), ENOUGH_ROWS, ENOUGH_ROWS, False),
    ],
)
def test_too_many_rows_are_more_than_the_number_or_the_share_of_enough(
    rule, failed, settled, reached
):
    assert rule.reached(failed=failed, settled=settled) is reached


async def test_refused_rows_add_up_over_answers_until_the_run_stops():
    counted = limits(max_failed=MaxFailed(5))
    counted.settle(Settled(done=100, failed=3))
    counted.settle(Settled(done=100, failed=2))
    before = counted.halt.reason
    counted.settle(Settled(failed=1))

    assert (before, counted.halt.reason) == ("", MAX_FAILED)


async def test_a_share_is_judged_by_what_this_invocation_settled():
    counted = limits(max_failed=MaxFailed(0.5, is_share=True))
    counted.settle(Settled(failed=ENOUGH_ROWS - 1))
    before = counted.halt.reason
    counted.settle(Settled(failed=1))

    assert (before, counted.halt.reason) == ("", MAX_FAILED)


async def test_only_a_refused_row_ever_stops_by_the_share():
    counted = limits(max_failed=MaxFailed(0.5, is_share=True))
    counted.settle(Settled(failed=ENOUGH_ROWS - 1))
    counted.settle(Settled(done=2))

    assert counted.halt.reason == ""


async def test_without_the_rule_any_number_of_rows_may_be_refused():
    counted = limits()
    counted.settle(Settled(failed=1_000_000))

    assert counted.halt.reason == ""


async def test_the_first_reason_to_stop_is_the_one_that_is_told():
    counted = limits(budget=1, max_failed=MaxFailed(0))
    counted.settle(Settled(failed=1))
    counted.retry()

    assert counted.halt.reason == MAX_FAILED
