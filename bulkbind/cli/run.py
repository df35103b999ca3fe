"""``bulkbind run``: plan a job and carry the plan out."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from bulkbind.cli import options
from bulkbind.cli.outcome import answer
from bulkbind.cli.plan import reading_progress, show_plan
from bulkbind.cli.progress import watching
from bulkbind.cli.saying import say
from bulkbind.errors import SettingsError
from bulkbind.job.looping import run_async
from bulkbind.job.planfile import is_plan_file
from bulkbind.job.signalling import Outcome
from bulkbind.job.story import RunOptions, run_job, run_plan_file
from bulkbind.settings import JobSettings, revise

BLIND = (
    "warning: this run sends without reading what is bound now; a plug-in of the same"
    " type that is there is replaced, which one it was cannot be told afterwards, and"
    " the run cannot be undone"
)


@click.command("run")
@options.source
@click.option(
    "--resume",
    is_flag=True,
    help="Finish an unfinished run of the same job and manifest, if there is one.",
)
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--unbind", is_flag=True, help="Detach what SOURCE names instead.")
@click.option(
    "--live/--no-live", default=None, help="Read what is bound first (default)."
)
@click.option("--rebind", is_flag=True, help="Send what is already so, too.")
@click.option("--verify", is_flag=True, help="Read back what was done at the end.")
@click.option(
    "--on-replace",
    type=click.Choice(["stop", "skip", "allow"]),
    help="What to do where another plug-in of the type is bound (default: stop).",
)
@click.option("--max-replace", metavar="N|N%", help="Displace no more than this.")
@click.option("--expect", metavar="DIGEST", default="", help="Refuse another plan.")
@click.option("--note", metavar="TEXT", help="Kept with the run, for people.")
@options.canary
@options.everywhere
def command(
    *,
    source: Path,
    resume: bool,
    dry_run: bool,
    expect: str,
    quiet: bool,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - click's
) -> int:
    """Bind what SOURCE asks for: a job file, a manifest or a saved plan (FILE.plan)."""
    shared = options.gather(source, **given)
    run_options = RunOptions(
        resume=resume,
        expect=expect,
        progress=None if quiet else reading_progress,
    )
    if is_plan_file(shared.source):
        if dry_run or resume:
            problem = "--dry-run and --resume are for jobs and manifests, not for plans"
            raise SettingsError([problem])
        return _finish(_run_plan(shared, run_options, quiet=quiet), as_json, quiet)
    settings = shared.load()
    if dry_run:
        plan = show_plan(
            settings,
            live_from=shared.state if settings.live else None,
            save_as=None,
            form="json" if as_json else "table",
            quiet=quiet,
        )
        return 3 if plan.totals.unknown else 0
    return _finish(_run_job(settings, shared, run_options, quiet=quiet), as_json, quiet)


def _run_job(
    settings: JobSettings, shared: options.Given, wanted: RunOptions, *, quiet: bool
) -> Outcome:
    with watching(quiet=quiet) as around:
        if not settings.live and not quiet:
            say(BLIND, err=True)
        return run_async(
            partial(
                run_job, settings, state=shared.state, around=around, options=wanted
            )
        )


def _run_plan(shared: options.Given, wanted: RunOptions, *, quiet: bool) -> Outcome:
    assert shared.source is not None  # noqa: S101 - a plan has a name
    with watching(quiet=quiet) as around:
        return run_async(
            partial(
                run_plan_file,
                shared.source,
                state=shared.state,
                around=around,
                change=partial(revise, overrides=shared.overrides),
                options=wanted,
            )
        )


def _finish(outcome: Outcome, as_json: bool, quiet: bool) -> int:  # noqa: FBT001
    return answer(outcome, as_json=as_json, quiet=quiet)
