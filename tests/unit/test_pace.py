"""The pace: no window over the ceiling, nearly all of it used, first come first served.

Time is virtual: hours pass in milliseconds, and every law is checked on each release.
"""

import asyncio
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from bulkbind.host import RING, Ring
from bulkbind.pace import MemoryLog, Pace, Rate
from tests.clock import FakeClock, run_virtually

WAITERS = 20


def clock() -> float:
    return asyncio.get_running_loop().time()


def made_pace(rate: Rate, log=None) -> Pace:
    return Pace(rate, log=log or MemoryLog(clock=clock), clock=clock)


async def collect(
    pace: Pace, stamps: list[float], *, until: float, waiters: int = WAITERS
) -> None:
    """Let waiters take turn after turn, and note when each began."""
    slots = anyio.Semaphore(waiters)

    async def wait() -> None:
        while True:
            async with pace.turn(slots):
                stamps.append(clock())
                await anyio.lowlevel.checkpoint()

    with anyio.move_on_after(until - clock()):
        async with anyio.create_task_group() as group:
            for _ in range(waiters):
                group.start_soon(wait)


def releases(rate: Rate, *, seconds: float, log=None) -> list[float]:
    """Return when a pace released, as seconds since its beginning."""

    async def main() -> list[float]:
        began = clock()
        stamps: list[float] = []
        await collect(made_pace(rate, log), stamps, until=began + seconds)
        return [stamp - began for stamp in stamps]

    return run_virtually(main)


#: The same run serves every law that is checked on it.
steady = cache(releases)


def fullest(stamps: Sequence[float], *, window_s: float) -> int:
    """Return the most releases that any window of this length holds."""
    most = first = 0
    for last, stamp in enumerate(stamps):
        while stamp - stamps[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


RATES = [
    pytest.param(Rate(20, 1.0), 60.0, id="20/s"),
    pytest.param(Rate(100, 1.0), 20.0, id="100/s"),
    pytest.param(Rate(60, 60.0), 1800.0, id="60/min"),
    pytest.param(Rate(1, 1.0), 100.0, id="1/s"),
    pytest.param(Rate(1000, 1.0), 3.0, id="1000/s"),
    pytest.param(Rate(10_000, 1.0), 1.5, id="10000/s"),
]


@pytest.mark.parametrize(("rate", "seconds"), RATES)
def test_no_window_ever_holds_more_than_the_ceiling(rate, seconds):
    stamps = steady(rate, seconds=seconds)

    assert fullest(stamps, window_s=rate.window_s) <= rate.limit


@pytest.mark.parametrize(("rate", "seconds"), RATES)
def test_twenty_waiters_use_97_percent_of_the_ceiling(rate, seconds):
    stamps = steady(rate, seconds=seconds)

    assert len(stamps) >= 0.97 * rate.per_second * seconds


def test_the_first_second_keeps_the_ceiling_too():
    stamps = releases(Rate(20, 1.0), seconds=1.0)

    assert len(stamps) <= 20


def test_a_burst_is_smoothed_to_a_tenth_of_the_window():
    stamps = releases(Rate(100, 1.0), seconds=0.05)

    assert len(stamps) <= 10 + 5


@pytest.mark.parametrize("limit", [RING + 1, 10_000])
def test_a_rate_larger_than_the_log_remembers_is_split_into_smaller_windows(limit):
    pace = Pace(Rate(limit, 1.0), log=MemoryLog(clock=FakeClock()), clock=FakeClock())

    assert pace._limit <= RING


def test_an_unlimited_rate_waits_for_nothing():
    async def main() -> float:
        began = clock()
        pace, slots = made_pace(Rate(0, 1.0)), anyio.Semaphore(1)
        for _ in range(1000):
            async with pace.turn(slots):
                pass
        return clock() - began

    assert run_virtually(main) < 0.01


# --- a new rate -----------------------------------------------------------------------


def change_rate(before: Rate, after: Rate) -> tuple[list[float], float]:
    """Return releases around a change of rate, and when it was changed."""

    async def main() -> tuple[list[float], float]:
        pace, began = made_pace(before), clock()
        stamps: list[float] = []

        async def change() -> None:
            await anyio.sleep(3.0)
            pace.set_rate(after)

        async with anyio.create_task_group() as group:
            group.start_soon(change)
            await collect(pace, stamps, until=began + 6.0)
        return [stamp - began for stamp in stamps], 3.0

    return run_virtually(main)


def test_a_lower_rate_holds_for_every_window_that_ends_after_the_change():
    stamps, changed = change_rate(Rate(100, 1.0), Rate(20, 1.0))

    late = [k for k, stamp in enumerate(stamps) if stamp > changed]
    assert late
    assert all(stamps[k] - stamps[k - 20] >= 1.0 for k in late[1:])


def test_a_higher_rate_is_never_exceeded_either():
    stamps, changed = change_rate(Rate(20, 1.0), Rate(100, 1.0))

    assert fullest(stamps, window_s=1.0) <= 100
    assert sum(1 for stamp in stamps if stamp >= changed + 1) >= 0.95 * 2 * 100


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Rate(60, 60.0), Rate(1, 1.0)),
        (Rate(1005, 1.0), Rate(1000, 1.0)),
        (Rate(0, 1.0), Rate(10, 1.0)),
        (Rate(10, 1.0), Rate(0, 1.0)),
    ],
)
def test_a_new_ceiling_counts_however_near_it_is_to_the_old(before, after):
    now = FakeClock()
    pace = Pace(before, log=MemoryLog(clock=now), clock=now)
    pace.set_rate(after)

    assert pace.rate == after
    assert pace.ceiling == after


# --- what the gateway tells -----------------------------------------------------------


def throttled(pace: Pace, now: FakeClock, *, told=None) -> None:
    pace.throttled(left_at=now(), told=told, pause_s=1.0)


def test_a_limit_that_the_gateway_tells_becomes_the_ceiling():
    now = FakeClock()
    pace = Pace(Rate(200, 1.0), log=MemoryLog(clock=now), clock=now)
    throttled(pace, now, told=(100, 60.0))

    assert pace.rate == Rate(100, 60.0)
    assert pace.paused_s == 1.0


def test_a_limit_above_the_jobs_own_changes_nothing():
    now = FakeClock()
    pace = Pace(Rate(10, 1.0), log=MemoryLog(clock=now), clock=now)
    throttled(pace, now, told=(200, 1.0))

    assert pace.rate == Rate(10, 1.0)


def test_a_silent_refusal_cuts_below_what_was_accepted_lately():
    now = FakeClock()
    pace = Pace(Rate(100, 1.0), log=MemoryLog(clock=now), clock=now)
    for _ in range(80):
        pace.accepted()
    throttled(pace, now)

    assert pace.rate.per_second == pytest.approx(0.85 * 80)


def test_a_cut_rate_returns_to_the_ceiling_and_no_further():
    now = FakeClock()
    pace = Pace(Rate(100, 1.0), log=MemoryLog(clock=now), clock=now)
    throttled(pace, now)
    cut = pace.rate.per_second
    now.forward(10.0)
    pace._follow()
    middle = pace.rate.per_second
    now.forward(1000.0)
    pace._follow()

    assert cut < middle < 100
    assert pace.rate == Rate(100, 1.0)


def test_a_refusal_of_a_request_that_left_before_the_cut_says_nothing_new():
    now = FakeClock()
    pace = Pace(Rate(100, 1.0), log=MemoryLog(clock=now), clock=now)
    throttled(pace, now)
    cut = pace.rate
    throttled(pace, now)

    assert pace.rate == cut


# --- order, pauses, cancellation ------------------------------------------------------


def test_turns_are_given_first_come_first_served():
    async def main() -> list[int]:
        pace, slots, order = made_pace(Rate(5, 1.0)), anyio.Semaphore(3), []

        async def wait(number: int) -> None:
            async with pace.turn(slots):
                order.append(number)

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(wait, number)
        return order

    assert run_virtually(main) == list(range(50))


def test_a_pause_holds_everyone_back():
    async def main() -> list[float]:
        pace, began = made_pace(Rate(10, 1.0)), clock()
        stamps: list[float] = []
        pace.pause(5.0)
        await collect(pace, stamps, until=began + 6.0)
        return [stamp - began for stamp in stamps]

    assert run_virtually(main)[0] >= 5.0


def test_a_pause_that_begins_while_others_wait_holds_them_back():
    async def main() -> tuple[list[float], float]:
        pace, began = made_pace(Rate(10, 1.0)), clock()
        stamps: list[float] = []

        async def pause() -> None:
            await anyio.sleep(1.5)
            pace.pause(4.0)

        async with anyio.create_task_group() as group:
            group.start_soon(pause)
            await collect(pace, stamps, until=began + 8.0)
        return [stamp - began for stamp in stamps], 1.5

    stamps, paused = run_virtually(main)
    assert not [stamp for stamp in stamps if paused < stamp < paused + 4.0]
    assert [stamp for stamp in stamps if stamp >= paused + 4.0]


def test_a_shorter_pause_never_shortens_a_longer_one():
    now = FakeClock()
    pace = Pace(Rate(1, 1.0), log=MemoryLog(clock=now), clock=now)
    pace.pause(60.0)
    pace.pause(1.0)

    assert pace.paused_s == 60.0


def test_a_pause_is_over_when_its_time_has_passed():
    now = FakeClock()
    pace = Pace(Rate(1, 1.0), log=MemoryLog(clock=now), clock=now)
    pace.pause(2.0)
    now.forward(3.0)

    assert pace.paused_s == 0.0


def test_a_cancelled_waiter_takes_nothing_with_it():
    async def main() -> tuple[list[str], int, int]:
        log = MemoryLog(clock=clock)
        pace, slots, done = made_pace(Rate(1, 1.0), log), anyio.Semaphore(2), []
        scopes: dict[str, anyio.CancelScope] = {}

        async def wait(name: str) -> None:
            with anyio.CancelScope() as scopes[name]:
                async with pace.turn(slots):
                    done.append(name)

        async with anyio.create_task_group() as group:
            for name in ("first", "head", "queued", "last"):
                group.start_soon(wait, name)
            await anyio.sleep(0.5)
            scopes["queued"].cancel()
            scopes["head"].cancel()
        return done, slots.value, len(log._stamps)

    done, free, written = run_virtually(main)
    assert done == ["first", "last"]
    assert free == 2
    assert written == 2


@pytest.mark.parametrize("after", [0.0, 0.3, 0.99, 1.0, 1.01, 1.03, 2.5])
def test_slots_never_leak_whenever_the_waiters_are_cancelled(after):
    async def main() -> int:
        pace, slots = made_pace(Rate(3, 1.0)), anyio.Semaphore(4)

        async def wait() -> None:
            while True:
                async with pace.turn(slots):
                    await anyio.sleep(0.2)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(wait)
            await anyio.sleep(after)
            group.cancel_scope.cancel()
        return slots.value

    assert run_virtually(main) == 4


def test_a_request_that_fails_gives_its_slot_back():
    async def main() -> int:
        pace, slots = made_pace(Rate(3, 1.0)), anyio.Semaphore(1)
        with pytest.raises(ZeroDivisionError):
            async with pace.turn(slots):
                raise ZeroDivisionError
        return slots.value

    assert run_virtually(main) == 1


def test_an_account_that_waits_for_its_pace_keeps_no_slot_from_others():
    async def main() -> int:
        pace, slots = made_pace(Rate(1, 60.0)), anyio.Semaphore(1)

        async def wait() -> None:
            async with pace.turn(slots):
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            group.start_soon(wait)
            await anyio.sleep(30.0)
            free = slots.value
            group.cancel_scope.cancel()
        return free

    assert run_virtually(main) == 1


def test_no_more_turns_run_at_once_than_there_are_slots():
    async def main() -> int:
        pace, slots, running, most = made_pace(Rate(0, 1.0)), anyio.Semaphore(3), 0, 0

        async def work() -> None:
            nonlocal running, most
            async with pace.turn(slots):
                running += 1
                most = max(most, running)
                await anyio.sleep(1.0)
                running -= 1

        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(work)
        return most

    assert run_virtually(main) == 3


# --- shared between processes ---------------------------------------------------------


def test_two_paces_on_one_ring_keep_the_ceiling_together(tmp_path):
    rate = Rate(20, 1.0)

    async def main() -> list[float]:
        rings = [Ring(tmp_path / "ring", clock=clock) for _ in range(2)]
        stamps: list[float] = []
        async with anyio.create_task_group() as group:
            for ring in rings:
                pace = made_pace(rate, ring)

                async def run(pace: Pace = pace) -> None:
                    await collect(pace, stamps, until=1030.0, waiters=5)

                group.start_soon(run)
        for ring in rings:
            ring.close()
        return stamps

    stamps = run_virtually(main)
    assert fullest(stamps, window_s=1.0) <= 20
    assert len(stamps) >= 0.95 * 20 * 30


def test_a_resumed_run_counts_what_the_killed_one_released(tmp_path):
    rate = Rate(20, 1.0)

    async def main() -> list[float]:
        stamps: list[float] = []
        for until in (1000.7, 1003.0):
            ring = Ring(tmp_path / "ring", clock=clock)
            await collect(made_pace(rate, ring), stamps, until=until)
            ring.close()
        return stamps

    stamps = run_virtually(main)
    assert fullest(stamps, window_s=1.0) <= 20


# --- small things ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(10, 1.0), "10/s"),
        (Rate(60, 60.0), "60/min"),
        (Rate(5, 3600.0), "5/h"),
        (Rate(5, 2.0), "5/2s"),
        (Rate(0, 1.0), "unlimited"),
    ],
)
def test_a_rate_is_shown_as_people_write_it(rate, text):
    assert str(rate) == text


def test_a_rate_without_a_ceiling_is_infinite_per_second():
    assert Rate(0, 1.0).per_second == float("inf")


def test_the_memory_log_says_how_long_to_wait():
    now = FakeClock()
    log = MemoryLog(clock=now)
    log.release(limit=1, window_s=10.0)
    now.forward(4.0)

    assert log.release(limit=1, window_s=10.0) == pytest.approx(6.0)


def test_releases_of_one_waiter_are_spread_over_the_window():
    stamps = releases(Rate(10, 1.0), seconds=10.0)

    gaps = [later - earlier for earlier, later in pairwise(stamps[20:])]
    assert max(gaps) < 0.25
