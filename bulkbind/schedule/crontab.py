"""A schedule as lines of a crontab. Source: crontab(5), Debian and cronie."""

import shlex
from collections.abc import Sequence

from bulkbind.errors import SettingsError
from bulkbind.schedule.expression import Schedule, Task

#: cron cuts off, or refuses, a longer command.
_MOST_LETTERS = 999


def crontab_text(
    task: Task, schedule: Schedule, *, remarks: Sequence[str], names_zone: bool
) -> str:
    """Return a job's lines for ``crontab -e``.

    The command is quoted for sh, and its ``%`` for cron, which makes newlines of them.

    Args:
        task: What is run.
        schedule: When.
        remarks: Said above the line, one comment each.
        names_zone: True: cron's own zone is another one; cronie is told of this one.

    Raises:
        SettingsError: The command is too long for cron.
    """
    command = _command(task)
    if len(command) > _MOST_LETTERS:
        problem = (
            f"the command has {len(command)} letters, and cron takes {_MOST_LETTERS};"
            " use shorter paths, or --format systemd"
        )
        raise SettingsError([problem])
    lines = [f"# {text}" for text in (f"bulkbind: {task.name}", *remarks)]
    if names_zone:
        lines.append(f"CRON_TZ={schedule.zone.key}")
    lines.append(f"{schedule.expression} {command}")
    return "\n".join(lines) + "\n"


def _command(task: Task) -> str:
    words = [*task.command]
    if task.state_dir:
        words += ["--state-dir", task.state_dir]
    steps = [f"cd {shlex.quote(task.folder)}"]
    if task.env_file:
        steps.append(f"set -a && . {shlex.quote(task.env_file)}")
    steps.append(f"exec {shlex.join(words)}")
    return " && ".join(steps).replace("%", r"\%")
