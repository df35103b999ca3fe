"""Manifests, gateways and command lines for the rings that run the whole programme."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from itertools import groupby
from pathlib import Path
from random import Random
from threading import Event
from typing import Any, NamedTuple, Self, TypeVar

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bulkbind.cli.main import run as run_command_line
from bulkbind.model import Row
from bulkbind.sandbox import Clock, Entry, Sandbox, SandboxOptions, fill, oracle

T = TypeVar("T")

RELEASE = "DEFAULT_ENVIRONMENT_RELEASE_ID"
PROJECT = "0" * 31 + "1"
HEADER = ("instance_id", "plugin_id", "plugin_type", "env_id", "api_id", "owner")

#: Columns of a report that differ from run to run.
VARYING = frozenset(
    {"attached_time", "plugin_attach_id", "attempts", "request_id", "finished_at"}
)

#: Seconds that anything awaited may take before a test gives up on it.
PATIENCE_S = 30.0


def hex_id(*words: object) -> str:
    """Make an id as the gateway makes them: 32 hex digits, from any words."""
    text = "/".join(str(word) for word in words)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


# --- manifests ------------------------------------------------------------------------


class Binding(NamedTuple):
    """What a row of a manifest asks for, and who owns it."""

    instance_id: str
    plugin_id: str
    plugin_type: str
    env_id: str
    api_id: str
    owner: str = "team"

    @property
    def target(self) -> tuple[str, str, str]:
        return self.instance_id, self.plugin_id, self.env_id

    @property
    def bound(self) -> tuple[str, str, str, str]:
        """As ``oracle.bindings`` tells it."""
        return self.instance_id, self.env_id, self.api_id, self.plugin_id


def binding(
    no: int = 0, *, gateway: int = 0, plugin: str = "cors", env: str = RELEASE
) -> Binding:
    """Make the binding of one API; plug-ins are named by their type."""
    return Binding(
        hex_id("gateway", gateway),
        hex_id("plugin", gateway, plugin),
        plugin,
        env,
        hex_id("api", gateway, no),
        f"team-{no % 3}",
    )


def bindings(count: int, *, gateways: int = 1, plugin: str = "cors") -> list[Binding]:
    """Make bindings that take the gateways in turn."""
    return [binding(no, gateway=no % gateways, plugin=plugin) for no in range(count)]


def write_manifest(path: Path, rows: Iterable[Sequence[str]]) -> Path:
    """Write a CSV manifest with our column names and one carried column."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


def write_job(path: Path, text: str = "", *, name: str = "job") -> Path:
    """Write a job file for ``apis.csv`` beside it, on the sandbox."""
    head = f'name = "{name}"\nmanifest = "apis.csv"\n'
    account = "" if "[account]" in text else '[account]\nendpoint = "sandbox"\n'
    path.write_text(head + account + text, encoding="utf-8")
    return path


def rows_of(wanted: Iterable[Binding]) -> Iterator[Row]:
    """Turn bindings into the rows a world is filled with."""
    for line, one in enumerate(wanted, start=2):
        yield Row(
            file=0,
            line=line,
            account="default",
            project_id=PROJECT,
            instance_id=one.instance_id,
            plugin_id=one.plugin_id,
            plugin_type=one.plugin_type,
            env_id=one.env_id,
            api_id=one.api_id,
        )


def fewest_requests(wanted: Iterable[Binding], *, batch_size: int = 500) -> int:
    """Count the requests that the bindings need: sum of ceil(n / 500) per target."""
    sizes = Counter(one.target for one in wanted)
    return sum(-(-size // batch_size) for size in sizes.values())


# --- gateways -------------------------------------------------------------------------


class Gateways:
    """A sandbox in a thread of its own, so that a test can be its client."""

    def __init__(self, sandbox: Sandbox, portal: BlockingPortal, world: Path) -> None:
        self.sandbox = sandbox
        self.world = world
        self._portal = portal
        self._forgotten = 0

    @property
    def url(self) -> str:
        return self.sandbox.url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def journal(self) -> Sequence[Entry]:
        """The attaches that came; read in the sandbox's own thread."""
        return self._portal.call(lambda: list(self.sandbox.journal)[self._forgotten :])

    def forget(self) -> None:
        """Leave out of the journal what came until now."""
        self._forgotten += len(self.journal)

    @property
    def requests(self) -> Counter[str]:
        return self._portal.call(lambda: Counter(self.sandbox.counters.requests))

    @property
    def bound(self) -> set[tuple[str, str, str, str]]:
        """What the world holds."""
        return world_of(self.world)

    def add(self, wanted: Iterable[Binding], **planted: int) -> None:
        """Make everything exist but what is planted; put back what was."""
        self._portal.call(
            partial(fill, self.sandbox.world, list(rows_of(wanted)), **planted)
        )

    @property
    def planted(self) -> set[str]:
        """API ids that are missing or unpublished."""
        return {slot.api_id for slot in oracle.planted(self.world)}


@contextmanager
def gateways(
    world: Path,
    wanted: Iterable[Binding] = (),
    *,
    options: SandboxOptions | None = None,
    clock: Clock | None = None,
    port: int = 0,
    **planted: int,
) -> Iterator[Gateways]:
    """Serve gateways on which everything wanted exists, but what is planted."""
    with start_blocking_portal() as portal:

        async def make() -> Sandbox:
            return Sandbox(world, options=options, port=port, journal=True, clock=clock)

        sandbox = portal.call(make)
        with portal.wrap_async_context_manager(sandbox):
            served = Gateways(sandbox, portal, world)
            served.add(wanted, **planted)
            yield served


def world_of(path: Path) -> set[tuple[str, str, str, str]]:
    """Read every binding of a world file."""
    return {tuple(one) for one in oracle.bindings(path)}  # type: ignore[misc]


def attaches_by_gateway(journal: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in journal:
        found[entry.path["instance_id"]].append(entry)
    return dict(found)


class Door:
    """A clock at which every change waits until the door is opened.

    Leaving it as a context manager opens it.
    """

    def __init__(self) -> None:
        self._open = Event()
        self.clock = Clock(sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        while not self._open.is_set():  # noqa: ASYNC110 - opened by another thread
            await anyio.sleep(0.002)

    def open(self) -> None:
        self._open.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()


def attach_as_somebody_else(served: Gateways, one: Binding) -> int:
    """Bind one API past bulkbind, as the console or a colleague would.

    Returns:
        The HTTP status.
    """
    path = f"/v2/{PROJECT}/apigw/instances/{one.instance_id}/plugins/{one.plugin_id}"
    body = json.dumps({"env_id": one.env_id, "api_ids": [one.api_id]})
    connection = HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_S)
    with closing(connection):
        headers = {"X-Auth-Token": "sandbox", "Content-Type": "application/json"}
        connection.request("POST", f"{path}/attach", body, headers)
        return connection.getresponse().status


# --- the command line -----------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """``bulkbind`` in this process: a call runs a command to its end."""

    def __init__(self, capture: Callable[[], tuple[str, str]]) -> None:
        self._capture = capture

    def __call__(self, *arguments: object) -> Said:
        self._capture()
        code = run_command_line([str(argument) for argument in arguments])
        out, err = self._capture()
        return Said(code, out, err)


class Process:
    """``bulkbind`` as a process that can be signalled and killed."""

    def __init__(
        self,
        *arguments: object,
        folder: Path,
        environ: dict[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
        stdin: bytes | None = None,
    ) -> None:
        self._out = folder / f"{hex_id(time.monotonic_ns())}.out"
        self._err = self._out.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "bulkbind", *map(str, arguments)],
                cwd=folder,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=out,
                stderr=err,
                env={**os.environ, **(environ or {})},
                preexec_fn=prepare,  # noqa: PLW1509 - sets one limit, no more
            )
        if stdin is not None and self._popen.stdin is not None:
            with self._popen.stdin as pipe:
                pipe.write(stdin)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def out(self) -> str:
        """What it has said so far."""
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8")

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def has_taken(self, number: signal.Signals) -> bool:
        """Tell whether a signal was delivered, so that another counts as a second."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        masks = [line.split() for line in status.splitlines()]
        pending = [int(mask[1], 16) for mask in masks if mask[0].endswith("Pnd:")]
        return not any(mask >> (number - 1) & 1 for mask in pending)

    def kill(self) -> None:
        """Kill it as a power cut would, if it is still there."""
        self._popen.kill()
        self._popen.wait()

    def wait(self) -> Said:
        code = self._popen.wait(timeout=PATIENCE_S)
        return Said(code, self.out, self.err)


@contextmanager
def started(*arguments: object, **how: Any) -> Iterator[Process]:
    """Start a process; it is gone when the block ends."""
    process = Process(*arguments, **how)
    try:
        yield process
    finally:
        process.kill()


def has_seen(served: Gateways, wanted: int) -> bool:
    """Tell whether the gateways were sent so many requests."""
    return len(served.journal) >= wanted


def until(
    claim: Callable[[], T],
    *,
    alive: Process | None = None,
    patience_s: float = PATIENCE_S,
) -> T:
    """Wait until a claim holds, and return what it returned.

    A wait of any length is right: it ends when the claim holds, or fails loudly.
    """
    deadline = time.monotonic() + patience_s
    while not (held := claim()):
        if alive is not None and not alive.is_running:
            held = claim()
            assert held, f"the process ended early: {alive.out}{alive.err}"
            break
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return held


# --- what a run left behind -----------------------------------------------------------


def runs_in(state: Path) -> list[Path]:
    """Return the run folders of a STATE, oldest first."""
    folder = state / "runs"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def latest(state: Path) -> Path:
    return runs_in(state)[-1]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def report_of(state: Path) -> list[dict[str, str]]:
    """Read the newest run's ``report.csv``."""
    return read_csv(latest(state) / "report.csv")


def verdicts_of(state: Path) -> Counter[str]:
    return Counter(row["verdict"] for row in report_of(state))


def lasting(report: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Leave out the columns that differ from run to run."""
    return [
        {name: cell for name, cell in row.items() if name not in VARYING}
        for row in report
    ]


def slot_of(row: dict[str, str]) -> tuple[str, str, str, str]:
    """Return a report row's binding as ``oracle.bindings`` tells it."""
    return row["instance_id"], row["env_id"], row["api_id"], row["plugin_id"]


def is_in_manifest_order(report: Sequence[dict[str, str]]) -> bool:
    lines = [int(row["line"]) for row in report]
    return lines == sorted(lines)


def events_of(run: Path) -> list[dict[str, Any]]:
    """Read the events written so far; a line half written is left for later."""
    try:
        text = (run / "events.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    lines = text.splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def shuffled(rows: Iterable[T], *, seed: int) -> list[T]:
    found = list(rows)
    Random(seed).shuffle(found)  # noqa: S311 - seeded
    return found


def runs_of_equal(values: Iterable[T]) -> list[T]:
    """Collapse neighbours that are equal."""
    return [value for value, _ in groupby(values)]
