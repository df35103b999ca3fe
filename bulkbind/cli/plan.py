"""``bulkbind plan``: see before you act."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from bulkbind.cli import options
from bulkbind.cli.words import plan_document, plan_lines
from bulkbind.errors import ManifestError, PlanConflict
from bulkbind.job.planning import Plan
from bulkbind.job.running import Surroundings
from bulkbind.job.story import make_plan
from bulkbind.settings import JobSettings

BLIND = (
    "UNKNOWN: what is bound now was not read, so what these requests would REPLACE"
    " is not known"
)


@click.command("plan")
@options.source
@click.option("--offline", is_flag=True, help="Read nothing from the gateway.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE.plan")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@options.everywhere
def command(
    *,
    source: Path,
    offline: bool,  # noqa: ARG001 - the only way so far
    output: Path | None,
    form: str,
    quiet: bool,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - click's
) -> int:
    """Show what a run of SOURCE (a job file or a manifest) would send.

    Nothing is sent, and no credential is needed.
    """
    settings = options.gather(source, **given).load()
    wants_json = as_json or form == "json"
    show_plan(settings, save_as=output, wants_json=wants_json, quiet=quiet)
    return 0


def show_plan(
    settings: JobSettings, *, save_as: Path | None, wants_json: bool, quiet: bool
) -> Plan:
    """Plan a job and print the plan."""
    try:
        plan = make_plan(
            settings,
            around=Surroundings(),
            save_as=save_as,
            progress=None if quiet else reading_progress,
        )
    except (ManifestError, PlanConflict) as error:
        if wants_json:
            _print_faults(error)
        raise
    if wants_json:
        click.echo(json.dumps(plan_document(plan), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(plan_lines(plan)))
    for warning in plan.warnings:
        click.echo(f"warning: {warning}", err=True)
    if save_as:
        click.echo(
            f"saved as {save_as}; `bulkbind run {save_as}` carries it out", err=True
        )
    click.echo(BLIND, err=True)
    return plan


def _print_faults(error: ManifestError | PlanConflict) -> None:
    document = {
        "format_version": "1.0",
        "fault_count": error.total,
        "faults": [fault._asdict() for fault in error.faults],
    }
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def reading_progress(rows: int) -> None:
    """Say how many rows were read, on a terminal and only there."""
    if rows and sys.stderr.isatty():
        click.echo(f"\rreading: {rows:,} rows", err=True, nl=False)
