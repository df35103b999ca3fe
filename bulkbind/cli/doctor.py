"""``bulkbind doctor``: what would go wrong, before it does."""

import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from bulkbind.cli import completing, options
from bulkbind.cli.saying import say
from bulkbind.cli.words import count
from bulkbind.doctor import Check, Grade, examine, this_machine
from bulkbind.errors import SettingsError
from bulkbind.job.errand import Surroundings
from bulkbind.job.looping import run_async
from bulkbind.job.planfile import is_plan_file
from bulkbind.settings import JobSettings, Overrides, installed_version, load_job
from bulkbind.state.folders import RunFolder, StateFolder

#: Files that are a JOB even if they are not there, so that this is what is said.
_SUFFIXES = frozenset({".toml", ".csv", ".tsv", ".json", ".jsonl", ".gz", ".zst"})

_BAD = frozenset({Grade.WARNING, Grade.FAULT})


@click.command("doctor")
@click.argument(
    "what",
    type=click.Path(path_type=Path),
    metavar="[JOB|RUN]",
    required=False,
    shell_complete=completing.runs,
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
    """Look for what would go wrong; changes nothing on a gateway or in STATE.

    Of this machine: versions, disk, file system, permissions, git, and which credential
    is found. Of JOB (a job file or a manifest; or --endpoint and --project-id) each
    account's credential, endpoint, clock, project, and the rights that can be tried by
    reading: not the one to attach. Of RUN: whether its files still say what it wrote.

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
    checks = examine(
        settings,
        state=state,
        run=run,
        machine=this_machine(tool=installed_version()),
        around=Surroundings(),
    )
    found = run_async(partial(_hear, checks, quiet=quiet, as_json=as_json))
    return _exit_code(found)


async def _hear(
    checks: AsyncIterator[Check], *, quiet: bool, as_json: bool
) -> list[Check]:
    """Show checks as they come, or all of them as one document; return them."""
    found: list[Check] = []
    heading = ""
    async for check in checks:
        found.append(check)
        if as_json or (quiet and check.grade not in _BAD):
            continue
        if check.of != heading:
            heading = check.of
            say(heading)
        for line in _lines(check):
            say(line)
    if as_json:
        say(json.dumps(_document(found), indent=2, ensure_ascii=False))
    elif not quiet:
        faults, warnings = _count(found, Grade.FAULT), _count(found, Grade.WARNING)
        counted = f"{count(faults, 'fault')}, {count(warnings, 'warning')}"
        say(f"{count(len(found), 'check')}: {counted}")
    return found


def _lines(check: Check) -> Iterator[str]:
    yield f"  {check.grade:<8} {check.name:<12} {check.found}"
    if check.remedy:
        yield f"{'':<24}-> {check.remedy}"


def _document(checks: Sequence[Check]) -> dict[str, object]:
    """Return the JSON document of ``doctor --json``."""
    return {
        "format_version": "1.0",
        "exit_code": _exit_code(checks),
        "faults": _count(checks, Grade.FAULT),
        "warnings": _count(checks, Grade.WARNING),
        "checks": [
            {
                "check": check.name,
                "of": check.of,
                "grade": check.grade.value,
                "found": check.found,
                "remedy": check.remedy,
            }
            for check in checks
        ],
    }


def _exit_code(checks: Sequence[Check]) -> int:
    """1: something is at fault. Source: DESIGN, section 7."""
    return 1 if _count(checks, Grade.FAULT) else 0


def _count(checks: Sequence[Check], grade: Grade) -> int:
    return sum(check.grade is grade for check in checks)


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
