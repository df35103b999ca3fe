"""A cron expression: what it may be, when it comes next, what clock changes do to it.

cronsim reads it as Debian's cron does. What cronsim takes beyond that (seconds, ``L``,
``#``) is refused here, because no crontab would take it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from bulkbind.errors import SettingsError

_REMEDY = (
    'write five fields, minute hour day month weekday, such as --at "0 2 * * *"'
    ' (every night at two) or --at "30 4 * * mon-fri"'
)
_TERM = r"(?:\*(?:/\d+)?|\d+|[a-z]{3}|(?:\d+|[a-z]{3})-(?:\d+|[a-z]{3})(?:/\d+)?)"
_FIELD = re.compile(rf"{_TERM}(?:,{_TERM})*", re.IGNORECASE)
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}

#: How far ahead a change of the clock is looked for: the next summer and winter time.
_AHEAD = timedelta(days=370)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression that a crontab takes, and the zone its times are in."""

    expression: str
    """Five fields with one blank between them."""
    zone: ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is run by itself."""

    name: str
    """The job's, for people."""
    program: Sequence[str]
    """What starts bulkbind: an absolute path, or an interpreter and its arguments."""
    job: str
    """Absolute path of a job file or manifest."""
    folder: str
    """Absolute path of the folder that it is run in."""
    user: str
    """Whose credentials and runs they are."""
    state_dir: str = ""
    """Absolute path of STATE; empty: where it is by default."""
    env_file: str = ""
    """Absolute path of the file with the credentials; empty: where it is by default."""

    @property
    def command(self) -> tuple[str, ...]:
        """The form of ``run`` that is meant for cron, without STATE."""
        return (*self.program, "run", self.job, "--resume", "-q")

    @property
    def slug(self) -> str:
        """The name as a unit's name can hold it: 1-64 of ``[A-Za-z0-9_-]``."""
        kept = re.sub(r"[^A-Za-z0-9_-]+", "-", self.name).strip("-")
        return kept[-64:].strip("-") or "job"


def parse_schedule(expression: str, *, zone: ZoneInfo) -> Schedule:
    """Check a cron expression.

    Raises:
        SettingsError: A crontab would not take it, or it never comes.
    """
    fields = expression.split()
    if len(fields) == 1 and fields[0].lower() in _NICKNAMES:
        fields = _NICKNAMES[fields[0].lower()].split()
    schedule = Schedule(" ".join(fields), zone)
    problem = _problem(fields) or _never(schedule)
    if problem:
        raise SettingsError([f"--at {expression!r}: {problem}; {_REMEDY}"])
    return schedule


def _problem(fields: Sequence[str]) -> str:
    if len(fields) != 5:  # noqa: PLR2004 - a crontab's fields
        return f"{len(fields)} fields, and a crontab has 5"
    for field in fields:
        if not _FIELD.fullmatch(field):
            return f"{field!r} is nothing a crontab takes"
    try:
        CronSim(" ".join(fields), datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        return str(error).lower()
    return ""


def _never(schedule: Schedule) -> str:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    found = next(CronSim(schedule.expression, start), None)
    return "" if found else "that day never comes"


def next_runs(
    schedule: Schedule, *, after: datetime, as_systemd: bool = False
) -> Iterator[datetime]:
    """Yield when it comes next, in the schedule's zone, without end.

    Args:
        schedule: What and where.
        after: Aware; the first one is later.
        as_systemd: False, as cron does: a fixed time that a change of the clock leaves
            out comes right after the gap; an hourly one comes by the real time, also
            twice. True, as systemd does: what is left out does not come, and what the
            clock shows twice comes once.
    """
    local = after.astimezone(schedule.zone)
    for moment in CronSim(schedule.expression, local):
        if as_systemd and (moment.fold or not _is_named(schedule, moment)):
            continue
        yield moment


def _is_named(schedule: Schedule, moment: datetime) -> bool:
    """Tell whether the expression names the wall time, and it was not moved there."""
    wall = moment.replace(tzinfo=None)
    before = wall - timedelta(seconds=1)
    return next(CronSim(schedule.expression, before)) == wall


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of the clock."""

    at: datetime
    """UTC."""
    before: datetime
    """What the clock shows then, naive."""
    after: datetime
    """What it is set to, naive."""

    def __str__(self) -> str:
        day = self.before.strftime("%Y-%m-%d")
        return f"{day} the clock goes from {self.before:%H:%M} to {self.after:%H:%M}"


def clock_remarks(
    schedule: Schedule, *, after: datetime, as_systemd: bool = False
) -> list[str]:
    """Say what the next two changes of the clock do to a schedule.

    Args:
        schedule: What and where.
        after: Aware; changes in the year after that.
        as_systemd: As in ``next_runs``.

    Returns:
        A sentence for each change: that a time does not exist or comes twice and what
        is done about it, or when the runs around it are.
    """
    return [
        _remark(schedule, change, as_systemd=as_systemd)
        for change in islice(_changes(schedule.zone, after.astimezone(UTC)), 2)
    ]


def _remark(schedule: Schedule, change: _Change, *, as_systemd: bool) -> str:
    first, last = sorted((change.before, change.after))
    hit = _named_between(schedule, first, last)
    just_before = change.at - timedelta(seconds=1)
    runs = next_runs(schedule, after=just_before, as_systemd=as_systemd)
    then = next(runs)
    if not hit:
        return f"{change}; the first run after it: {show(then)}"
    if change.before < change.after:
        is_moved = not _is_named(schedule, then)
        fate = f"it runs at {show(then)}" if is_moved else "it does not run then"
        return f"{change}, which leaves out {hit}: {fate}"
    twice = not as_systemd and _is_wild(schedule)
    fate = "it runs both times" if twice else "it runs the first time only"
    return f"{change}, which brings {hit} twice: {fate}"


def show(moment: datetime) -> str:
    """Write a run's time with its zone."""
    offset = moment.strftime("%z")
    return f"{moment:%a %Y-%m-%d %H:%M %Z} (UTC{offset[:3]}:{offset[3:5]})"


def _is_wild(schedule: Schedule) -> bool:
    """Tell whether cron goes by the real time only. Source: cron(8), Debian."""
    minute, hour = schedule.expression.split()[:2]
    return minute.startswith("*") or hour.startswith("*")


def _named_between(schedule: Schedule, first: datetime, last: datetime) -> str:
    """Return the wall times that are named in a gap or a fold; empty: none."""
    walls = CronSim(schedule.expression, first - timedelta(seconds=1))
    hits = list(islice(takewhile(lambda wall: wall < last, walls), 4))
    shown = ", ".join(f"{wall:%H:%M}" for wall in hits[:3])
    return f"{shown}, ..." if len(hits) > 3 else shown  # noqa: PLR2004


def _changes(zone: ZoneInfo, start: datetime) -> Iterator[_Change]:
    low = start
    while low < start + _AHEAD:
        high = low + timedelta(days=1)
        if _offset(zone, low) != _offset(zone, high):
            at = _moment_of_change(zone, low, high)
            before, after = _offset(zone, low), _offset(zone, high)
            wall = at.replace(tzinfo=None)
            yield _Change(at, wall + before, wall + after)
        low = high


def _moment_of_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """Return the first second with the new offset, which the day's end has."""
    seconds = int((high - low).total_seconds())
    least, most = 0, seconds
    while most - least > 1:
        middle = (least + most) // 2
        is_old = _offset(zone, low + timedelta(seconds=middle)) == _offset(zone, low)
        least, most = (middle, most) if is_old else (least, middle)
    return low + timedelta(seconds=most)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
