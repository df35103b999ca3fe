"""A run may die, or its disk may fail, at any call: a sample of them all.

``python -m tests.crash.syscalls --all`` does every one; see there.
"""

from functools import partial

import pytest

from tests.crash.syscalls import (
    KILL,
    MAIN,
    Calls,
    Point,
    die_at,
    die_at_random,
    each,
    fail_at,
    why_not,
)

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]

#: Every so manieth point is in the ring.
KILLS_APART = 17
FAILURES_APART = 53
RANDOM_KILLS = 16


@pytest.fixture(scope="module")
def calls():
    """List the calls of an undisturbed run; needs strace, and the right to trace."""
    hindrance = why_not()
    if hindrance:
        pytest.skip(f"CRASH PROOF NOT RUN: {hindrance}")
    return Calls.listed()


def test_the_list_of_calls_has_what_matters(calls):
    points = {(point.thread.partition("-")[0], point.call) for point in calls.kills()}

    assert {
        (MAIN, "mkdir"),
        (MAIN, "write"),
        (MAIN, "pwrite64"),
        (MAIN, "fsync"),
        (MAIN, "fdatasync"),
        (MAIN, "unlink"),
        ("ledger", "pwrite64"),
        ("ledger", "fdatasync"),
        ("report", "write"),
    } <= points
    assert any(call.startswith("rename") for _, call in points)
    assert len(calls.kills()) > 300
    assert len(calls.failures()) > 600


def test_a_run_killed_at_any_call_is_resumed_to_the_same_end(calls):
    points = calls.kills()[::KILLS_APART]

    found = each(points, partial(die_at, expected=calls.expected))

    assert not found.wrong, found
    # a commit that two lanes shared makes the last calls of a thread fail to come
    assert found.outcomes["not reached"] < len(points) / 4


def test_a_run_killed_while_it_closes_the_ledger_can_be_read(calls):
    lines = calls.by_thread[MAIN, "unlink"]
    closing = [n for n, line in enumerate(lines, 1) if 'ledger.db-journal"' in line]
    points = [Point(MAIN, "unlink", number, KILL) for number in closing[-1:]]

    found = each(points, partial(die_at, expected=calls.expected))

    assert not found.wrong, found
    assert found.outcomes.total() == 1


def test_a_run_with_a_failing_disk_says_so_and_is_resumed_to_the_same_end(calls):
    points = calls.failures()[::FAILURES_APART]

    found = each(points, partial(fail_at, expected=calls.expected))

    assert not found.wrong, found
    assert found.outcomes["exit 2"]
    assert found.outcomes["exit 3"]


def test_a_run_killed_at_random_instants_is_resumed_to_the_same_end(calls):
    do = partial(die_at_random, expected=calls.expected, seconds=calls.seconds * 1.1)

    found = each(range(RANDOM_KILLS), do)

    assert not found.wrong, found
