"""Calls to die at or to fail at: which there are, and which of them are tried."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

MAIN = "main"
KILL = "KILL"

#: How a skip begins that leaves the proof out.
NOT_RUN = "CRASH PROOF NOT RUN"

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
    **dict.fromkeys(("write", "openat"), ("ENOSPC", "EIO")),
    "pwrite64": ("ENOSPC", "ENOSPC+", "EIO"),
    **dict.fromkeys(("fsync", "fdatasync"), ("EIO", "ENOSPC")),
    **dict.fromkeys(("mkdir", "mkdirat", "ftruncate", "rename", "renameat"), ("EIO",)),
    **dict.fromkeys(("sendfile", "copy_file_range"), ("ENOSPC", "EIO")),
    **dict.fromkeys(("symlink", "symlinkat", "link", "linkat"), ("EIO",)),
    **dict.fromkeys(("unlink", "unlinkat", "chmod", "fchmodat"), ("EIO",)),
}

#: An open of a file of the job, not of Python's; ``-y`` shows the current folder, too.
_OF_THE_JOB = re.compile(r'[^"]*"(?:(?!/)|[^"]*bulkbind-crash-)')

#: What the calls of a run were given, by thread and name, in their order.
ByThread = Mapping[tuple[str, str], Sequence[str]]


class Point(NamedTuple):
    """One call of one thread, and what happens there."""

    thread: str
    """``main``, or the thread's name and its number by start."""
    call: str
    number: int
    injected: str
    """``KILL``, or the error the call fails with; ``+``: from then on, every time."""

    @classmethod
    def parsed(cls, text: str) -> "Point":
        """Read one as it is printed."""
        thread, call, number, injected = text.split("/")
        return cls(thread, call, int(number), injected)

    def __str__(self) -> str:
        return "/".join(map(str, self))

    @property
    def options(self) -> list[str]:
        """What strace is told."""
        what = "signal" if self.injected == KILL else "error"
        injected = self.injected.removesuffix("+")
        when = f"{self.number}{self.injected[len(injected) :]}"
        inject = f"inject={self.call}:{what}={injected}:when={when}"
        return ["-qq", "-o", os.devnull, "-e", f"trace={self.call}", "-e", inject]

    @property
    def kind(self) -> tuple[str, str]:
        """What it has in common with others: whose call, and which."""
        return self.thread.partition("-")[0], self.call


def kills(calls: ByThread) -> list[Point]:
    """Return every call that changes something."""
    return [
        Point(thread, call, number, KILL)
        for (thread, call), lines in sorted(calls.items())
        if call in CHANGES
        for number in range(1, len(lines) + 1)
    ]


def failures(calls: ByThread) -> list[Point]:
    """Return every call that a bad disk lets fail, with each way to fail."""
    return [
        Point(thread, call, number, error)
        for (thread, call), lines in sorted(calls.items())
        for number, line in enumerate(lines, start=1)
        if call != "openat" or _OF_THE_JOB.match(line)
        for error in FAILS.get(call, ())
    ]


def sample(points: Iterable[Point], *, each: int) -> list[Point]:
    """Take some points of every kind, evenly from its middle outwards."""
    by_kind: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in points:
        by_kind[point.kind].append(point)
    return [
        some[(2 * place + 1) * len(some) // (2 * count)]
        for some in by_kind.values()
        for count in [min(each, len(some))]
        for place in range(count)
    ]
