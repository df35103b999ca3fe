"""A schedule as a systemd service and its timer.

Source: systemd.service(5), systemd.exec(5), systemd.timer(5), systemd.time(7).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from cronsim import CronSim

from bulkbind.schedule.expression import Schedule, Task

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")

_SERVICE = """\
{remarks}
[Unit]
Description=bulkbind: {name}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={user}
WorkingDirectory={folder}
# Credentials, such as BULKBIND_TOKEN=..., in a file with mode 0600; never here.
EnvironmentFile={env_file}
{state}
UMask=0077
ExecStart={command}
# 75: another process works on the job. 143: `systemctl stop`. Neither is a failure.
# 3 is one, so that it is seen: some rows are not sent, and the next tick goes on.
SuccessExitStatus=75 143
# What is out is awaited before it ends.
TimeoutStopSec=5min
NoNewPrivileges=true
PrivateTmp=true
"""

_STATE = """\
# Its runs: `bulkbind status --state-dir /var/lib/bulkbind/{slug}`
StateDirectory=bulkbind/{slug}
StateDirectoryMode=0700
Environment="BULKBIND_STATE_DIR=%S/bulkbind/{slug}\""""

_TIMER = """\
{remarks}
[Unit]
Description=bulkbind: {name}, by the clock

[Timer]
{calendar}
# A tick that the machine slept through is made up for.
Persistent=true
RandomizedDelaySec=5min
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def unit_texts(
    task: Task, schedule: Schedule, *, remarks: Sequence[str]
) -> Mapping[str, str]:
    """Return a job's service and timer by file name.

    Args:
        task: What is run.
        schedule: When.
        remarks: Said in the timer, one comment each.
    """
    unit = f"bulkbind-{task.slug}"
    enable = (
        f"# sudo systemctl daemon-reload && sudo systemctl enable --now {unit}.timer"
    )
    service = _SERVICE.format(
        remarks=f"# /etc/systemd/system/{unit}.service",
        name=_literal(task.name),
        user=_literal(task.user),
        folder=_literal(task.folder),
        env_file=_literal(task.env_file or f"-/etc/bulkbind/{task.slug}.env"),
        state=_state(task),
        command=_command(task.command),
    )
    timer = _TIMER.format(
        remarks="\n".join(
            [
                f"# /etc/systemd/system/{unit}.timer",
                enable,
                *(f"# {text}" for text in remarks),
            ]
        ),
        name=_literal(task.name),
        calendar="\n".join(f"OnCalendar={text}" for text in calendar_lines(schedule)),
    )
    return {f"{unit}.service": service, f"{unit}.timer": timer}


def calendar_lines(schedule: Schedule) -> list[str]:
    """Return a schedule as calendar events; they come when any of them does.

    A crontab whose day and weekday are both restricted means either of them; an event
    means both, so that such a crontab is two events.
    """
    found = CronSim(schedule.expression, datetime(2000, 1, 1, tzinfo=UTC))
    days = _numbers(found.days, 31)
    weekdays = _weekdays(found.weekdays)
    pairs = [(weekdays, days)]
    if not found.day_and:
        pairs = [("", days), (weekdays, "*")]
    month = _numbers(found.months, 12)
    hour, minute = _numbers(found.hours, 24), _numbers(found.minutes, 60)
    return [
        f"{weekday} *-{month}-{day} {hour}:{minute}:00 {schedule.zone.key}".strip()
        for weekday, day in pairs
    ]


def _numbers(found: Collection[int], full: int) -> str:
    return "*" if len(found) == full else ",".join(f"{n:02}" for n in sorted(found))


def _weekdays(found: Collection[object]) -> str:
    numbers = {int(str(day)) % 7 for day in found}
    if len(numbers) == len(_DAYS):
        return ""
    return ",".join(_DAYS[number] for number in sorted(numbers))


def _state(task: Task) -> str:
    if task.state_dir:
        return f"Environment={_quoted(f'BULKBIND_STATE_DIR={task.state_dir}')}"
    return _STATE.format(slug=task.slug)


def _command(words: Sequence[str]) -> str:
    """Quote a command; a variable is put in everywhere but for the programme."""
    program, *arguments = words
    rest = [_quoted(word.replace("$", "$$")) for word in arguments]
    return " ".join([_quoted(program), *rest])


def _quoted(text: str) -> str:
    escaped = _literal(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _literal(text: str) -> str:
    """Keep ``%`` from being a specifier."""
    return text.replace("%", "%%")
