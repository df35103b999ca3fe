"""Debian's cron as a process of our own, and what it says of every command it ran.

Its log tells the process id, start, end and exit code of each (cron(8), ``-L 15``); it
goes to the socket ``/dev/log``, which is ours while the block lasts. Needs root, and a
machine on which neither cron nor a syslog daemon is at work: a container.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from tests.factories import until

LOG = Path("/dev/log")

_SAID = re.compile(
    r"\([^)]*\) (?P<verb>CMD|END) \(\[(?P<pid>\d+)\]"
    r"|\(grandchild #(?P<failed>\d+) "
    r"(?:failed with exit status|terminated by signal) (?P<code>\d+)"
)
_BY_SIGNAL = "terminated by signal"


class Tick:
    """One command that cron started.

    Args:
        pid: Its process.
        began: Seconds since the epoch.
    """

    def __init__(self, pid: int, began: float) -> None:
        self.pid = pid
        self.began = began
        self.ended = float("inf")
        self.code = 0
        """What a shell calls it: 128 and the number of the signal that ended it."""

    @property
    def is_over(self) -> bool:
        return self.ended < float("inf")


class Cron:
    """What cron has said so far, in order."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.lines: list[str] = []

    def hear(self, line: str) -> None:
        """Take a line of its log."""
        self.lines.append(line)
        found = _SAID.search(line)
        if found is None:
            return
        if found["verb"] == "CMD":
            self.ticks.append(Tick(int(found["pid"]), time.time()))
            return
        pid = int(found["pid"] or found["failed"])
        for tick in self.ticks:
            if tick.pid == pid and found["failed"]:
                tick.code = int(found["code"]) + 128 * (_BY_SIGNAL in line)
            if tick.pid == pid and found["verb"]:
                tick.ended = time.time()


@contextmanager
def crontab(text: str) -> Iterator[None]:
    """Make a text the user's crontab, and put back the one before."""
    before = subprocess.run(["crontab", "-l"], capture_output=True, check=False)
    subprocess.run(["crontab", "-"], input=text.encode(), check=True)
    try:
        yield
    finally:
        put_back = ["crontab", "-"] if before.returncode == 0 else ["crontab", "-r"]
        subprocess.run(put_back, input=before.stdout, check=True)


@contextmanager
def cron() -> Iterator[Cron]:
    """Run cron; it is gone when the block ends, what it started may be at work."""
    assert os.geteuid() == 0, "cron needs root"
    assert shutil.which("cron"), "apt-get install cron"
    assert not LOG.exists(), (
        f"{LOG} is somebody's; a container without syslog is needed"
    )
    said = Cron()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(LOG))
        Thread(target=_listen, args=(log, said), daemon=True).start()
        daemon = subprocess.Popen(["cron", "-f", "-L", "15"])
        try:
            until(lambda: said.lines)
            assert daemon.poll() is None, said.lines
            yield said
        finally:
            daemon.terminate()
            daemon.wait()
            LOG.unlink()


def _listen(log: socket.socket, said: Cron) -> None:
    with suppress(OSError):
        while True:
            said.hear(log.recv(65536).decode("utf-8", "replace"))
