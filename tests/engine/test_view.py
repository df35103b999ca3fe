"""The live view on a real terminal: drawn, resized, interrupted, and taken away."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager

import pytest
from rich.cells import cell_len

from tests.factories import bindings, write_job, write_manifest

#: Colours of a terminal; bold and dim are none.
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|38|9[0-7]|4[0-8])[;m]")
CLEAR = b"\x1b[2J"


def lines_of(shown: bytes) -> list[str]:
    """Return what was written between two line ends, without what a terminal obeys."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="ignore"))
    return re.split(r"[\r\n]+", text)


class Terminal:
    """A process on a terminal of its own, and what it showed so far."""

    def __init__(self, ours: int, process: subprocess.Popen[bytes]) -> None:
        self._ours = ours
        self._process = process
        self.shown = b""

    def resize(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def until(self, wanted: bytes, *, since: int = 0) -> None:
        """Read until something was shown; the test's own timeout ends a vain wait."""
        while wanted not in self.shown[since:]:
            assert self._read(), f"{wanted!r} never came: {self.shown[-2000:]!r}"

    def end(self) -> int:
        """Read to the end; return the exit code."""
        while self._read():
            pass
        return self._process.wait()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def _read(self) -> bool:
        try:
            piece = os.read(self._ours, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += piece
        return bool(piece)


@contextmanager
def on_a_terminal(folder, *words, columns=80, lines=24, **environ):
    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", lines, columns, 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    inherited = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
    with subprocess.Popen(
        [sys.executable, "-m", "bulkbind", *words],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**inherited, "TERM": "xterm", "LC_ALL": "C.UTF-8", **environ},
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            process.kill()
            os.close(ours)


@pytest.fixture
def slow(folder):
    """Forty gateways with 25 batches each, which take a while."""
    write_manifest(folder / "apis.csv", bindings(2000, gateways=40))
    write_job(folder / "job.toml", "[plan]\nbatch_size = 2\n[sandbox]\nlatency = 0.2\n")
    return "run", "job.toml", "--rate", "50/s"


def test_a_run_is_drawn_resized_and_interrupted(folder, slow):
    with on_a_terminal(folder, *slow) as terminal:
        terminal.until(b"requests")
        terminal.until(b"sending for")
        assert b"40 gateways: " in terminal.shown
        assert COLOUR.search(terminal.shown)
        assert CLEAR not in terminal.shown
        drawn = lines_of(terminal.shown.rpartition(b" rows to do")[2])
        assert 60 < max(map(cell_len, drawn)) <= 80 - len("^C^C")

        terminal.resize(40, 12)
        terminal.until(CLEAR)
        cleared = terminal.shown.rindex(CLEAR)
        # what was said is said again, and the view is drawn for the new width
        terminal.until(b"run 2", since=cleared)
        terminal.until(b"40 gateways: ", since=cleared)

        terminal.send(signal.SIGINT)
        terminal.until(b"what is out is awaited")
        code = terminal.end()

    assert code == 130
    # the view is taken away: what is left is what the run came to
    last = terminal.shown.rpartition(b"\x1b[?25h")[2]
    assert b"gateways: " not in last
    assert b"goes on" in last


def test_without_colours_it_is_drawn_all_the_same(folder, slow):
    with on_a_terminal(folder, *slow, NO_COLOR="1") as terminal:
        terminal.until(b"sending for")
        terminal.send(signal.SIGINT)
        terminal.end()

    assert not COLOUR.search(terminal.shown)


def test_a_dumb_terminal_gets_plain_lines(folder, slow):
    with on_a_terminal(folder, *slow, TERM="dumb") as terminal:
        terminal.until(b"rows to do")
        terminal.send(signal.SIGINT)
        terminal.end()

    assert b"\x1b" not in terminal.shown
    assert b"gateways: " not in terminal.shown


def test_a_quiet_run_shows_nothing_on_a_terminal(folder):
    write_manifest(folder / "apis.csv", bindings(20))
    write_job(folder / "job.toml")
    with on_a_terminal(folder, "run", "job.toml", "-q") as terminal:
        code = terminal.end()

    assert (code, terminal.shown) == (0, b"")
