"""``bulkbind schedule``: cron and systemd text for a job, and its next runs."""

import getpass
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from bulkbind.cli import options
from bulkbind.cli.saying import say
from bulkbind.errors import SettingsError
from bulkbind.job.planfile import is_plan_file
from bulkbind.manifest import Source, refuse_missing
from bulkbind.schedule import (
    Schedule,
    Task,
    clock_remarks,
    crontab_text,
    next_runs,
    parse_schedule,
    unit_texts,
)
from bulkbind.schedule.expression import show

_SHOWN = 5


@click.command("schedule")
@click.argument("job", type=click.Path(path_type=Path), metavar="JOB")
@click.option(
    "--at",
    "expression",
    required=True,
    metavar="'M H DAY MONTH WEEKDAY'",
    help="When, as a crontab says it: '0 2 * * *' is every night at two.",
)
@click.option("--tz", metavar="ZONE", default="", help="Such as Europe/Zurich.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["cron", "systemd"]),
    default="cron",
    help="Lines for `crontab -e`, or a service and its timer.",
)
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    help="Where the credentials are; systemd: else /etc/bulkbind/JOB.env.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files into this folder.",
)
@options.state_dir
@options.quiet
@options.as_json
def command(
    *,
    job: Path,
    expression: str,
    tz: str,
    form: str,
    env_file: Path | None,
    output: Path | None,
    state_dir: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Show how JOB is run by itself: lines for cron or systemd, and the next runs.

    Nothing is installed. No credential is in the text: it names the file that holds
    them (mode 0600). Each tick is `run --resume -q`, silent while all is well.

    Exit codes: 0 shown or written; 2 JOB, expression or zone is wrong.
    """
    schedule = parse_schedule(expression, zone=_zone(tz))
    task = _task(job, state_dir=state_dir, env_file=env_file)
    now = datetime.now(UTC)
    skips = form == "systemd"
    runs = list(islice(next_runs(schedule, after=now, as_systemd=skips), _SHOWN))
    changes = clock_remarks(schedule, after=now, as_systemd=skips)
    remarks = [*(f"next: {show(run)}" for run in runs), *changes]
    files = _files(task, schedule, form=form, remarks=remarks)
    if as_json:
        document = {
            "format_version": "1.0",
            "job": task.name,
            "zone": schedule.zone.key,
            "files": files,
            "next": [run.isoformat() for run in runs],
            "clock_changes": changes,
        }
        say(json.dumps(document, indent=2, ensure_ascii=False))
    elif output is None:
        say("\n".join(files.values()).removesuffix("\n"))
    if output is not None:
        _write(files, output, quiet=quiet)
    if form == "cron" and schedule.zone.key != _own_zone() and not quiet:
        say(
            f"warning: this machine's zone is {_own_zone()}. cronie obeys CRON_TZ;"
            " Debian's and Ubuntu's cron does not, and would take its own zone: use"
            " --format systemd there",
            err=True,
        )
    return 0


def _files(
    task: Task, schedule: Schedule, *, form: str, remarks: list[str]
) -> Mapping[str, str]:
    if form == "systemd":
        return unit_texts(task, schedule, remarks=remarks)
    is_foreign = schedule.zone.key != _own_zone()
    text = crontab_text(task, schedule, remarks=remarks, names_zone=is_foreign)
    return {f"bulkbind-{task.slug}.crontab": text}


def _task(job: Path, *, state_dir: Path | None, env_file: Path | None) -> Task:
    """Check the job, and make every path absolute.

    Raises:
        ManifestError: There is no such file.
        SettingsError: It is no job that could be run at every tick.
    """
    if str(job) == "-" or (job.is_file() and is_plan_file(job)):
        problem = f"{job}: only a job file or a manifest can be run at every tick"
        raise SettingsError([problem])
    settings = options.gather(job, state_dir=state_dir).load()
    refuse_missing([Source(str(job), job)])
    path = job.resolve()
    task = Task(
        name=settings.name,
        program=_program(),
        job=str(path),
        folder=str(path.parent),
        user=getpass.getuser(),
        state_dir=str(state_dir.resolve()) if state_dir else "",
        env_file=str(env_file.resolve()) if env_file else "",
    )
    for text in (task.name, task.job, task.state_dir, task.env_file, *task.program):
        if not text.isprintable():
            problem = f"{text!r}: a name that cannot be shown does not fit into a line"
            raise SettingsError([problem])
    return task


def _program() -> tuple[str, ...]:
    """Return what started this process, by its absolute path."""
    started = Path(sys.argv[0]).absolute()
    if started.name == "bulkbind" and os.access(started, os.X_OK):
        return (str(started),)
    return (sys.executable, "-m", "bulkbind")


def _zone(name: str) -> ZoneInfo:
    """Return a zone by name; this machine's if none is given.

    Raises:
        SettingsError: There is no such zone.
    """
    wanted = name or _own_zone()
    try:
        return ZoneInfo(wanted)
    except (KeyError, ValueError, OSError) as error:
        problem = (
            f"--tz {wanted!r}: no such zone; name one such as Europe/Zurich or"
            " Asia/Shanghai (this machine's list: /usr/share/zoneinfo, package tzdata)"
        )
        raise SettingsError([problem]) from error


def _own_zone() -> str:
    """Return the name of this machine's zone; UTC where it has no name."""
    named = os.environ.get("TZ", "").removeprefix(":")
    if named:
        return named
    link = os.path.realpath("/etc/localtime")
    _, found, zone = link.partition("/zoneinfo/")
    return zone.removeprefix("Etc/").removeprefix("posix/") if found else "UTC"


def _write(files: Mapping[str, str], folder: Path, *, quiet: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        problem = f"{folder}: cannot be written ({error.strerror}); choose another"
        raise SettingsError([problem]) from error
    if not quiet:
        say(f"wrote {', '.join(str(folder / name) for name in files)}", err=True)
