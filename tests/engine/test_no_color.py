"""``NO_COLOR`` is honoured on a terminal; without it there is colour there."""

import os
import pty
import re
import sys

import pytest

from tests.factories import bindings, write_manifest

COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])[;m]")


def on_a_terminal(*arguments):
    """Run a command on a terminal of its own and return what that shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = [sys.executable, "-m", "bulkbind", *arguments]
        os.execv(sys.executable, command)  # noqa: S606
    shown = b""
    try:
        while data := os.read(terminal, 65536):
            shown += data
    except OSError:  # Linux: the other side is gone
        pass
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return shown


@pytest.mark.parametrize("no_color", [True, False])
def test_no_color_is_honoured(folder, monkeypatch, no_color):
    write_manifest(folder / "apis.csv", bindings(40, gateways=2))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")

    shown = on_a_terminal(
        *("run", "apis.csv", "--endpoint", "sandbox", "--set", "plan.batch_size=2"),
        *("--rate", "100/s"),
    )

    assert b"bound" in shown
    assert bool(COLOUR.search(shown)) is not no_color
