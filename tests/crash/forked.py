"""``bulkbind`` in a process of its own, forked from one that has imported it all.

A command lives for a tenth of a second, and its imports take three times that: with
them, no ring could hold a sample worth the name. Such a process is killed, traced and
reaped like any other.

Whoever wants to trace a thread by itself has it held at a gate: it says who it is, and
waits until it may go on. Nothing of bulkbind is changed by it.
"""

import itertools
import multiprocessing
import os
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from tests.crash.points import MAIN

#: Seconds that anything awaited may take before it counts as hung.
PATIENCE_S = 60.0

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        *("bulkbind.cli.run", "bulkbind.cli.resume", "bulkbind.cli.progress"),
        *("aiohttp", "encodings.idna", "pytest", "tests.crash.scene"),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A folder in which threads say who they are, and where one waits."""

    folder: Path
    wanted: str = ""
    """The thread that waits: ``main``, or its name and its number by start."""

    def pass_through(self, name: str) -> None:
        """Say who one is; wait, if one is wanted, until one may go on."""
        path = f"{self.folder}/{name}"
        os.close(os.open(f"{path}.{threading.get_native_id()}", os.O_CREAT, 0o600))
        if name == self.wanted:
            self._wait(Path(f"{path}.go"))

    @staticmethod
    def _wait(leave: Path) -> None:
        """Wait for leave to go on; nobody who could give it outlives a minute of it."""
        deadline = time.monotonic() + PATIENCE_S
        while not leave.exists():
            if time.monotonic() > deadline:
                os._exit(1)
            time.sleep(0.001)

    def close_behind(self) -> None:
        """Have every thread that is started from now on come to the gate."""
        numbers = itertools.count(1)
        begin, work = threading.Thread.start, threading.Thread.run

        def start(thread: threading.Thread) -> None:
            name = thread.name.partition("_")[0]
            thread.gate = f"{name}-{next(numbers)}"  # type: ignore[attr-defined]
            begin(thread)

        def run(thread: threading.Thread) -> None:
            self.pass_through(thread.gate)  # type: ignore[attr-defined]
            work(thread)

        threading.Thread.start = start  # type: ignore[assignment, method-assign]
        threading.Thread.run = run  # type: ignore[assignment, method-assign]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a process is to do, and where."""

    arguments: list[str]
    folder: Path
    environ: dict[str, str]
    out: Path
    err: Path
    gate: Gate

    def start(self) -> "Running":
        """Start it."""
        return Running(self)


class Running:
    """A process that was started.

    Whatever asks for an exit code asks for those of all processes, and only one asker
    is told: from several threads, one at a time may.
    """

    _asking = threading.Lock()

    def __init__(self, command: Command) -> None:
        self._process = _FORKS.Process(target=_obey, args=(command,))
        with self._asking:
            self._process.start()

    @property
    def code(self) -> int | None:
        """How it ended; a killed one with -9; None: it has not."""
        with self._asking:
            return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait until it has ended, or for some seconds; return how it ended."""
        wait([self._process.sentinel], seconds)
        return self.code

    def kill(self) -> None:
        """Kill it as a power cut would, if it is still there."""
        with self._asking:
            self._process.kill()
        self.wait()


def _obey(command: Command) -> None:
    """Become the command; what follows is what ``python -m bulkbind`` does."""
    os.chdir(command.folder)
    os.environ.clear()
    os.environ.update(command.environ)
    sys.argv[1:] = command.arguments
    for stream, path in ((1, command.out), (2, command.err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, stream)
        os.close(file)
    from bulkbind.__main__ import main

    # uvloop wakes its loop by a write to an eventfd, and aborts when that is made to fail
    # like a write to a full disk, which it never does; asyncio's own loop sends instead.
    sys.modules["uvloop"] = None  # type: ignore[assignment]
    command.gate.close_behind()
    command.gate.pass_through(MAIN)
    main()
