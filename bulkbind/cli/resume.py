"""``bulkbind resume``: go on with a run."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from bulkbind.cli import completing, options
from bulkbind.cli.finding import find_run
from bulkbind.cli.outcome import answer
from bulkbind.cli.progress import watching
from bulkbind.cli.saying import say
from bulkbind.job.archiving import refuse_archived
from bulkbind.job.keeping import refuse_little
from bulkbind.job.looping import run_async
from bulkbind.job.story import resume_run
from bulkbind.settings import Overrides, ledger_url, revise
from bulkbind.state.adopting import adopt_run
from bulkbind.state.folders import Kept, StateFolder


@click.command("resume")
@click.argument("run_name", metavar="RUN", shell_complete=completing.runs)
@click.option("--failed", is_flag=True, help="Take the failed rows, too.")
@options.pacing
@options.state_dir
@options.quiet
@options.as_json
def command(
    *,
    run_name: str,
    failed: bool,
    state_dir: Path | None,
    quiet: bool,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - click's
) -> int:
    """Send what a run did not come to, and what is unconfirmed.

    RUN is an id or a unique beginning of one, a job's name, a path, or `latest`.
    Neither job file nor manifest is needed. With --set cluster.ledger=URL a run's id is
    enough on any host: its plan is fetched from the database.
    """
    overrides = options.gather(None, state_dir=state_dir, **given).overrides
    overrides, url = _without_ledger(overrides)
    if url:
        run = adopt_run(options.runs_state(state_dir), run_name, url=url)
    else:
        run = find_run(run_name, state_dir)
    if run.facts().kept is Kept.SUMMARY:
        say(f"run {run.id}: nothing is left to do", err=True)
        return 0
    refuse_archived(run, "resumed")
    refuse_little(run)
    with watching(quiet=quiet) as around:
        outcome = run_async(
            partial(
                resume_run,
                run,
                state=StateFolder(run.state_path),
                around=around,
                change=partial(revise, overrides=overrides),
                failed=failed,
            )
        )
    return answer(outcome, as_json=as_json, quiet=quiet)


def _without_ledger(overrides: Overrides) -> tuple[Overrides, str]:
    """Take out where the run is: that is no change of its plan."""
    values = dict(overrides.values)
    url = ledger_url(values.pop("cluster.ledger", ""))
    return replace(overrides, values=values), url
