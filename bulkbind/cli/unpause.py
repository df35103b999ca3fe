"""``bulkbind unpause``: release a job's hold."""

from pathlib import Path

import click

from bulkbind.cli import completing, options
from bulkbind.cli.pause import find_job
from bulkbind.cli.saying import say
from bulkbind.job.holds import release_hold


@click.command("unpause")
@click.argument("name", metavar="JOB", shell_complete=completing.jobs)
@options.state_dir
@options.quiet
def command(*, name: str, state_dir: Path | None, quiet: bool) -> int:
    """Release the hold that `undo` or `pause` put on a job.

    JOB is a job's name, a job file, a manifest or a saved plan.
    """
    state, job = find_job(name, state_dir)
    hold = release_hold(state, job)
    if hold is None:
        say(f"{job} is not on hold", err=True)
    elif not quiet:
        say(
            f"{job} may be run again; it was on hold since {hold.since}, by"
            f" {hold.holder}: {hold.why}",
            err=True,
        )
    return 0
