"""``bulkbind pause``: put a job on hold."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path

import click

from bulkbind.cli import completing, options
from bulkbind.cli.saying import say
from bulkbind.errors import SettingsError, UnknownRun
from bulkbind.job.facts import thaw
from bulkbind.job.folders import StateFolder
from bulkbind.job.holds import find_hold, new_hold, place_hold, release_command
from bulkbind.job.planfile import is_plan_file, open_plan


@click.command("pause")
@click.argument("name", metavar="JOB", shell_complete=completing.jobs)
@click.option("--note", metavar="TEXT", default="", help="Why, for people.")
@options.state_dir
@options.quiet
def command(*, name: str, note: str, state_dir: Path | None, quiet: bool) -> int:
    """Put a job on hold: its `run` and `resume` send nothing and exit 3.

    JOB is a job's name, a job file, a manifest or a saved plan. A plan, a dry run, and
    an undo go on as ever.
    """
    state, job = find_job(name, state_dir)
    wanted = new_hold(job, now=time.time(), why=note or "paused by a person")
    hold = place_hold(state, wanted)
    if hold != wanted:
        say(
            f"{job} is on hold already since {hold.since}, by {hold.holder}:"
            f" {hold.why}",
            err=True,
        )
    elif not quiet:
        say(f"{job} is on hold; `{release_command(state, job)}` releases it", err=True)
    return 0


def find_job(name: str, state_dir: Path | None) -> tuple[StateFolder, str]:
    """Find a job by name, job file, manifest or saved plan.

    Returns:
        The STATE it belongs to, and its name.

    Raises:
        SettingsError: It is a run.
        UnknownRun: No job goes by that name.
    """
    path = Path(name)
    if path.is_file():
        shared = options.gather(path, state_dir=state_dir)
        job = _planned_job(path) if is_plan_file(path) else shared.load().name
        return shared.state, job
    state = options.runs_state(state_dir)
    if find_hold(state, name) or any(run.facts().job == name for run in state.runs()):
        return state, name
    with suppress(UnknownRun):
        run = state.find(name)
        problem = (
            f"{name!r} is a run of job {run.facts().job!r}: a run at work cannot be"
            " paused yet (Ctrl-C stops it, `bulkbind resume` goes on); name the job"
        )
        raise SettingsError([problem])
    message = (
        f"no job {name!r} in {state.path}; name a job of `bulkbind runs`, or a job file"
    )
    raise UnknownRun(message)


def _planned_job(path: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="bulkbind-") as folder:
        facts = open_plan(path, Path(folder)).facts()
        return thaw(facts.meta["settings"]).name
