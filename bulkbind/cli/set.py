"""``bulkbind set``: another rate or concurrency for a run that is at work."""

import time
from collections.abc import Sequence
from pathlib import Path

import click

from bulkbind.cli import options
from bulkbind.cli.saying import say
from bulkbind.errors import SettingsError
from bulkbind.state.asking import set_run

_KEYS = ("rate", "concurrency")


@click.command("set")
@click.argument("run_name", metavar="RUN")
@click.argument("wishes", metavar="rate=N/W|concurrency=N...", nargs=-1, required=True)
@options.state_dir
@options.quiet
def command(
    *, run_name: str, wishes: Sequence[str], state_dir: Path | None, quiet: bool
) -> int:
    """Change how fast a run at work sends: `rate=5/s`, `concurrency=4`, or both.

    The rate holds for each account, concurrency for the process; until the run ends: a
    `resume` takes its settings anew. RUN is an id, the beginning of one, a job's name,
    a path, or `latest`.

    Exit codes: 0 asked; 2 no such run or setting, or it is not at work within
    reach, and nothing was written.
    """
    rate, concurrency = _read(wishes)
    run = options.runs_state(state_dir).find(run_name)
    obeyed = set_run(run, at=time.time(), rate=rate, concurrency=concurrency)
    if not quiet:
        how = "obeys" if obeyed else "was asked, and has not obeyed yet"
        say(f"run {run.id} {how}: {' '.join(wishes)}", err=True)
    return 0


def _read(wishes: Sequence[str]) -> tuple[tuple[int, float] | None, int | None]:
    """Read every ``KEY=VALUE``.

    Raises:
        SettingsError: One is none of ours, says nothing, or is given twice.
    """
    from bulkbind.settings.jobfile import check_job

    problems, pace = [], {}
    for wish in wishes:
        key, _, value = wish.partition("=")
        if key not in _KEYS or not value.strip():
            problems.append(f"{wish!r}: write rate=5/s or concurrency=4")
        elif key in pace:
            problems.append(f"{wish!r}: {key} is given twice; give it once")
        pace[key] = value
    if problems:
        raise SettingsError(problems)
    checked = check_job({"pace": pace}, where="set").pace
    rate = checked.rate if "rate" in pace else None
    return rate, checked.concurrency if "concurrency" in pace else None
