"""``bulkbind stop``: end a run that is at work."""

import time
from pathlib import Path

import click

from bulkbind.cli import options
from bulkbind.cli.saying import say
from bulkbind.state.asking import stop_run


@click.command("stop")
@click.argument("run_name", metavar="RUN")
@click.option(
    "--now", is_flag=True, help="Abandon what is out: it is unconfirmed then."
)
@click.option("--wait", is_flag=True, help="Return when the run has ended.")
@options.state_dir
@options.quiet
def command(
    *, run_name: str, now: bool, wait: bool, state_dir: Path | None, quiet: bool
) -> int:
    """Stop a run at work: what is out is answered and recorded, nothing more leaves.

    RUN is an id, the beginning of one, a job's name, a path, or `latest`. The run exits
    3, and only `bulkbind resume` goes on with it: `run --resume` sends nothing.

    Exit codes: 0 asked (--wait: it has ended); 2 no such run, or it is not at work
    within reach, and nothing was written.
    """
    run = options.runs_state(state_dir).find(run_name)
    ended = stop_run(run, at=time.time(), now=now, wait=wait)
    if not quiet:
        how = "has ended" if ended else "was asked to stop"
        say(f"run {run.id} {how}; `bulkbind resume {run.handle}` goes on", err=True)
    return 0
