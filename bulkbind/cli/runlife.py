"""``bulkbind runs archive`` and ``runs clean``: what becomes of old runs."""

import re
import sys
import time
from pathlib import Path

import click

from bulkbind.cli import completing, options
from bulkbind.cli.finding import whole_run
from bulkbind.cli.saying import say
from bulkbind.cli.words import count, table
from bulkbind.errors import SettingsError
from bulkbind.job.archiving import SUFFIX, archive_run, refuse_archived
from bulkbind.job.cleaning import Candidate, old_runs
from bulkbind.job.cleaning import clean as clean_run
from bulkbind.job.errand import Surroundings
from bulkbind.state.folders import StateFolder
from bulkbind.state.locking import working_on

_DAY_S = 86_400


@click.command("archive")
@click.argument("run_name", metavar="RUN", shell_complete=completing.runs)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="RUN.run."
)
@options.state_dir
@options.quiet
def archive(
    *, run_name: str, output: Path | None, state_dir: Path | None, quiet: bool
) -> int:
    """Write RUN into one file, which `report`, `verify` and `undo` take for a RUN.

    Exit codes: 0 written; 2 no such run, or it cannot be written; 75 it is at work.
    """
    run = whole_run(run_name, state_dir)
    refuse_archived(run, "archived again")
    path = output or Path(f"{run.id}{SUFFIX}")
    if path.suffix.lower() != SUFFIX:
        problem = f"-o {path}: an archived run is known by its ending: {path}{SUFFIX}"
        raise SettingsError([problem])
    state = StateFolder(run.state_path)
    with working_on(run.facts().job, state=state, now=time.time()):
        archive_run(run, path)
    if not quiet:
        say(f"wrote {path}; `bulkbind report {path}` reads it", err=True)
    return 0


@click.command("clean")
@click.option("--older-than", "age", metavar="DAYS", required=True, help="Such as 90d.")
@click.option("--job", default="", help="Only runs of this job.")
@click.option("--unfinished", is_flag=True, help="Also what could still be resumed.")
@click.option("-y", "--yes", is_flag=True, help="Do it; else a terminal is asked.")
@options.state_dir
@options.quiet
def clean(
    *,
    age: str,
    job: str,
    unfinished: bool,
    yes: bool,
    state_dir: Path | None,
    quiet: bool,
) -> int:
    """Remove ledgers and copies of old runs; their summaries and reports stay.

    A run that was cleaned cannot be resumed, verified or undone; `runs archive` first
    if it may have to be. A job's newest run stays as it is. A ledger in a database stays
    there; only what this host keeps of it goes.

    Exit codes: 0 cleaned, or nothing to clean; 2 not confirmed, or a run cannot be
    read; 75 somebody works on the job.
    """
    state = options.runs_state(state_dir)
    before = time.time() - _days(age) * _DAY_S
    found = old_runs(state, before=before, unfinished=unfinished)
    found = [one for one in found if job in {"", one.facts.job}]
    going = [one for one in found if not one.stays_because]
    if found and not quiet:
        say("\n".join(_lines(found)), err=True)
    if not going:
        if not quiet:
            say(f"there is nothing to clean in {state.path}", err=True)
        return 0
    _confirm(going, yes=yes)
    for one in going:
        clean_run(state, one.facts, around=Surroundings())
    if not quiet:
        say(f"cleaned {count(len(going), 'run')}, {_freed(going)}", err=True)
    return 0


def _lines(found: list[Candidate]) -> list[str]:
    header = ("run", "job", "#MB", "what becomes of it")
    rows = [
        (
            one.facts.folder.id,
            one.facts.job,
            f"{one.size / 1e6:,.1f}",
            f"stays: {one.stays_because}" if one.stays_because else "is cleaned",
        )
        for one in found
    ]
    return table(header, rows)


def _freed(going: list[Candidate]) -> str:
    return f"{sum(one.size for one in going) / 1e6:,.1f} MB"


def _confirm(going: list[Candidate], *, yes: bool) -> None:
    """Go on only if a person says so.

    Raises:
        SettingsError: Nobody did.
    """
    what = f"{count(len(going), 'run')}, {_freed(going)}"
    if yes or (sys.stdin.isatty() and click.confirm(f"clean {what}?", err=True)):
        return
    raise SettingsError([f"nothing was cleaned ({what}); --yes does it"])


def _days(text: str) -> int:
    found = re.fullmatch(r"(\d{1,5}) ?(d|days?)?", text.strip())
    if not found:
        problem = f'--older-than {text!r}: write a number of days, such as "90d"'
        raise SettingsError([problem])
    return int(found[1])
