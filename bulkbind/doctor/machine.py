"""This machine: Python, SQLite, what is mounted, how much room there is."""

import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bulkbind.doctor.check import Check, fine, note, warning

#: Before it two connections that write at once can corrupt a WAL.
#: Source: sqlite.org, release log of 3.51.3.
SOUND_SQLITE = (3, 51, 3)

_OF = "this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine is like."""

    tool: str
    """Version of bulkbind; ``0``: it is not installed."""
    python: str
    system: str
    sqlite: str
    mounts: str
    """``/proc/self/mountinfo``; empty: this system does not tell."""
    free: Callable[[Path], int]
    """Bytes that this user may still write in a folder; it may raise ``OSError``."""


def this_machine(*, tool: str) -> Machine:
    """Return what this machine is like."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        mounts = ""
    return Machine(
        tool=tool,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        sqlite=sqlite3.sqlite_version,
        mounts=mounts,
        free=lambda folder: shutil.disk_usage(folder).free,
    )


def check_machine(machine: Machine) -> Iterator[Check]:
    """Look at versions."""
    text = f"bulkbind {machine.tool}, Python {machine.python}, {machine.system}"
    if machine.tool == "0":
        remedy = "install it (`pip install .`), so that reports can name their writer"
        yield warning("version", _OF, f"{text}: bulkbind is not installed", remedy)
    else:
        yield fine("version", _OF, text)
    yield _sqlite(machine.sqlite)


def _sqlite(version: str) -> Check:
    """Say whether a version has the WAL defect; it never bites one writer."""
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
    if numbers >= SOUND_SQLITE:
        return fine("sqlite", _OF, version)
    found = (
        f"{version}: before 3.51.3 two connections that write at once can damage a"
        " database; bulkbind writes a ledger with one"
    )
    remedy = "while a run is at work, let no other tool write to its ledger.db"
    return note("sqlite", _OF, found, remedy)
