"""What an undo does, in figures: ``python -m tests.undo_show``.

Two gateways, 3,000 rows, 1,400 of which displace another plug-in; every command is a
process of its own. Held, or the command ends with 1: what each line says.
"""

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    PROJECT,
    Binding,
    Gateways,
    Said,
    attach_as_somebody_else,
    bindings,
    gateways,
    hex_id,
    latest,
    started,
    until,
    write_job,
    write_manifest,
)

ROWS, DISPLACED, EDITED = 3000, 1400, 25


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Show:
    """A job folder, its gateways, and what was claimed of them.

    Args:
        folder: The job's.
        served: Its gateways.
    """

    def __init__(self, folder: Path, served: Gateways) -> None:
        self.folder = folder
        self.served = served
        self.failed = 0

    def __call__(self, *arguments: object) -> Said:
        with started(*arguments, folder=self.folder) as process:
            return process.wait()

    def claim(self, text: str, found: object, wanted: object = True) -> None:  # noqa: FBT002
        """Print a figure; count it if it is not the one that is wanted."""
        self.failed += found != wanted
        say(f"{'ok' if found == wanted else 'NOT OK':>6}  {text}: {found}")

    @property
    def state(self) -> Path:
        return self.folder / ".bulkbind"

    @property
    def attaches(self) -> int:
        return len(self.served.journal)


def rival(row: Binding, name: str) -> Binding:
    """Another plug-in of the same type, for the same slot."""
    return row._replace(plugin_id=hex_id("plugin", row.instance_id, name))


def main() -> int:
    rows = bindings(ROWS, gateways=2)
    before = [rival(row, "old") for row in rows[:DISPLACED]]
    theirs = [rival(row, "theirs") for row in rows[:EDITED]]
    with tempfile.TemporaryDirectory(prefix="bulkbind-show-") as name:
        folder = Path(name)
        os.environ |= {
            "BULKBIND_TOKEN": "sandbox",
            "BULKBIND_HOST_DIR": str(folder / "host"),
            "BULKBIND_RETRY_SECOND_LOOK": "0.2",
        }
        options = SandboxOptions(latency_s=0.02)
        world = folder / "world.db"
        with gateways(world, [*rows, *before, *theirs], options=options) as served:
            write_manifest(folder / "before.csv", before)
            write_manifest(folder / "apis.csv", rows)
            account = (
                f'[account]\nendpoint = "{served.url}"\nproject_id = "{PROJECT}"\n'
            )
            pace = '[pace]\nrate = "unlimited"\n'
            write_job(folder / "old.toml", account + pace, name="old")
            text = (folder / "old.toml").read_text(encoding="utf-8")
            (folder / "old.toml").write_text(text.replace("apis.csv", "before.csv"))
            write_job(folder / "job.toml", account + pace, name="cors-rollout")
            show = Show(folder, served)
            began = time.monotonic()
            for act in (_plan, _refuse, _run_and_undo, _one_gateway, _edits, _killed):
                say(act.__doc__)
                act(show, rows, before, theirs)
            say(f"{time.monotonic() - began:.0f} s")
    return 1 if show.failed else 0


Rows = list[Binding]


def _plan(show: Show, _: Rows, before: Rows, __: Rows) -> None:
    """plan --live"""
    show.claim("exit code of the run before", show("run", "old.toml").code, 0)
    plan = json.loads(show("plan", "job.toml", "--live", "--json").out)
    show.claim("replacements", plan["judged"]["replace"], DISPLACED)
    show.claim("bound", len(show.served.bound), len(before))


def _refuse(show: Show, *_: Rows) -> None:
    """run"""
    sent = show.attaches
    show.claim("exit code", show("run", "job.toml").code, 4)
    show.claim("attaches", show.attaches - sent, 0)


def _bind(show: Show) -> str:
    show("unpause", "cors-rollout")
    said = show("run", "job.toml", "--on-replace", "allow", "--json")
    run: str = json.loads(said.out)["run_id"]
    return run


def _run_and_undo(show: Show, rows: Rows, before: Rows, _: Rows) -> None:
    """run --on-replace allow, undo, run"""
    run = _bind(show)
    report = (latest(show.state) / "report.jsonl").read_text(encoding="utf-8")
    found = [json.loads(line)["replaced_plugin_id"] for line in report.splitlines()]
    show.claim("replaced_plugin_id", sum(map(bool, found)), DISPLACED)
    show.claim("bound as asked", show.served.bound == {r.bound for r in rows})
    sent, reads = show.attaches, show.served.requests.total()
    said = show("undo", run, "--json")
    show.claim("exit code of undo", said.code, 0)
    verdicts = {k: n for k, n in json.loads(said.out)["verdicts"].items() if n}
    wanted = {"bound": DISPLACED, "unbound": ROWS - DISPLACED}
    show.claim("verdicts", verdicts, wanted)
    requests = show.attaches - sent
    show.claim("attaches and detaches", requests, 8)
    reads = show.served.requests.total() - reads - requests
    say(f"        pages read: {reads}")
    show.claim("bound as before", show.served.bound == {b.bound for b in before})
    sent = show.attaches
    held = show("run", "job.toml", "--on-replace", "allow")
    show.claim("exit code of the next run", held.code, 3)
    show.claim("it names the hold", "is on hold since" in held.err)
    show.claim("it sends", show.attaches - sent, 0)


def _one_gateway(show: Show, rows: Rows, before: Rows, _: Rows) -> None:
    """undo --only instance_id=X"""
    run, here = _bind(show), rows[0].instance_id
    sent = show.attaches
    show("undo", run, "--only", f"instance_id={here}")
    entries = list(show.served.journal)[sent:]
    met = [entry.path["instance_id"] == here for entry in entries]
    show.claim("changes of X", met.count(True), 4)
    show.claim("changes of other gateways", met.count(False), 0)
    left = {b.bound for b in before if b.instance_id == here}
    left |= {r.bound for r in rows if r.instance_id != here}
    show.claim("only X is as before", show.served.bound == left)
    show("undo", run)
    show.claim("then all", show.served.bound == {b.bound for b in before})


def _edits(show: Show, _: Rows, before: Rows, theirs: Rows) -> None:
    """edits by others between run and undo"""
    run = _bind(show)
    for one in theirs:
        attach_as_somebody_else(show.served, one)
    said = show("undo", run, "--json")
    show.claim("exit code", said.code, 1)
    show.claim("kept", json.loads(said.out)["verdicts"]["kept"], EDITED)
    left = {one.bound for one in (*before[EDITED:], *theirs)}
    show.claim("theirs stand, the rest is as before", show.served.bound == left)
    for one in before[:EDITED]:
        attach_as_somebody_else(show.served, one)


def _killed(show: Show, _: Rows, before: Rows, __: Rows) -> None:
    """kill -9 in the middle of an undo, three times; resume"""
    run = _bind(show)
    undo: list[object] = ["undo", run]
    for _turn in range(3):
        sent = show.attaches
        with started(*undo, "--rate", "5/s", folder=show.folder) as process:
            until(partial(_has_sent, show, sent + 1))
            process.kill()
        undo = ["resume", latest(show.state).name]
    said = show(*undo, "--json")
    show.claim("exit code", said.code, 0)
    show.claim("bound as before", show.served.bound == {b.bound for b in before})


def _has_sent(show: Show, least: int) -> bool:
    return show.attaches >= least


if __name__ == "__main__":
    sys.exit(main())
