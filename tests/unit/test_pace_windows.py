"""The pace against a gateway that counts: windows, refusals, limits that change.

A sample of ``python -m tests.pace_figures``; time is virtual, so it counts, and never
measures.
"""

import asyncio
from functools import cache

import anyio
import anyio.lowlevel
import pytest

from bulkbind.pace import MemoryLog, Pace, Rate
from tests.clock import run_virtually
from tests.pace_figures import (
    AFTER,
    DROP_S,
    GRACE_S,
    drop_cases,
    fullest,
    refused,
    released_most,
    send,
    steady_cases,
    used,
)

STEADY = [pytest.param(case, id=case.name) for case in steady_cases(share=0.1)]
DROPS = [pytest.param(case, id=case.name) for case in drop_cases(seconds=50.0)]

#: The same run serves every law that is checked on it.
sent = cache(send)


# --- a steady limit -------------------------------------------------------------------


@pytest.mark.parametrize("case", STEADY)
def test_no_window_of_releases_holds_more_than_the_limit(case):
    assert released_most(case, sent(case)) <= case.rate.limit


@pytest.mark.parametrize("case", STEADY)
def test_the_gateway_refuses_next_to_nothing_however_late_requests_arrive(case):
    trips = sent(case)
    delays = [trip.arrived_at - trip.left_at for trip in trips]

    assert max(delays) - min(delays) > 0.9 * case.jitter_s
    assert refused(trips) <= 0.005


@pytest.mark.parametrize("case", STEADY)
def test_nearly_all_of_the_limit_is_used(case):
    per_second = case.rate.per_second

    assert used(sent(case), per_second=per_second, since_s=0, to_s=case.seconds) >= 0.97


# --- a limit that drops without notice ------------------------------------------------


@pytest.mark.parametrize("case", DROPS)
def test_a_dropped_limit_is_found_and_kept_from_ten_seconds_on(case):
    trips = sent(case)

    assert any(trip.is_refused for trip in trips)
    assert refused(trips, since_s=DROP_S + GRACE_S) <= 0.02


@pytest.mark.parametrize("case", DROPS)
def test_most_of_a_dropped_limit_is_used(case):
    part = used(
        sent(case),
        per_second=AFTER.per_second,
        since_s=DROP_S + GRACE_S,
        to_s=case.seconds,
    )

    assert part >= 0.7


# --- a ceiling that is changed while requests wait ------------------------------------


def clock() -> float:
    return asyncio.get_running_loop().time()


def release_around(before: Rate, after: Rate, *, at: float, until: float):
    """Return releases around a change of the ceiling, in seconds since the beginning."""

    async def main() -> list[float]:
        began, slots = clock(), anyio.Semaphore(20)
        pace = Pace(before, log=MemoryLog(clock=clock), clock=clock)
        stamps: list[float] = []

        async def wait() -> None:
            while True:
                async with pace.turn(slots):
                    stamps.append(clock() - began)
                    await anyio.sleep(0.001)

        with anyio.move_on_after(until):
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(wait)
                await anyio.sleep(at)
                pace.set_rate(after)
        return stamps

    return run_virtually(main)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Rate(10_000, 1.0), Rate(5000, 1.0)),
        (Rate(10_000, 1.0), Rate(9000, 1.0)),
        (Rate(0, 1.0), Rate(5000, 1.0)),
        (Rate(10_000, 1.0), Rate(1000, 1.0)),
    ],
)
def test_no_window_that_ends_after_a_lower_ceiling_came_holds_more_than_it(
    before, after
):
    changed = 1.0 if before.limit else 0.5
    stamps = release_around(before, after, at=changed, until=changed + 2.2)
    late = [no for no, stamp in enumerate(stamps) if stamp > changed]
    late = [no for no in late if no >= after.limit]

    assert len(late) > after.limit / 2
    assert all(stamps[no] - stamps[no - after.limit] >= 1.0 for no in late)


def test_a_lower_ceiling_that_the_log_can_count_costs_no_pause():
    stamps = release_around(Rate(100, 1.0), Rate(90, 1.0), at=3.0, until=6.0)

    assert len([stamp for stamp in stamps if 3.0 < stamp < 3.5]) > 20
    assert len([stamp for stamp in stamps if stamp >= 4.0]) >= 0.95 * 2 * 90


@pytest.mark.parametrize("before", [Rate(1, 3600.0), Rate(2, 7200.0), Rate(50, 3600.0)])
def test_a_higher_ceiling_wakes_whoever_sleeps_by_the_old_one(before):
    stamps = release_around(before, Rate(10, 1.0), at=30.0, until=33.0)

    assert len([stamp for stamp in stamps if stamp < 30.0]) <= before.limit
    assert len([stamp for stamp in stamps if stamp >= 30.0]) >= 20
    assert fullest(stamps, window_s=1.0) <= 10


def test_a_lifted_ceiling_wakes_whoever_sleeps():
    stamps = release_around(Rate(1, 3600.0), Rate(0, 1.0), at=30.0, until=30.05)

    assert len(stamps) > 100


def test_a_higher_ceiling_ends_no_pause():
    async def main() -> float:
        slots = anyio.Semaphore(1)
        pace = Pace(Rate(1, 1.0), log=MemoryLog(clock=clock), clock=clock)
        began = clock()
        pace.pause(60.0)

        async def change() -> None:
            await anyio.sleep(10.0)
            pace.set_rate(Rate(100, 1.0))

        async with anyio.create_task_group() as group:
            group.start_soon(change)
            async with pace.turn(slots):
                pass
        return clock() - began

    assert run_virtually(main) >= 60.0


def test_a_new_ceiling_while_nobody_sleeps_disturbs_nobody():
    async def main() -> int:
        slots, taken = anyio.Semaphore(1), 0
        pace = Pace(Rate(0, 1.0), log=MemoryLog(clock=clock), clock=clock)
        for limit in (5, 0, 7, 0):
            async with pace.turn(slots):
                pace.set_rate(Rate(limit, 1.0))
                await anyio.lowlevel.checkpoint()
                taken += 1
        return taken

    assert run_virtually(main) == 4


def test_a_change_at_every_turn_leaks_no_slot_and_loses_no_turn():
    async def main() -> tuple[int, int]:
        slots, taken = anyio.Semaphore(3), 0
        pace = Pace(Rate(1, 1.0), log=MemoryLog(clock=clock), clock=clock)

        async def wait() -> None:
            nonlocal taken
            async with pace.turn(slots):
                taken += 1

        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(wait)
            for limit in range(1, 60):
                await anyio.sleep(0.05)
                pace.set_rate(Rate(limit, 1.0))
        return slots.value, taken

    assert run_virtually(main) == (3, 40)
