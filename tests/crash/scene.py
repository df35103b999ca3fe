"""A small job in a place of its own, run by real processes, under strace or not.

strace counts the calls of every thread by itself, so that ``when=17`` with ``-f`` means
whichever thread is first to make its 17th; the ledger's thread would hide behind the
main one. So one thread is traced at a time, held at the gate until strace has it.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bulkbind.sandbox import SandboxOptions
from tests.crash.forked import PATIENCE_S, Command, Gate, Running
from tests.crash.points import CHANGES, FAILS, MAIN, ByThread, Point
from tests.factories import (
    PROJECT,
    Gateways,
    binding,
    gateways,
    runs_in,
    write_job,
    write_manifest,
)

#: Three targets on two gateways, nine batches of three; one API is not there, which
#: two targets want: the second refusal has the gateway's list of APIs read.
ROWS = [
    binding(no, gateway=gateway, plugin=plugin)
    for no in range(9)
    for gateway, plugin in ((0, "cors"), (0, "rate_limit"), (1, "cors"))
]
MISSING = 1
LANES = 2

JOB = """
[plan]
batch_size = 3
[report]
dir = "reports"
"""


class Ended(NamedTuple):
    """How a command ended; a killed one with -9."""

    code: int
    out: str
    err: str


class Wrong(AssertionError):
    """What there is in the end is not what an undisturbed run comes to."""


class Scene:
    """A job folder, a host folder, and gateways that outlive every command."""

    def __init__(self, folder: Path, served: Gateways, *, job: str = JOB) -> None:
        self.folder = folder
        self.served = served
        self.state = folder / "job" / ".bulkbind"
        self.published = folder / "job" / "reports"
        self._gate = folder / "gate"
        self._gate.mkdir()
        (folder / "job").mkdir()
        write_manifest(folder / "job" / "apis.csv", ROWS)
        write_job(folder / "job" / "job.toml", job)

    @property
    def runs(self) -> list[Path]:
        """Return the runs that can be seen, oldest first."""
        return [run for run in runs_in(self.state) if run.name[0] != "."]

    @property
    def next_command(self) -> list[str]:
        """What a person would type now: ``run``, or ``resume`` once there is a run."""
        reach = ["--endpoint", self.served.url, "--project-id", PROJECT]
        if self.runs:
            return ["resume", "latest", "--rate", "unlimited"]
        return ["run", "job.toml", *reach, "--rate", "unlimited"]

    def start(self, *, held: str = "") -> Running:
        """Start the next command, maybe with a thread held at the gate."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BULKBIND_", "HUAWEI", "HW_", "OS_", "XDG_"))
        }
        environ |= {
            "BULKBIND_TOKEN": "sandbox",
            "BULKBIND_HOST_DIR": str(self.folder / "host"),
            "HOME": str(self.folder),
        }
        for old in (*self._gate.iterdir(), self._said("out"), self._said("err")):
            old.unlink(missing_ok=True)
        return Command(
            arguments=self.next_command,
            folder=self.folder / "job",
            environ=environ,
            out=self._said("out"),
            err=self._said("err"),
            gate=Gate(folder=self._gate, wanted=held),
        ).start()

    def wait(self, process: Running) -> Ended:
        """Wait for a command to end.

        Raises:
            Wrong: It does not.
        """
        code = process.wait(PATIENCE_S)
        if code is None:
            process.kill()
            message = f"it hung: {self._said('err').read_text()}"
            raise Wrong(message)
        out, err = self._said("out"), self._said("err")
        texts = [path.read_text() if path.exists() else "" for path in (out, err)]
        return Ended(code, *texts)

    def _said(self, stream: str) -> Path:
        return self.folder / f"said.{stream}"

    # --- under strace ----------------------------------------------------------------

    def disturbed(self, point: Point) -> Ended:
        """Run the next command; at the point it is killed, or a call fails."""
        with self._traced(point.options, point.thread) as process:
            return self.wait(process)

    def listed(self) -> tuple[Ended, ByThread]:
        """Run the next command, and list its calls by thread and name."""
        out = self.folder / "calls"
        calls = ",".join(f"?{call}" for call in {*CHANGES, *FAILS})
        options = ["-f", "-y", "-qq", "-o", str(out), "-e", f"trace={calls}"]
        with self._traced(options, MAIN) as process:
            ended = self.wait(process)
        names = {p.suffix[1:]: p.stem for p in self._gate.glob("*.*[0-9]")}
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for line in out.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +(\w+)\((.*)", line)
            if match and str(self._gate) not in line:
                thread, call, rest = match.groups()
                found[names[thread], call].append(rest)
        return ended, found

    @contextmanager
    def _traced(self, options: Sequence[str], name: str) -> Iterator[Running]:
        """Start the next command with one of its threads traced."""
        process = self.start(held=name)
        try:
            thread = self._held(process, name)
            if thread:
                with attached(options, thread):
                    (self._gate / f"{name}.go").touch()
                    yield process
            else:
                yield process
        finally:
            process.kill()

    def _held(self, process: Running, name: str) -> int:
        """Wait until a thread is at the gate; return its id, 0: it never came."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = [p for p in self._gate.glob(f"{name}.*") if p.suffix != ".go"]
            if found:
                return int(found[0].suffix[1:])
            if process.code is not None:
                return 0
            time.sleep(0.001)
        message = f"{name} neither came nor did the command end"
        raise Wrong(message)


@contextmanager
def attached(options: Sequence[str], thread: int) -> Iterator[None]:
    """Have strace trace one thread of a process while the block runs.

    Raises:
        Wrong: It cannot.
    """
    with subprocess.Popen(
        ["strace", *options, "-p", str(thread)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as strace:
        try:
            status = Path(f"/proc/{thread}/status")
            while "TracerPid:\t0\n" in status.read_text():
                if strace.poll() is not None and strace.stderr:
                    message = strace.stderr.read().decode().strip()
                    raise Wrong(message)
                time.sleep(0.001)
            yield
        finally:
            strace.send_signal(signal.SIGTERM)


@contextmanager
def scene(options: SandboxOptions | None = None) -> Iterator[Scene]:
    """Set a scene, and clear it away."""
    with tempfile.TemporaryDirectory(prefix="bulkbind-crash-") as name:
        folder = Path(name)
        world = folder / "world.db"
        with gateways(world, ROWS, missing=MISSING, options=options) as served:
            yield Scene(folder, served)
