"""When one invocation must have stopped sending: its deadline, and its window's end."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from bulkbind.errors import OutsideWindow
from bulkbind.model import Deadline, Window
from bulkbind.model.window import zone_of

DEADLINE = "deadline"
WINDOW = "window"


class End(NamedTuple):
    """A moment after which nothing more is sent."""

    at: float
    """Seconds since the epoch."""
    rule: str
    """``deadline`` or ``window``: what the run is stopped by."""
    why: str
    """In a sentence, without its full stop."""


#: From here on a wait is said in hours: "75 minutes" reads better than "1.3 hours".
_LONG_MIN = 90


@dataclass(frozen=True, slots=True)
class Hours:
    """The ends of one invocation, the earliest first."""

    ends: tuple[End, ...] = ()

    def due(self, now: float) -> End | None:
        """Return the end that has come; None: none has.

        Args:
            now: Seconds since the epoch.
        """
        return self.ends[0] if self.ends and now >= self.ends[0].at else None

    def left_s(self, now: float) -> float | None:
        """Return the seconds until the first end; None: there is none."""
        return max(0.0, self.ends[0].at - now) if self.ends else None


def hours_of(
    job: str, *, deadline: Deadline | None, window: Window | None, now: float
) -> Hours:
    """Return the ends of an invocation that begins now.

    Args:
        job: The job's name, for the message.
        deadline: None: it may take as long as it takes.
        window: None: it may send at any time.
        now: Seconds since the epoch.

    Raises:
        OutsideWindow: The window is not open.
    """
    began = datetime.fromtimestamp(now, UTC)
    ends = []
    if window is not None:
        is_open, until = window.phase(began)
        if not is_open:
            raise OutsideWindow(_closed(job, window, until, began))
        if until is not None:
            why = f"its window ({window}) closed at {moment_text(until, window.zone)}"
            ends.append(End(until.timestamp(), WINDOW, why))
    if deadline is not None:
        at = deadline.instant(began)
        why = f"its deadline ({deadline}) came at {moment_text(at, deadline.zone)}"
        ends.append(End(at.timestamp(), DEADLINE, why))
    return Hours(tuple(sorted(ends)))


def moment_text(moment: datetime, zone: str) -> str:
    """Write a moment by the clock of a zone; UTC if none is named."""
    local = moment.astimezone(zone_of(zone or "UTC"))
    return f"{local:%Y-%m-%d %H:%M} {zone or 'UTC'}"


def _closed(job: str, window: Window, opens: datetime | None, now: datetime) -> str:
    when = "and never opens"
    if opens is not None:
        minutes = (opens - now).total_seconds() / 60
        is_long = minutes >= _LONG_MIN
        wait = f"{minutes / 60:.1f} hours" if is_long else f"{minutes:.0f} minutes"
        when = f"and opens at {moment_text(opens, window.zone)}, in {wait}"
    return f"{job}: the window ({window}) is closed {when}"
