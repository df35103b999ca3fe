"""Every write, fsync, rename ... of a small job, as a place to die at or to fail.

    python -m tests.crash.syscalls                 a sample, as in the ring
    python -m tests.crash.syscalls --all           every call: killed there, failing there
    python -m tests.crash.syscalls --random 500    kill -9 at random instants
    python -m tests.crash.syscalls --at ledger-1/pwrite64/17/KILL     one of them again

An undisturbed run under strace tells which calls there are (``points``). Then, for each
of them, a run (``scene``) is killed at that call, or the call fails with ENOSPC or EIO;
the job is finished with ``bulkbind resume`` (``run``, where no run became visible), and
what there is in the end is compared with what the undisturbed run came to (``oracle``).
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, NamedTuple

from bulkbind.sandbox import SandboxOptions
from tests.crash.oracle import Expected, sent_by
from tests.crash.points import KILL, ByThread, Point, failures, kills, sample
from tests.crash.scene import Ended, Wrong, attached, scene

#: Points after which the command line says how far it is.
TELL_EVERY = 100


class Undisturbed(NamedTuple):
    """What a run comes to when nothing happens to it."""

    expected: Expected
    seconds: float


def undisturbed() -> Undisturbed:
    """Run the job from end to end."""
    with scene() as here:
        began = time.monotonic()
        ended = here.wait(here.start())
        seconds = time.monotonic() - began
        return Undisturbed(Expected(here, ended), seconds)


def listed(expected: Expected) -> ByThread:
    """List the calls of an undisturbed run; needs strace, and the right to trace."""
    with scene() as here:
        ended, calls = here.listed()
        expected.check(here, ended, kills=0)
        return calls


# --- what is done at a point ----------------------------------------------------------


def die_at(point: Point, *, expected: Expected) -> str:
    """Kill a run at a point and finish the job; say what came of it."""
    with scene() as here:
        ended = here.disturbed(point)
        was_killed = ended.code in {-signal.SIGKILL, 128 + signal.SIGKILL}
        expected.check(here, here.wait(here.start()), kills=1)
        repeats = max(expected.repeats(here).values(), default=0)
        return f"killed, repeats {repeats}" if was_killed else "not reached"


def fail_at(point: Point, *, expected: Expected) -> str:
    """Let a call fail, judge what the run says of it, and finish the job."""
    with scene() as here:
        ended = here.disturbed(point)
        _refuse_nonsense(ended)
        if ended.code == 2 and sent_by(here):
            message = f"exit 2, and something was sent: {ended.err}"
            raise Wrong(message)
        if ended.code not in {2, 3}:
            expected.check_told(here, ended)
        finished = here.wait(here.start())
        _refuse_nonsense(finished)
        expected.check(here, finished, kills=1)
        return f"exit {ended.code}"


def _refuse_nonsense(ended: Ended) -> None:
    said = ended.out + ended.err
    if "Traceback" in said or "fault of bulkbind's own" in said:
        message = f"exit {ended.code}: {said}"
        raise Wrong(message)
    if ended.code in {2, 3} and "bulkbind: " not in ended.err:
        message = f"exit {ended.code} without a word: {said}"
        raise Wrong(message)


def die_at_random(seed: int, *, expected: Expected, seconds: float) -> str:
    """Kill a run, and maybe its resume, at random instants; finish the job."""
    random = Random(f"instants {seed}")  # noqa: S311 - the same ones every time
    with scene(SandboxOptions(latency_s=0.01)) as here:
        kills = 0
        while not kills or (kills < 3 and random.random() < 0.5):
            process = here.start()
            time.sleep(random.random() * seconds)  # any moment will do
            process.kill()
            here.wait(process)
            kills += 1
        expected.check(here, here.wait(here.start()), kills=kills)
        return f"killed {kills} times"


# --- all of it ------------------------------------------------------------------------


@dataclass
class Found:
    """What came of many points."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        lines = [f"{sum(self.outcomes.values())} in {self.seconds:.0f} s"]
        lines += [f"  {n:5} {what}" for what, n in sorted(self.outcomes.items())]
        lines += [f"WRONG {point}" for point in self.wrong]
        return "\n".join(lines)


def each(todo: Sequence[Any], do: Callable[[Any], str], *, workers: int = 2) -> Found:
    """Do something at every point, side by side; tell and collect what goes wrong."""
    found = Found()
    began = time.monotonic()

    def one(point: Any) -> tuple[str, str, str]:
        try:
            return str(point), do(point), ""
        except Exception as error:  # noqa: BLE001 - told with its point
            return str(point), "WRONG", f"{type(error).__name__}: {error}"

    with ThreadPoolExecutor(workers) as pool:
        for point, outcome, why in pool.map(one, todo):
            found.outcomes[outcome] += 1
            if why:
                found.wrong[point] = why
                sys.stderr.write(f"WRONG {point}\n  {why}\n")
            if found.outcomes.total() % TELL_EVERY == 0:
                sys.stderr.write(f"... {point} was number {found.outcomes.total()}\n")
    found.seconds = time.monotonic() - began
    return found


def why_not() -> str:
    """Say why calls cannot be traced here; empty: they can."""
    if shutil.which("strace") is None:
        return "there is no strace (apt-get install strace)"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        try:
            with attached(["-qq", "-o", os.devnull, "-e", "trace=write"], other.pid):
                return ""
        except Wrong as error:
            return str(error)
        finally:
            other.kill()


def main(arguments: Sequence[str]) -> int:
    """Run the command line; see the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.syscalls")
    parser.add_argument("--all", action="store_true", help="every call")
    parser.add_argument("--each", type=int, default=1, help="calls of each kind (1)")
    parser.add_argument("--only", choices=["kill", "fail"], help="one half of it")
    parser.add_argument("--random", type=int, default=0, help="kills by the clock")
    parser.add_argument("--at", action="append", default=[], help="a point, again")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    given = parser.parse_args(arguments)
    wrong = 0
    for title, todo, do in _errands(given):
        found = each(todo, do, workers=given.workers)
        wrong += len(found.wrong)
        sys.stdout.write(f"{title}: {found}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


def _errands(
    given: argparse.Namespace,
) -> Iterator[tuple[str, Sequence[Any], Callable[[Any], str]]]:
    expected, seconds = undisturbed()
    die, fail = (partial(do, expected=expected) for do in (die_at, fail_at))
    if given.at:
        for text in given.at:
            point = Point.parsed(text)
            yield text, [point], die if point.injected == KILL else fail
        return
    if given.random:
        do = partial(die_at_random, expected=expected, seconds=seconds * 1.1)
        yield "kill -9 at random instants", range(given.random), do
        return
    calls = listed(expected)
    for name, found, do in (("kill", kills, die), ("fail", failures, fail)):
        points = found(calls)
        some = points if given.all else sample(points, each=given.each)
        if given.only in {None, name}:
            yield f"{name} at {len(some)} of {len(points)} calls", some, do


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
