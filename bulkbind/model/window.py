"""When a job may send: a maintenance window, and a deadline. Values; no clock in them.

A window is what a wall clock in a named zone shows, so that it moves with summer time.
An hour that a clock skips or shows twice has one meaning: a window opens, and closes, at
the first instant at which the clock shows that time or a later one. What opens and
closes within a skipped hour is empty that day. The only thing that is read is the
zone's rules, by ``zoneinfo``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_HOUR_MIN = 60
_DAY_MIN = 24 * _HOUR_MIN
_WINDOW = re.compile(
    r"\s*(?:(?P<days>[A-Za-z,\s-]*[A-Za-z])\s+)?"
    r"(?P<opens>\d{1,2}:\d\d)\s*-\s*(?P<closes>\d{1,2}:\d\d)(?:\s+(?P<zone>\S+))?\s*"
)
_CLOCK = re.compile(r"\s*(?P<at>\d{1,2}:\d\d)(?:\s+(?P<zone>\S+))?\s*")

#: Days to look ahead for an opening: one that a skipped day swallows comes a week later.
_AHEAD_D = 16

_ZONES = 'such as "Asia/Shanghai", "Europe/Zurich" or "UTC"'


class Phase(NamedTuple):
    """Where a window stands at some instant."""

    is_open: bool
    until: datetime | None
    """When it closes, or opens; UTC. None: it never does."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day, on some days of the week."""

    opens_min: int
    """Minutes since midnight, 0 to 1439."""
    closes_min: int
    """Minutes since midnight, 1 to 1440; at or before ``opens_min``: the next day."""
    zone: str
    """IANA name."""
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """Days on which it opens, 0 is Monday."""

    def __str__(self) -> str:
        days = "" if len(self.days) == len(DAYS) else f"{_days_text(self.days)} "
        hours = f"{_clock_text(self.opens_min)}-{_clock_text(self.closes_min)}"
        return f"{days}{hours} {self.zone}"

    def phase(self, now: datetime) -> Phase:
        """Tell whether it is open, and until when.

        Args:
            now: Aware.
        """
        zone, now = zone_of(self.zone), now.astimezone(UTC)
        until: datetime | None = None
        for opens, closes in self._spans(now.astimezone(zone).date(), zone):
            if closes <= now or opens >= closes:
                continue
            if until is None and opens > now:
                return Phase(is_open=False, until=opens)
            if until is not None and opens > until:
                break
            until = max(until or closes, closes)
            if until - now > timedelta(days=8):  # one span runs into the next, always
                return Phase(is_open=True, until=None)
        if until is None:
            return Phase(is_open=False, until=None)
        return Phase(is_open=True, until=until)

    def _spans(self, today: date, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
        """Yield when it opens and closes, from yesterday on, as UTC."""
        for ahead in range(-1, _AHEAD_D):
            day = today + timedelta(days=ahead)
            if day.weekday() in self.days:
                length = (self.closes_min - self.opens_min - 1) % _DAY_MIN + 1
                yield (
                    first_instant(day, self.opens_min, zone),
                    first_instant(day, self.opens_min + length, zone),
                )


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long one invocation may take: some seconds, or until a clock shows a time."""

    after_s: float
    """Seconds since the invocation began; 0: ``at_min`` says it."""
    at_min: int = 0
    """Minutes since midnight, 0 to 1440."""
    zone: str = ""
    """IANA name, with ``at_min``."""

    def __str__(self) -> str:
        if self.after_s:
            return f"{self.after_s:g}s"
        return f"{_clock_text(self.at_min)} {self.zone}"

    def instant(self, began: datetime) -> datetime:
        """Return when it comes: the next time that the clock shows it; UTC.

        Args:
            began: When the invocation began; aware.
        """
        began = began.astimezone(UTC)
        if self.after_s:
            return began + timedelta(seconds=self.after_s)
        zone = zone_of(self.zone)
        today = began.astimezone(zone).date()
        for ahead in range(-1, _AHEAD_D):
            day = today + timedelta(days=ahead)
            instant = first_instant(day, self.at_min, zone)
            if instant > began:
                return instant
        raise AssertionError  # a day's own midnight is at most two days away


def first_instant(day: date, minutes: int, zone: tzinfo) -> datetime:
    """Return the first instant, as UTC, at which a zone's clock shows a time or later.

    Args:
        day: The day that the minutes are counted from.
        minutes: Since its midnight, by the clock; from 0.
        zone: Whose clock.
    """
    naive = datetime(day.year, day.month, day.day) + timedelta(  # noqa: DTZ001 - a wall's
        minutes=minutes
    )
    before = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if before.astimezone(zone).replace(tzinfo=None) == naive:
        return before
    # Skipped: find the jump, which lies between the two readings of the time.
    low = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
    high = before
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) >= naive:
            high = middle
        else:
            low = middle
    return high


def zone_of(name: str) -> tzinfo:
    """Return a zone by its IANA name.

    Raises:
        ValueError: There is none of that name on this machine.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"{name!r} is no time zone that this machine knows; write its name, {_ZONES}"
        raise ValueError(message) from None


def parse_window(text: str) -> Window | None:
    """Read ``[DAYS] HH:MM-HH:MM ZONE``; empty: none.

    Raises:
        ValueError: It is not of that form, or names no zone.
    """
    if not text.strip():
        return None
    match = _WINDOW.fullmatch(text)
    if not match:
        message = (
            f'{text!r} is no window; write "22:00-05:00 Asia/Shanghai", or'
            ' "Mon-Fri 22:00-05:00 Asia/Shanghai"'
        )
        raise ValueError(message)
    zone = _zone(text, match["zone"])
    opens, closes = _minutes(match["opens"]), _minutes(match["closes"])
    if opens in {closes, _DAY_MIN}:
        message = f'{text!r}: for a whole day write "00:00-24:00 {zone}"'
        raise ValueError(message)
    return Window(opens, closes or _DAY_MIN, zone, _days(match["days"]))


def parse_clock(text: str) -> Deadline | None:
    """Read ``HH:MM ZONE``; None: it is no time of day.

    Raises:
        ValueError: It names no zone, or no time that there is.
    """
    match = _CLOCK.fullmatch(text)
    if not match:
        return None
    zone = _zone(text, match["zone"])
    return Deadline(0.0, _minutes(match["at"]), zone)


def _zone(text: str, name: str | None) -> str:
    if not name:
        message = (
            f"{text!r} does not say whose clock: write the zone after it, as in"
            f' "{text.strip()} Asia/Shanghai", {_ZONES}'
        )
        raise ValueError(message)
    zone_of(name)
    return name


def _minutes(text: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    total = _HOUR_MIN * hours + minutes
    if minutes >= _HOUR_MIN or total > _DAY_MIN:
        message = f"{text!r} is no time of day; write 00:00 to 24:00"
        raise ValueError(message)
    return total


def _days(text: str | None) -> tuple[int, ...]:
    if text is None:
        return tuple(range(len(DAYS)))
    found: set[int] = set()
    for part in re.sub(r"\s*-\s*", "-", text).replace(",", " ").split():
        first, _, last = part.partition("-")
        begin, end = _day(first), _day(last or first)
        found.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return tuple(sorted(found))


def _day(text: str) -> int:
    name = text.capitalize()
    if name not in DAYS:
        message = f"{text!r} is no day; write {', '.join(DAYS)}, or Mon-Fri"
        raise ValueError(message)
    return DAYS.index(name)


def _days_text(days: tuple[int, ...]) -> str:
    if days[2:] and days == tuple(range(days[0], days[-1] + 1)):
        return f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
    return ",".join(DAYS[day] for day in days)


def _clock_text(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
