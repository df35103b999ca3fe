"""``bulkbind plan``: see before you act."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from bulkbind.cli import options
from bulkbind.cli.plans import plan_document, plan_lines, plan_markdown
from bulkbind.cli.progress import watching
from bulkbind.cli.saying import say
from bulkbind.errors import SettingsError
from bulkbind.job.looping import run_async
from bulkbind.job.planning import Plan
from bulkbind.job.planrows import planned_rows
from bulkbind.job.story import make_plan
from bulkbind.settings import JobSettings
from bulkbind.state.folders import RunFolder, StateFolder

BLIND = (
    "UNKNOWN: what is bound now was not read, so what these requests would REPLACE"
    " is not known; `plan --live` reads it"
)


@click.command("plan")
@options.source
@click.option(
    "--live/--offline",
    default=None,
    help="Read what is bound now, or nothing (default; with -o: --live).",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE.plan")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "jsonl", "md"]),
    default="table",
    help="jsonl: a line for each row; md: a comment for a merge request.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="With --live: exit 10 when there is something to do.",
)
@options.canary
@options.everywhere
def command(
    *,
    source: Path,
    live: bool | None,
    detailed_exitcode: bool,
    output: Path | None,
    form: str,
    quiet: bool,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - click's
) -> int:
    """Show what a run of SOURCE (a job file or a manifest) would send.

    Nothing is sent. Offline, no credential is needed; --live says what would be bound,
    what is so already, and whom it would displace.
    """
    shared = options.gather(source, **given)
    settings = shared.load()
    is_live = live if live is not None else output is not None and settings.live
    if detailed_exitcode and not is_live:
        problem = "--detailed-exitcode: what there is to do must be read; add --live"
        raise SettingsError([problem])
    plan = show_plan(
        settings,
        live_from=shared.state if is_live else None,
        save_as=output,
        form="json" if as_json else form,
        quiet=quiet,
    )
    if plan.totals.unknown:
        return 3
    return 10 if detailed_exitcode and is_live and plan.totals.requests else 0


def show_plan(
    settings: JobSettings,
    *,
    live_from: StateFolder | None,
    save_as: Path | None,
    form: str,
    quiet: bool,
) -> Plan:
    """Plan a job and print the plan."""
    with watching(quiet=quiet, sends=False) as around:
        plan = run_async(
            partial(
                make_plan,
                settings,
                around=around,
                live_from=live_from,
                save_as=save_as,
                look=_print_rows if form == "jsonl" else _nothing,
                progress=None if quiet else reading_progress,
            )
        )
    if not quiet or form != "table" or plan.totals.unknown:
        _print_plan(plan, form)
    for warning in plan.warnings:
        say(f"warning: {warning}", err=True)
    for gateway, why in plan.unread.items():
        say(f"warning: {gateway}: {why}", err=True)
    if save_as and not quiet:
        say(f"saved as {save_as}; `bulkbind run {save_as}` carries it out", err=True)
    if plan.found is None and not quiet:
        say(BLIND, err=True)
    return plan


def _nothing(_: RunFolder) -> None:
    """Look at nothing."""


def _print_rows(run: RunFolder) -> None:
    for row in planned_rows(run):
        say(json.dumps(row, ensure_ascii=False))


def _print_plan(plan: Plan, form: str) -> None:
    if form == "json":
        say(json.dumps(plan_document(plan), indent=2, ensure_ascii=False))
    elif form == "md":
        say("\n".join(plan_markdown(plan)))
    elif form == "table":
        say("\n".join(plan_lines(plan)))


def reading_progress(rows: int) -> None:
    """Say how many rows were read, on a terminal and only there."""
    if rows and sys.stderr.isatty():
        click.echo(f"\rreading: {rows:,} rows", err=True, nl=False)  # numbers alone
