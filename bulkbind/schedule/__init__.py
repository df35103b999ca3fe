"""When a job is run by itself: cron and systemd text, and the next times.

Pure: text and times in, text and times out. Nothing here reads a clock or a file.
"""

from bulkbind.schedule.crontab import crontab_text
from bulkbind.schedule.expression import (
    Schedule,
    Task,
    clock_remarks,
    next_runs,
    parse_schedule,
)
from bulkbind.schedule.units import calendar_lines, unit_texts

__all__ = [
    "Schedule",
    "Task",
    "calendar_lines",
    "clock_remarks",
    "crontab_text",
    "next_runs",
    "parse_schedule",
    "unit_texts",
]
