"""``bulkbind pause``: put a job on hold, or pause a run at work."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import click

from bulkbind.cli import completing, options
from bulkbind.cli.saying import say
from bulkbind.errors import UnknownRun
from bulkbind.job.planfile import is_plan_file, open_plan
from bulkbind.settings import JobSettings
from bulkbind.state.asking import pause_run
from bulkbind.state.facts import settings_of, thaw
from bulkbind.state.folders import RunFolder, StateFolder
from bulkbind.state.holds import find_hold, new_hold, place_hold, release_command


@click.command("pause")
@click.argument("name", metavar="RUN|JOB", shell_complete=completing.subjects)
@click.option("--note", metavar="TEXT", default="", help="Why, for people (a job's).")
@options.state_dir
@options.quiet
def command(*, name: str, note: str, state_dir: Path | None, quiet: bool) -> int:
    """Pause a run at work, or put a job on hold.

    RUN (an id, the beginning of one, a path, or `latest`): within a second it sends
    nothing more, until `unpause RUN`; deadline and window still count. `touch
    RUN/control/pause` does the same, on the host that runs it.

    JOB (its name, a job file, a manifest or a saved plan): its `run` and `resume` send
    nothing and exit 3. A plan, a dry run, and an undo go on as ever.

    Exit codes: 0 paused or on hold; 2 no such run or job, or the run is not at work
    within reach, and nothing was written.
    """
    subject = find_subject(name, state_dir)
    if subject.run is not None:
        _pause(subject.run, quiet=quiet)
        return 0
    state, job = subject.state, subject.job
    wanted = new_hold(job, now=time.time(), why=note or "paused by a person")
    hold = place_hold(state, wanted, url=subject.ledger)
    if hold != wanted:
        say(
            f"{job} is on hold already since {hold.since}, by {hold.holder}:"
            f" {hold.why}",
            err=True,
        )
    elif not quiet:
        say(f"{job} is on hold; `{release_command(state, job)}` releases it", err=True)
    return 0


def _pause(run: RunFolder, *, quiet: bool) -> None:
    obeyed = pause_run(run, now=time.time())
    if not quiet:
        how = "is paused" if obeyed else "was asked to pause"
        say(
            f"run {run.id} {how}; `bulkbind unpause {run.handle}` lets it go on",
            err=True,
        )


class Subject(NamedTuple):
    """What a name stands for."""

    state: StateFolder
    job: str
    ledger: str
    """The database of the job's ledger; empty: it has none."""
    run: RunFolder | None = None
    """None: the job."""


def find_subject(name: str, state_dir: Path | None) -> Subject:
    """Find a job by name, job file, manifest or saved plan; or a run.

    Raises:
        UnknownRun: Nothing goes by that name.
    """
    path = Path(name)
    if path.is_file():
        shared = options.gather(path, state_dir=state_dir)
        settings = _planned(path) if is_plan_file(path) else shared.load()
        return Subject(shared.state, settings.name, settings.ledger)
    state = options.runs_state(state_dir)
    for run in state.runs():
        facts = run.facts()
        if facts.job == name:
            return Subject(state, name, settings_of(facts).ledger)
    if find_hold(state, name, url=options.shared_ledger()):
        return Subject(state, name, options.shared_ledger())
    with suppress(UnknownRun):
        run = state.find(name)
        return Subject(StateFolder(run.state_path), run.facts().job, "", run)
    message = (
        f"no run and no job {name!r} in {state.path}; `bulkbind runs` lists both; a job"
        " may be named by its file, too"
    )
    raise UnknownRun(message)


def _planned(path: Path) -> JobSettings:
    with tempfile.TemporaryDirectory(prefix="bulkbind-") as folder:
        return thaw(open_plan(path, Path(folder)).facts().meta["settings"])
