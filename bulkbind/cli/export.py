"""``bulkbind export``: what is bound now, or could be, as a manifest."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from bulkbind.cli import options
from bulkbind.cli.progress import watching
from bulkbind.cli.saying import say
from bulkbind.cli.words import duration
from bulkbind.job.exporting import ExportWish, Harvested, export_manifest
from bulkbind.job.looping import run_async
from bulkbind.settings import JobSettings, load_job


@click.command("export")
@click.argument("job", type=click.Path(path_type=Path), metavar="[JOB]", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    required=True,
    help="Named .csv or .jsonl, with .gz behind it to compress.",
)
@click.option(
    "--apis",
    is_flag=True,
    help="Every API where it is published instead, to fill in the plug-in.",
)
@options.everywhere
def command(
    *,
    job: Path | None,
    output: Path,
    apis: bool,
    quiet: bool,
    as_json: bool,
    only: tuple[str, ...],
    **given: Any,  # noqa: ANN401 - click's
) -> int:
    """Write what is bound now as a manifest that `plan --live` calls unchanged.

    JOB (a job file or a manifest) gives account, endpoint and project, and its manifest
    the gateways; without one, name them with --endpoint and --project-id, and every
    gateway of the project is read. --only takes columns of the export. Nothing is sent.

    Exit code 3: a gateway could not be read, and its rows are not all in the file.
    """
    shared = options.gather(job, **given)
    wanted = options.only_pairs(only)
    settings = load_job(
        shared.source, shared.overrides, environ=os.environ, needs_manifest=False
    )
    wish = ExportWish(
        out=output,
        apis=apis,
        only=[(column, sorted(values)) for column, values in wanted],
        tell=_silent if quiet else _tell,
    )
    with watching(quiet=quiet, sends=False) as around:
        done = run_async(
            partial(
                export_manifest,
                _without_stdin(settings),
                wish=wish,
                state=shared.state,
                around=around,
            )
        )
    _say(done, apis=apis, quiet=quiet, as_json=as_json)
    return 3 if done.unread else 0


def _without_stdin(settings: JobSettings) -> JobSettings:
    """Without a JOB there is no manifest either."""
    return settings if settings.source is not None else replace(settings, manifest=())


def _say(done: Harvested, *, apis: bool, quiet: bool, as_json: bool) -> None:
    for gateway, why in done.unread.items():
        say(f"warning: {gateway}: {why}", err=True)
    if done.unread:
        say("the export is NOT COMPLETE: see the warnings", err=True)
    if as_json:
        say(json.dumps(_document(done), indent=2, ensure_ascii=False))
    elif done.path is None:
        say("nothing could be read, and nothing was written", err=True)
    elif done.unread or not quiet:
        what = "published APIs" if apis else "bindings"
        say(
            f"{done.rows:,} {what} of {done.gateways:,} gateways in {done.path}"
            f" ({done.reads:,} pages, {duration(done.seconds)})"
        )
    if apis and done.rows and not quiet:
        say(
            f"plugin_id is empty in every row: fill it in, and drop the rows that shall"
            f" have none; or give all of them one: `bulkbind plan {done.path} --default"
            " plugin_id=ID --set plan.fill_blank=true`",
            err=True,
        )


def _document(done: Harvested) -> dict[str, object]:
    return {
        "format_version": "1.0",
        "file": str(done.path) if done.path else "",
        "rows": done.rows,
        "gateways": done.gateways,
        "complete": not done.unread,
        "unread_gateways": dict(done.unread),
        "reads": done.reads,
        "seconds": round(done.seconds, 3),
    }


def _tell(text: str) -> None:
    say(text, err=True)


def _silent(_: str) -> None:
    """Say nothing."""
