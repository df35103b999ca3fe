"""Every write, fsync, rename ... of a small job, as a place to die at or to fail.

    python -m tests.crash.syscalls                 a sample, as in the ring
    python -m tests.crash.syscalls --all           every call: killed there, failing there
    python -m tests.crash.syscalls --random 500    kill -9 at random instants
    python -m tests.crash.syscalls --at ledger-1/pwrite64/17/KILL     one of them again

An undisturbed run under strace tells which calls there are. Then, for each of them, a
run is killed at that call (or the call fails with ENOSPC or EIO), the job is finished
with ``bulkbind resume`` (``run``, where no run became visible), and what there is in
the end is compared with what the undisturbed run came to.

strace counts the calls of every thread by itself, so that ``when=17`` with ``-f`` means
whichever thread is first to make its 17th; the ledger's thread would hide behind the
main one. So one thread is traced at a time: the main one by starting the programme
under strace, another by holding it at its start until strace is attached to it (see
``GATE``; nothing of bulkbind is changed by it).
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    PROJECT,
    Gateways,
    binding,
    gateways,
    lasting,
    read_csv,
    runs_in,
    write_job,
    write_manifest,
)

MAIN = "main"
KILL = "KILL"

#: Calls that change what is on the disk; killed at each. ``sendto`` is a request that
#: leaves, or a thread that wakes the event loop.
CHANGES = (
    *("write", "writev", "pwrite64", "pwritev", "sendfile", "copy_file_range"),
    *("fsync", "fdatasync", "sync_file_range", "ftruncate", "fallocate"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "chmod", "fchmod", "fchmodat"),
    "sendto",
)

#: What each call can fail with on a full or a failing disk.
FAILS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("write", "pwrite64", "openat"), ("ENOSPC", "EIO")),
    **dict.fromkeys(("fsync", "fdatasync"), ("EIO", "ENOSPC")),
    **dict.fromkeys(("mkdir", "mkdirat", "ftruncate", "rename", "renameat"), ("EIO",)),
    **dict.fromkeys(("unlink", "unlinkat", "chmod", "fchmodat"), ("EIO",)),
}

#: Three targets on two gateways, nine batches of three; one API is not there, which
#: two targets want: the second refusal has the gateway's list of APIs read.
ROWS = [
    binding(no, gateway=gateway, plugin=plugin)
    for no in range(9)
    for gateway, plugin in ((0, "cors"), (0, "rate_limit"), (1, "cors"))
]
MISSING = 1

#: An open of a file of the job, not of Python's; ``-y`` shows the current folder, too.
_OF_THE_JOB = re.compile(r'[^"]*"(?:(?!/)|[^"]*bulkbind-crash-)')

#: The checkout that this file is of.
_ROOT = Path(__file__).parents[2]

#: Seconds that a command may take before it counts as hung.
PATIENCE_S = 60.0

#: Python runs it at its start: a thread with the wanted number says who it is, and
#: waits until it is traced.
GATE = """
import itertools, os, threading, time

folder, wanted = os.environ.get("GATE"), os.environ.get("GATE_THREAD", "")
numbers = itertools.count(1)
start, run = threading.Thread.start, threading.Thread.run

def numbered(self):
    self.gate = f"{self.name.partition('_')[0]}-{next(numbers)}"
    start(self)

def gated(self):
    path = f"{folder}/{self.gate}"
    if not wanted or self.gate == wanted:
        os.close(os.open(f"{path}.{threading.get_native_id()}", os.O_CREAT))
    while wanted == self.gate and not os.path.exists(f"{path}.go"):
        time.sleep(0.001)
    run(self)

if folder:
    threading.Thread.start, threading.Thread.run = numbered, gated
"""


class Point(NamedTuple):
    """One call of one thread, and what happens there."""

    thread: str
    """``main``, or the thread's name and its number by start."""
    call: str
    number: int
    injected: str
    """``KILL``, or the error the call fails with."""

    def __str__(self) -> str:
        return "/".join(map(str, self))

    @property
    def options(self) -> list[str]:
        """What strace is told."""
        what = "signal" if self.injected == KILL else "error"
        inject = f"inject={self.call}:{what}={self.injected}:when={self.number}"
        return ["-qq", "-o", os.devnull, "-e", f"trace={self.call}", "-e", inject]


class Ended(NamedTuple):
    """How a command ended; a killed one with -9."""

    code: int
    out: str
    err: str


class Wrong(AssertionError):
    """What there is in the end is not what an undisturbed run comes to."""


# --- one job in a place of its own ----------------------------------------------------


class Scene:
    """A job folder, a host folder, and gateways that outlive every command."""

    def __init__(self, folder: Path, served: Gateways) -> None:
        self.folder = folder
        self.served = served
        self.state = folder / "job" / ".bulkbind"
        self._gate = folder / "gate"
        self._gate.mkdir()
        (self._gate / "sitecustomize.py").write_text(GATE)
        job = folder / "job"
        job.mkdir()
        write_manifest(job / "apis.csv", ROWS)
        write_job(job / "job.toml", "[plan]\nbatch_size = 3\n")

    @property
    def next_command(self) -> list[str]:
        """What a person would type now: ``run``, or ``resume`` once there is a run."""
        reach = ["--endpoint", self.served.url, "--project-id", PROJECT]
        if [run for run in runs_in(self.state) if run.name[0] != "."]:
            return ["resume", "latest", "--rate", "unlimited"]
        return ["run", "job.toml", *reach, "--rate", "unlimited"]

    def start(self, *prefix: str, gate: str | None = None) -> "subprocess.Popen[bytes]":
        """Start the next command, maybe under strace, maybe with a thread held."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BULKBIND_", "HUAWEI", "HW_", "OS_", "XDG_"))
        }
        environ |= {
            "BULKBIND_TOKEN": "sandbox",
            "BULKBIND_HOST_DIR": str(self.folder / "host"),
            "HOME": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([str(self._gate), str(_ROOT)]),
        }
        if gate is not None:
            environ |= {"GATE": str(self._gate), "GATE_THREAD": gate}
        with self._said("out").open("wb") as out, self._said("err").open("wb") as err:
            return subprocess.Popen(
                [*prefix, sys.executable, "-m", "bulkbind", *self.next_command],
                cwd=self.folder / "job",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environ,
            )

    def wait(self, process: "subprocess.Popen[bytes]") -> Ended:
        """Wait for a command to end.

        Raises:
            Wrong: It does not.
        """
        try:
            code = process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            message = f"it hung: {self._said('err').read_text()}"
            raise Wrong(message) from None
        out, err = self._said("out").read_text(), self._said("err").read_text()
        return Ended(code, out, err)

    def _said(self, stream: str) -> Path:
        return self.folder / f"said.{stream}"

    # --- under strace ----------------------------------------------------------------

    def disturbed(self, point: Point) -> Ended:
        """Run the next command; at the point it is killed, or a call fails."""
        if point.thread == MAIN:
            return self.wait(self.start("strace", *point.options))
        process = self.start(gate=point.thread)
        try:
            thread = self._held(process, point.thread)
            if thread:
                with self._attached(point, thread):
                    (self._gate / f"{point.thread}.go").touch()
                    return self.wait(process)
            return self.wait(process)
        finally:
            process.kill()
            process.wait()

    def _held(self, process: "subprocess.Popen[bytes]", name: str) -> int:
        """Wait until a thread is at the gate; return its id, 0: it never came."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = [p for p in self._gate.glob(f"{name}.*") if p.suffix != ".go"]
            if found:
                return int(found[0].suffix[1:])
            if process.poll() is not None:
                return 0
            time.sleep(0.001)
        message = f"{name} neither came nor did the command end"
        raise Wrong(message)

    @contextmanager
    def _attached(self, point: Point, thread: int) -> Iterator[None]:
        """Trace one thread of a process while the block runs."""
        with subprocess.Popen(
            ["strace", *point.options, "-p", str(thread)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as strace:
            try:
                status = Path(f"/proc/{thread}/status")
                while "TracerPid:\t0\n" in status.read_text():
                    if strace.poll() is not None and strace.stderr:
                        message = f"strace: {strace.stderr.read().decode()}"
                        raise Wrong(message)
                    time.sleep(0.001)
                yield
            finally:
                strace.send_signal(signal.SIGTERM)

    def listed(self) -> tuple[Ended, dict[tuple[str, str], list[str]]]:
        """Run the next command, and list its calls by thread and name."""
        out = self.folder / "calls"
        calls = ",".join(f"?{call}" for call in {*CHANGES, *FAILS})
        options = ("-f", "-y", "-qq", "-o", str(out), "-e", f"trace={calls}")
        ended = self.wait(self.start("strace", *options, gate=""))
        names = {p.suffix[1:]: p.stem for p in self._gate.glob("*.*[0-9]")}
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for line in out.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +(\w+)\((.*)", line)
            if match and str(self._gate) not in line:
                thread, call, rest = match.groups()
                found[names.get(thread, MAIN), call].append(rest)
        return ended, found


@contextmanager
def scene(options: SandboxOptions | None = None) -> Iterator[Scene]:
    """Set a scene, and clear it away."""
    with tempfile.TemporaryDirectory(prefix="bulkbind-crash-") as name:
        folder = Path(name)
        world = folder / "world.db"
        with gateways(world, ROWS, missing=MISSING, options=options) as served:
            yield Scene(folder, served)


# --- what is right --------------------------------------------------------------------


class Expected:
    """What an undisturbed run comes to; everything else is compared with it."""

    def __init__(self, scene: Scene, ended: Ended) -> None:
        self.code = ended.code
        self.world = scene.served.bound
        self.report = _report(scene)
        self.sent = _sent(scene)
        if (self.code, len(self.report)) != (1, len(ROWS)):
            message = f"the undisturbed run went wrong: {ended}"
            raise Wrong(message)

    def check(self, scene: Scene, ended: Ended, *, kills: int) -> None:
        """Compare the end of a disturbed job with the undisturbed one.

        Raises:
            Wrong: A row is lost, doubled or told wrongly, or too much was sent.
        """
        self.check_told(scene, ended)
        repeats = self.repeats(scene)
        if max(repeats.values(), default=0) > kills:
            message = f"after {kills} kills, repeated by lane: {dict(repeats)}"
            raise Wrong(message)

    def check_told(self, scene: Scene, ended: Ended) -> None:
        """See that a finished job tells the truth, and all of it."""
        runs = [run.name for run in runs_in(scene.state) if run.name[0] != "."]
        # a resume that finds nothing to do exits 0, whatever became of the rows
        code = 0 if "nothing is left to do" in ended.err else self.code
        claims: dict[str, tuple[Any, Any]] = {
            "exit code": (ended.code, code),
            "runs": (len(runs), 1),
            "world": (scene.served.bound, self.world),
            "report": (_report(scene), self.report),
            "sums": (_false_sums(scene), []),
            "overlaps": (scene.served.sandbox.counters.overlaps, 0),
        }
        for name, (found, wanted) in claims.items():
            if found != wanted:
                message = f"{name}: {_difference(found, wanted)}\n{ended.err}"
                raise Wrong(message)

    def repeats(self, scene: Scene) -> Counter[str]:
        """Count the attaches beyond those of the undisturbed run, by gateway."""
        more = _sent(scene) - self.sent
        repeats: Counter[str] = Counter()
        for (gateway, _), count in more.items():
            repeats[gateway] += count
        return repeats


def _report(scene: Scene) -> list[dict[str, str]]:
    """Read the newest report, without what differs from run to run."""
    runs = [run for run in runs_in(scene.state) if run.name[0] != "."]
    path = runs[-1] / "report.csv" if runs else Path()
    return lasting(read_csv(path)) if path.is_file() else []


def _sent(scene: Scene) -> Counter[tuple[str, tuple[str, ...]]]:
    journal = scene.served.journal
    return Counter((entry.path["instance_id"], tuple(entry.ids)) for entry in journal)


def _false_sums(scene: Scene) -> list[str]:
    """Return the files that are not what ``SHA256SUMS`` says."""
    run = max(run for run in runs_in(scene.state) if run.name[0] != ".")
    false: list[str] = []
    if not (run / "SHA256SUMS").is_file():
        return ["SHA256SUMS"]
    for line in (run / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        if sha256((run / name).read_bytes()).hexdigest() != digest:
            false.append(name)
    return false


def _difference(found: object, wanted: object) -> str:
    if isinstance(found, list) and isinstance(wanted, list) and found and wanted:
        for one, other in zip(found, wanted, strict=False):
            if one != other:
                return f"{one}\n   not {other}"
    return f"{found!r}, not {wanted!r}"


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
        if ended.code == 2 and _sent(here):
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
        lines += [f"WRONG {point}\n  {why}" for point, why in self.wrong.items()]
        return "\n".join(lines)


class Calls(NamedTuple):
    """The calls of an undisturbed run, and what it came to."""

    by_thread: Mapping[tuple[str, str], Sequence[str]]
    expected: Expected
    seconds: float

    @classmethod
    def listed(cls) -> "Calls":
        """List them."""
        with scene() as here:
            began = time.monotonic()
            ended = here.wait(here.start())
            seconds = time.monotonic() - began
            expected = Expected(here, ended)
        with scene() as here:
            ended, by_thread = here.listed()
            expected.check(here, ended, kills=0)
        return cls(by_thread, expected, seconds)

    def kills(self) -> list[Point]:
        """Return every call that changes something."""
        return [
            Point(thread, call, number, KILL)
            for (thread, call), lines in sorted(self.by_thread.items())
            if call in CHANGES
            for number in range(1, len(lines) + 1)
        ]

    def failures(self) -> list[Point]:
        """Return every call that a bad disk lets fail, with each way to fail."""
        return [
            Point(thread, call, number, error)
            for (thread, call), lines in sorted(self.by_thread.items())
            for number, line in enumerate(lines, start=1)
            if call != "openat" or _OF_THE_JOB.match(line)
            for error in FAILS.get(call, ())
        ]


def each(todo: Sequence[Any], do: Callable[[Any], str], *, workers: int = 2) -> Found:
    """Do something at every point, side by side; collect what goes wrong."""
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
    found.seconds = time.monotonic() - began
    return found


def why_not() -> str:
    """Say why calls cannot be traced here; empty: they can."""
    if shutil.which("strace") is None:
        return "there is no strace (apt-get install strace)"
    tried = subprocess.run(
        ["strace", "-qq", "-o", os.devnull, "-e", "trace=write", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"strace cannot trace here: {tried.stderr}" if tried.returncode else ""


def main(arguments: Sequence[str]) -> int:
    """Run the command line; see the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.syscalls")
    parser.add_argument("--all", action="store_true", help="every call")
    parser.add_argument("--every", type=int, default=25, help="every n-th (25)")
    parser.add_argument("--only", choices=["kill", "fail"], help="one half of it")
    parser.add_argument("--random", type=int, default=0, help="kills by the clock")
    parser.add_argument("--at", action="append", default=[], help="a point, again")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    given = parser.parse_args(arguments)
    step = 1 if given.all else given.every
    calls = Calls.listed()
    wrong = 0
    for title, todo, do in _errands(calls, given, step):
        found = each(todo, do, workers=given.workers)
        wrong += len(found.wrong)
        sys.stdout.write(f"{title}: {found}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


def _errands(
    calls: Calls, given: argparse.Namespace, step: int
) -> Iterator[tuple[str, Sequence[Any], Callable[[Any], str]]]:
    die = partial(die_at, expected=calls.expected)
    fail = partial(fail_at, expected=calls.expected)
    if given.at:
        for text in given.at:
            thread, call, number, injected = text.split("/")
            point = Point(thread, call, int(number), injected)
            yield text, [point], die if injected == KILL else fail
        return
    if given.random:
        do = partial(
            die_at_random, expected=calls.expected, seconds=calls.seconds * 1.1
        )
        yield "kill -9 at random instants", range(given.random), do
        return
    if given.only != "fail":
        points = calls.kills()
        yield f"kill -9 at {len(points)} calls", points[::step], die
    if given.only != "kill":
        points = calls.failures()
        yield f"{len(points)} failures of calls", points[::step], fail


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
