"""Five minutes on Debian's cron, once a minute: ``python -m tests.cron_show``.

Needs root and ``apt-get install cron``; about six minutes. cron runs the very lines that
``bulkbind schedule JOB --at "* * * * *"`` prints. A served sandbox of a process of its
own is so slow that a run takes longer than a minute: the tick on top of it must be 75.
The first run is killed (``kill -9``); while the next one finishes it, the manifest is
changed: some APIs shall have another plug-in, some are new. Held, or the command ends
with 1: what each line says. The crontab from before comes back, cron ends.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

from bulkbind.sandbox import SandboxOptions
from tests.crond import Cron, Tick, cron, crontab
from tests.factories import (
    PROJECT,
    Binding,
    bindings,
    gateways,
    hex_id,
    runs_in,
    started,
    world_of,
    write_job,
    write_manifest,
)

TICKS, ROWS, MOVED, MORE, BATCH = 5, 4000, 400, 200, 10

#: Attaches after which the first run is killed, and further ones until the manifest
#: is changed.
KILL_AFTER, CHANGE_AFTER = 60, 20

#: Seconds that the whole may take; and that an attach takes.
PATIENCE_S, LATENCY_S = 600.0, 0.5

JOB = """
[account]
endpoint = "{url}"
project_id = "{project}"
[pace]
rate = "unlimited"
[plan]
batch_size = {batch}
[safety]
on_replace = "allow"
"""


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def old_rows() -> list[Binding]:
    return bindings(ROWS, gateways=2)


def new_rows() -> list[Binding]:
    """What the changed manifest asks for: nobody is dropped, some move, some come."""
    rows = bindings(ROWS + MORE, gateways=2)
    for no, row in enumerate(rows[:MOVED]):
        other = hex_id("plugin", row.instance_id, "other")
        rows[no] = row._replace(plugin_id=other)
    return rows


# --- the gateways, in a process of their own ------------------------------------------


def serve(folder: Path) -> int:
    """Serve until standard input ends; answer each line of it with what was seen."""
    options = SandboxOptions(latency_s=LATENCY_S)
    rows = [*old_rows(), *new_rows()]
    with gateways(folder / "world.db", rows, options=options) as served:
        say(served.url)
        for _ in sys.stdin:
            sent = [(one.at, one.path, one.ids) for one in served.journal]
            overlaps = served.sandbox.counters.overlaps
            reads = served.requests.total() - len(sent)
            say(json.dumps({"sent": sent, "overlaps": overlaps, "reads": reads}))
    return 0


class Served:
    """The gateways as the show sees them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.url = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    @property
    def seen(self) -> Any:
        """``sent``: time, path and ids of each attach; ``overlaps``; ``reads``."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._line())

    @property
    def attaches(self) -> int:
        return len(self.seen["sent"])


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    command = [sys.executable, "-m", "tests.cron_show", "--serve", str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Served(process)
        finally:
            process.terminate()


# --- the show -------------------------------------------------------------------------


class Deadline:
    """Ends whatever waits too long."""

    def __init__(self) -> None:
        self._at = time.monotonic() + PATIENCE_S

    def until(self, claim: Callable[[], object]) -> None:
        while not claim():
            assert time.monotonic() < self._at, "it took too long"
            time.sleep(0.1)


def main() -> int:
    """Let cron run it, and hold it against what is claimed."""
    if sys.argv[1:2] == ["--serve"]:
        return serve(Path(sys.argv[2]))
    with tempfile.TemporaryDirectory(prefix="bulkbind-cron-") as name:
        folder = Path(name)
        with served(folder) as there:
            lines = _job(folder, there.url)
            ticks = _five_minutes(folder, there, lines)
            before = there.seen
            again = _as_cron(lines)
            return _judge(folder, ticks, before, (again, there.seen))


def _job(folder: Path, url: str) -> str:
    """Write a job; return the lines that ``schedule`` prints for it."""
    write_manifest(folder / "apis.csv", old_rows())
    text = JOB.format(url=url, project=PROJECT, batch=BATCH)
    write_job(folder / "job.toml", text, name="minutely")
    secret = folder / "job.env"
    secret.write_text(f"BULKBIND_TOKEN=sandbox\nBULKBIND_HOST_DIR={folder / 'host'}\n")
    secret.chmod(0o600)
    options = ("--at", "* * * * *", "--env-file", secret)
    with started("schedule", "job.toml", *options, folder=folder) as shown:
        said = shown.wait()
    assert (said.code, said.err) == (0, ""), said
    say(said.out)
    return said.out


def _five_minutes(folder: Path, there: Served, lines: str) -> list[Tick]:
    """Let cron tick, kill the first run, change the manifest under the second one."""
    deadline = Deadline()
    with crontab(f'MAILTO=""\n{lines}'), cron() as daemon:
        deadline.until(lambda: there.attaches >= KILL_AFTER)
        os.kill(daemon.ticks[0].pid, signal.SIGKILL)
        sent = there.attaches
        say(f"killed after {sent} attaches: pid {daemon.ticks[0].pid}")
        deadline.until(lambda: there.attaches >= sent + CHANGE_AFTER)
        draft = write_manifest(folder / "apis.new", new_rows())
        draft.replace(folder / "apis.csv")
        say(f"the manifest changed after {there.attaches} attaches")
        deadline.until(lambda: _are_over(daemon))
        return daemon.ticks[:TICKS]


def _are_over(daemon: Cron) -> bool:
    return len(daemon.ticks) >= TICKS and all(one.is_over for one in daemon.ticks)


def _as_cron(lines: str) -> "subprocess.CompletedProcess[str]":
    """Run the line once more, as cron does."""
    command = lines.splitlines()[-1].split(None, 5)[5].replace(r"\%", "%")
    environ = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"], "SHELL": "/bin/sh"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        timeout=PATIENCE_S,
    )


def _judge(
    folder: Path,
    ticks: list[Tick],
    seen: Any,
    after: tuple["subprocess.CompletedProcess[str]", Any],
) -> int:
    again, seen_after = after
    for tick in ticks:
        many = sum(tick.began <= at <= tick.ended for at, _, _ in seen["sent"])
        clock = time.strftime("%H:%M:%S", time.localtime(tick.began))
        took = f"{tick.ended - tick.began:5.1f} s"
        say(f"tick {clock}  exit {tick.code:3}  {took}  {many:3} attaches in its time")
    codes = [tick.code for tick in ticks]
    working = [tick for tick in ticks if tick.code != 75]
    twice, in_flight = _sent_twice(seen["sent"], ticks[1].began)
    reads = seen_after["reads"] - seen["reads"]
    claims = {
        "ticks": (len(ticks), TICKS),
        "the first was killed": (codes[0], 137),
        "one tick met another run (75)": (75 in codes, True),
        "other exit codes": (sorted({*codes} - {137, 75}), [0]),
        "exit code of the last": (codes[-1], 0),
        "two at work at once": (sum(_overlap(*p) for p in combinations(working, 2)), 0),
        "attaches on a busy gateway": (seen["overlaps"], 0),
        "ids sent twice, and not in flight at the kill": (len(twice - in_flight), 0),
        "bound as the new manifest asks": (
            world_of(folder / "world.db") == {row.bound for row in new_rows()},
            True,
        ),
        "a further run: exit code": (again.returncode, 0),
        "a further run: says": (again.stdout + again.stderr, ""),
        "a further run: attaches": (len(seen_after["sent"]) - len(seen["sent"]), 0),
    }
    for text, (found, wanted) in claims.items():
        say(f"{'ok' if found == wanted else 'NOT OK':>6}  {text}: {found}")
    say(
        f"        {len(seen['sent'])} attaches; in flight at the kill: {len(in_flight)}"
        f" ids, {len(twice)} of them sent again; {reads} pages read by the further run;"
        f" {len(runs_in(folder / '.bulkbind'))} run folders"
    )
    return int(any(found != wanted for found, wanted in claims.values()))


def _overlap(one: Tick, other: Tick) -> bool:
    return one.began < other.ended and other.began < one.ended


def _sent_twice(
    sent: list[Any], next_began: float
) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return plug-in and id of what was sent twice, and of what was in flight at the kill.

    That is each gateway's last before the next tick began: an attach under way goes on
    without its client, and the journal has its time when it has been done.
    """
    every: Counter[tuple[str, str]] = Counter()
    last: dict[str, set[tuple[str, str]]] = {}
    for at, path, ids in sent:
        keys = [(path["plugin_id"], api_id) for api_id in ids]
        every.update(keys)
        if at < next_began:
            last[path["instance_id"]] = set(keys)
    return {key for key, many in every.items() if many > 1}, set().union(*last.values())


if __name__ == "__main__":
    sys.exit(main())
