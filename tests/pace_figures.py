"""What the pace promises, counted: windows, ceiling used, refusals, a limit that drops.

``python -m tests.pace_figures`` prints the tables. Time is virtual and chance seeded: a
client with the real pace sends to the sandbox's own gateway, whose front counts a
sliding window by arrivals; every request is late by some jitter, and holds a slot.
The same seed prints the same tables.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Literal, NamedTuple

import anyio

from bulkbind.model import Reply
from bulkbind.pace import MemoryLog, Pace, Rate
from bulkbind.retry import (
    RetryPolicy,
    backoff,
    read_limit,
    read_retry_after,
)
from bulkbind.sandbox import (
    Answer,
    Ceiling,
    MemoryWorld,
    Request,
    SandboxOptions,
    Service,
    Weather,
)
from tests.clock import run_virtually

#: 24 November 2026, so that HTTP dates are whole dates.
EPOCH_S = 1_795_492_800.0

#: A page of a gateway's APIs: what a throttled client may ask as often as it likes.
ASKED = Request("GET", f"/v2/{'0' * 32}/apigw/instances/{'1' * 32}/apis")

RetryAfter = Literal["none", "seconds", "date"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A gateway, a client's ceiling, and how long it sends."""

    name: str
    rate: Rate
    """The client's ceiling, and the gateway's limit at first."""
    seconds: float
    slots: int = 8
    latency_s: float = 0.03
    """From release to answer, without jitter; half of it to the gateway."""
    jitter_s: float = 0.015
    """A request arrives late by up to so much."""
    weather: Weather = field(default_factory=Weather)
    seed: int = 0


class Trip(NamedTuple):
    """One request, in seconds since the beginning."""

    left_at: float
    arrived_at: float
    is_refused: bool


async def _send(case: Case) -> list[Trip]:
    """Let lanes send for some time, each one request after the other."""
    clock = asyncio.get_running_loop().time
    client = _Client(case, clock)
    with anyio.move_on_after(case.seconds):
        async with anyio.create_task_group() as group:
            for _ in range(2 * case.slots):
                group.start_soon(client.work)
    return client.trips


class _Client:
    def __init__(self, case: Case, clock: Callable[[], float]) -> None:
        self.trips: list[Trip] = []
        self._case = case
        self._clock = clock
        self._began = clock()
        self._chance = Random(str(case.seed))  # noqa: S311 - seeded
        self._slots = anyio.Semaphore(case.slots)
        self._pace = Pace(case.rate, log=MemoryLog(clock=clock), clock=clock)
        options = SandboxOptions(
            rate=(case.rate.limit, case.rate.window_s), weather=case.weather
        )
        self._service = Service(MemoryWorld(), options=options, started=clock())

    async def work(self) -> None:
        """Send request after request; a refused one is sent again."""
        refused = 0
        while True:
            async with self._pace.turn(self._slots):
                left_at = self._clock()
                reply = await self._travel(left_at)
            refused = refused + 1 if reply.status == 429 else 0
            if not refused:
                self._pace.accepted()
            else:
                self._throttle(reply, left_at=left_at, times=refused)

    async def _travel(self, left_at: float) -> Reply:
        """Go to the gateway and back."""
        late_s = self._case.jitter_s * self._chance.random()
        await anyio.sleep(self._case.latency_s / 2 + late_s)
        now = self._clock()
        now_ns = int((EPOCH_S + now - self._began) * 1e9)
        visit = self._service.enter(ASKED, now=now, now_ns=now_ns)
        self._service.leave(visit, None)
        trip = Trip(left_at - self._began, now - self._began, bool(visit.refusal))
        self.trips.append(trip)
        await anyio.sleep(self._case.latency_s / 2)
        return _read(visit.refusal)

    def _throttle(self, reply: Reply, *, left_at: float, times: int) -> None:
        """Do as a lane does: ``run.waiting.Waiting.throttled``."""
        now = EPOCH_S + self._clock() - self._began
        asked = read_retry_after(reply.retry_after, now=now)
        if asked is None:
            chance = self._chance.random()
            asked = backoff(times, policy=RetryPolicy(), chance=chance)
        self._pace.throttled(
            left_at=left_at, told=read_limit(reply.message), pause_s=asked
        )


def _read(refusal: Answer | None) -> Reply:
    if refusal is None:
        return Reply(200)
    body = refusal.body or {}
    return Reply(
        refusal.status,
        code=body["error_code"],
        message=body["error_msg"],
        retry_after=refusal.headers.get("Retry-After", ""),
    )


def send(case: Case) -> list[Trip]:
    """Return every request of a case, in the order they arrived."""
    return run_virtually(lambda: _send(case))


# --- what is counted ------------------------------------------------------------------


def fullest(stamps: Sequence[float], *, window_s: float) -> int:
    """Return the most stamps that any window of this length holds."""
    most = first = 0
    ordered = sorted(stamps)
    for last, stamp in enumerate(ordered):
        while stamp - ordered[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def released_most(case: Case, trips: Sequence[Trip]) -> int:
    """Return the most releases in any window of the case's rate."""
    return fullest([trip.left_at for trip in trips], window_s=case.rate.window_s)


def used(
    trips: Sequence[Trip], *, per_second: float, since_s: float, to_s: float
) -> float:
    """Return which share of a limit was made use of, by accepted requests."""
    accepted = sum(since_s <= t.arrived_at < to_s and not t.is_refused for t in trips)
    return accepted / (per_second * (to_s - since_s))


def refused(trips: Sequence[Trip], *, since_s: float = 0.0) -> float:
    """Return the share of requests that were refused as too fast."""
    counted = Counter(trip.is_refused for trip in trips if trip.arrived_at >= since_s)
    return counted[True] / max(1, counted.total())


# --- the cases ------------------------------------------------------------------------

#: Rate, seconds that the whole table sends for, and slots that its latency needs.
STEADY = (
    (Rate(20, 1.0), 600.0, 8),
    (Rate(100, 1.0), 300.0, 16),
    (Rate(60, 60.0), 7200.0, 8),
    (Rate(1000, 1.0), 60.0, 96),
)

#: When the hidden limit drops, from what, to what.
DROP_S = 20.0
BEFORE = Rate(100, 1.0)
AFTER = Rate(33, 1.0)
#: Time that the pace has to find the new limit.
GRACE_S = 10.0


def steady_cases(*, share: float = 1.0, seed: int = 0) -> Iterator[Case]:
    """Yield a case for each rate; a share of the whole table's seconds."""
    for rate, seconds, slots in STEADY:
        yield Case(
            name=str(rate), rate=rate, seconds=share * seconds, slots=slots, seed=seed
        )


def drop_cases(*, seconds: float = 200.0, seed: int = 0) -> Iterator[Case]:
    """Yield a case for each way in which a gateway may tell, or not, that it is slower."""
    ways: tuple[RetryAfter, ...] = ("none", "seconds", "date")
    for is_told, retry_after in product((False, True), ways):
        yield Case(
            name=f"{'limit told' if is_told else 'silent'}, Retry-After {retry_after}",
            rate=BEFORE,
            seconds=seconds,
            slots=16,
            weather=Weather(
                ceilings=(Ceiling(AFTER.limit, AFTER.window_s, DROP_S, is_told),),
                retry_after=retry_after,
            ),
            seed=seed,
        )


def beyond_cases(*, seed: int = 0) -> Iterator[Case]:
    """Yield cases that nothing is promised for: how it then goes, for people to see."""
    rate = Rate(20, 1.0)
    for jitter_s in (0.03, 0.05):
        name = f"{rate}, arrivals {jitter_s * 1000:.0f} ms apart"
        yield Case(name=name, rate=rate, seconds=300.0, jitter_s=jitter_s, seed=seed)
    for is_told in (False, True):
        weather = Weather(ceilings=(Ceiling(60, 60.0, DROP_S, is_told),))
        name = f"10/s drops to 60/min, {'told' if is_told else 'silent'}"
        rate = Rate(10, 1.0)
        yield Case(name=name, rate=rate, seconds=1800.0, weather=weather, seed=seed)


# --- the tables -----------------------------------------------------------------------


def say(line: str) -> None:
    """Print a line at once, so that who waits sees it grow."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _print_steady(*, share: float, seeds: int) -> bool:
    is_right = True
    say("rate       requests  fullest window  ceiling used  refused")
    for seed in range(seeds):
        for case in steady_cases(share=share, seed=seed):
            trips = send(case)
            most = released_most(case, trips)
            part = used(
                trips, per_second=case.rate.per_second, since_s=0, to_s=case.seconds
            )
            lost = refused(trips)
            is_right &= most <= case.rate.limit and part >= 0.97 and lost <= 0.005
            say(
                f"{case.name:9} {len(trips):9}  {most:7} of {case.rate.limit:<4}"
                f" {part:12.1%} {lost:9.3%}"
            )
    return is_right


def _print_drop(*, seconds: float, seeds: int) -> bool:
    is_right = True
    say(f"\n{BEFORE} drops to {AFTER}      refused from +10 s    used")
    for cases in zip(
        *(drop_cases(seconds=seconds, seed=seed) for seed in range(seeds)), strict=True
    ):
        lost, part = [], []
        since_s = DROP_S + GRACE_S
        for case in cases:
            trips = send(case)
            lost.append(refused(trips, since_s=since_s))
            part.append(
                used(trips, per_second=AFTER.per_second, since_s=since_s, to_s=seconds)
            )
        is_right &= max(lost) <= 0.02
        say(f"{cases[0].name:31} {max(lost):8.2%} {min(part):14.1%}")
    return is_right


def _print_beyond() -> None:
    say("\nnothing promised               refused   requests")
    for case in beyond_cases():
        trips = send(case)
        say(f"{case.name:28} {refused(trips, since_s=GRACE_S):9.2%} {len(trips):10}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1: a figure is not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.pace_figures")
    parser.add_argument("--share", type=float, default=1.0, help="of the time sent")
    parser.add_argument("--seconds", type=float, default=200.0, help="of each drop")
    parser.add_argument("--seeds", type=int, default=3)
    wanted = parser.parse_args(arguments)
    began = time.monotonic()
    is_right = _print_steady(share=wanted.share, seeds=wanted.seeds)
    is_right &= _print_drop(seconds=wanted.seconds, seeds=wanted.seeds)
    _print_beyond()
    words = "as promised" if is_right else "NOT AS PROMISED"
    say(f"\n{words}, in {time.monotonic() - began:.0f} s")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
