"""A run may die, or its disk may fail, at any call: some of each kind of call.

``python -m tests.crash.syscalls --all`` does every one; see there.
"""

from functools import partial

import pytest

from tests.crash.points import KILL, MAIN, NOT_RUN, Point, failures, kills, sample
from tests.crash.syscalls import (
    die_at,
    die_at_random,
    each,
    fail_at,
    listed,
    undisturbed,
    why_not,
)

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]

RANDOM_KILLS = 6


@pytest.fixture(scope="module")
def quiet():
    """Run the job undisturbed."""
    return undisturbed()


@pytest.fixture(scope="module")
def calls(quiet):
    """List the calls of an undisturbed run; needs strace, and the right to trace."""
    hindrance = why_not()
    if hindrance:
        pytest.skip(f"{NOT_RUN}: {hindrance}")
    return listed(quiet.expected)


def test_the_list_of_calls_has_what_matters(calls):
    points = kills(calls)
    kinds = {point.kind for point in points}

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
    } <= kinds
    assert any(call.startswith("rename") for _, call in kinds)
    assert len(points) > 300
    assert len(failures(calls)) > 600


def test_a_run_killed_at_any_kind_of_call_is_resumed_to_the_same_end(quiet, calls):
    points = sample(kills(calls), each=1)

    found = each(points, partial(die_at, expected=quiet.expected))

    assert not found.wrong, found.wrong
    # a commit that two lanes shared makes the last calls of a thread fail to come
    assert found.outcomes["not reached"] < len(points) / 4


def test_a_run_killed_while_it_closes_the_ledger_can_be_read(quiet, calls):
    lines = calls[MAIN, "unlink"]
    closing = [n for n, line in enumerate(lines, 1) if 'ledger.db-journal"' in line]

    outcome = die_at(Point(MAIN, "unlink", closing[-1], KILL), expected=quiet.expected)

    assert outcome.startswith("killed")


def test_a_run_with_a_failing_disk_says_so_and_is_resumed_to_the_same_end(quiet, calls):
    points = sample(failures(calls), each=1)
    points += sample((p for p in failures(calls) if p.injected[-1] == "+"), each=1)

    found = each(points, partial(fail_at, expected=quiet.expected))

    assert not found.wrong, found.wrong
    assert found.outcomes["exit 2"]
    assert found.outcomes["exit 3"]


def test_a_run_killed_at_random_instants_is_resumed_to_the_same_end(quiet):
    do = partial(die_at_random, expected=quiet.expected, seconds=quiet.seconds * 1.1)

    found = each(range(RANDOM_KILLS), do)

    assert not found.wrong, found.wrong
