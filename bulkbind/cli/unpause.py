"""``bulkbind unpause``: release a job's hold, or let a run go on."""

from pathlib import Path

import click

from bulkbind.cli import completing, options
from bulkbind.cli.pause import find_subject
from bulkbind.cli.saying import say
from bulkbind.state.asking import unpause_run
from bulkbind.state.folders import RunFolder
from bulkbind.state.holds import release_hold


@click.command("unpause")
@click.argument("name", metavar="RUN|JOB", shell_complete=completing.subjects)
@options.state_dir
@options.quiet
def command(*, name: str, state_dir: Path | None, quiet: bool) -> int:
    """Let a paused run go on, or release the hold that `undo` or `pause` put on a job.

    RUN is an id, the beginning of one, a path, or `latest`; JOB a job's name, a job
    file, a manifest or a saved plan.

    Exit codes: 0 it may go on; 2 no such run or job.
    """
    subject = find_subject(name, state_dir)
    if subject.run is not None:
        _unpause(subject.run, quiet=quiet)
        return 0
    job = subject.job
    hold = release_hold(subject.state, job, url=subject.ledger)
    if hold is None:
        say(f"{job} is not on hold", err=True)
    elif not quiet:
        say(
            f"{job} may be run again; it was on hold since {hold.since}, by"
            f" {hold.holder}: {hold.why}",
            err=True,
        )
    return 0


def _unpause(run: RunFolder, *, quiet: bool) -> None:
    if not unpause_run(run):
        say(f"run {run.id} is not paused", err=True)
    elif not quiet:
        say(f"run {run.id} goes on", err=True)
