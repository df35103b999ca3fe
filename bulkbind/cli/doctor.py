"""``bulkbind doctor``: what would go wrong, before it does."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click

from bulkbind.cli import options
from bulkbind.doctor import Check, Grade, this_machine
from bulkbind.errors import SettingsError
from bulkbind.job.examining import Examined, examine
from bulkbind.job.folders import RunFolder, StateFolder
from bulkbind.job.planfile import is_plan_file
from bulkbind.job.reading import Surroundings
from bulkbind.settings import JobSettings, Overrides, installed_version, load_job

#: Files that are a JOB even if they are not there, so that this is what is said.
_SUFFIXES = frozenset({".toml", ".csv", ".tsv", ".json", ".jsonl", ".gz", ".zst"})


@click.command("doctor")
@click.argument(
    "what", type=click.Path(path_type=Path), metavar="[JOB|RUN]", required=False
)
@options.everywhere
def command(
    *,
    what: Path | None,
    quiet: bool,
    as_json: bool,
    state_dir: Path | None,
    **given: Any,  # noqa: ANN401 - click's
) -> int:
    """Look for what would go wrong; changes nothing, here or on a gateway.

    Of this machine: versions, disk, file system, permissions, git. Of JOB (a job file
    or a manifest; or --endpoint and --project-id) also each account's credential,
    endpoint, clock, project, and the rights that can be tried by reading: not the one to
    attach. Of RUN: whether its files still say what it wrote.

    Exit code 1: something is at fault.
    """
    if what is not None and is_plan_file(what):
        problem = f"{what}: a saved plan; name the job, or a run"
        raise SettingsError([problem])
    is_job = what is None or what.is_file() or what.suffix.lower() in _SUFFIXES
    shared = options.gather(what if is_job else None, state_dir=state_dir, **given)
    state, run, settings = shared.state, None, None
    if is_job:
        settings = _job(what, shared.overrides)
    else:
        run, state = _run(str(what), state_dir, shared.overrides)
    examined = anyio.run(
        partial(
            examine,
            settings,
            state=state,
            run=run,
            machine=this_machine(tool=installed_version()),
            around=Surroundings(),
        )
    )
    if as_json:
        text = json.dumps(doctor_document(examined), indent=2, ensure_ascii=False)
        click.echo(text)
    else:
        for line in doctor_lines(examined, quiet=quiet):
            click.echo(line)
    return examined.exit_code


def _job(source: Path | None, overrides: Overrides) -> JobSettings | None:
    """Read the job; without one, an endpoint makes an account to be looked at."""
    settings = load_job(source, overrides, environ=os.environ, needs_manifest=False)
    if source is not None:
        return settings
    has_endpoint = any(account.endpoint for account in settings.accounts.values())
    return replace(settings, manifest=()) if has_endpoint else None


def _run(
    name: str, state_dir: Path | None, overrides: Overrides
) -> tuple[RunFolder, StateFolder]:
    if overrides != Overrides():
        problem = f"{name}: a run; only --state-dir, -q and --json go with it"
        raise SettingsError([problem])
    run = options.runs_state(state_dir).find(name)
    return run, StateFolder(run.state_path)


def doctor_lines(examined: Examined, *, quiet: bool) -> Iterator[str]:
    """Write a line for each check, and one for all; quiet: of those that are not ok."""
    for check in examined.checks:
        if not quiet or check.grade is not Grade.OK:
            yield _line(check)
    if not quiet:
        faults, warnings = examined.count(Grade.FAULT), examined.count(Grade.WARNING)
        yield f"{len(examined.checks)} checks: {faults} faults, {warnings} warnings"


def _line(check: Check) -> str:
    what = f"{check.name} {check.of}".rstrip()
    remedy = f"; {check.remedy}" if check.remedy else ""
    return f"{check.grade:<8} {what}: {check.found}{remedy}"


def doctor_document(examined: Examined) -> dict[str, object]:
    """Return the checks as the JSON document of ``doctor --json``."""
    return {
        "format_version": "1.0",
        "exit_code": examined.exit_code,
        "faults": examined.count(Grade.FAULT),
        "warnings": examined.count(Grade.WARNING),
        "checks": [
            {
                "check": check.name,
                "of": check.of,
                "grade": check.grade.value,
                "found": check.found,
                "remedy": check.remedy,
            }
            for check in examined.checks
        ],
    }
