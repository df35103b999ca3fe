"""Rates and durations as people write them: ``10/s``, ``60/min``, ``90s``, ``30 min``."""

import re

from bulkbind.model import Deadline, parse_clock

_WINDOWS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_WINDOWS |= dict.fromkeys(("sec", "secs", "second", "seconds"), 1.0)
_WINDOWS |= dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0)
_WINDOWS |= dict.fromkeys(("hour", "hours"), 3600.0)

_RATE = re.compile(r"\s*(\d+)\s*/\s*(\d*)\s*([a-z]+)\s*", re.IGNORECASE)
_SHARE = re.compile(r"\s*(\d{1,9}(?:\.\d+)?)\s*(%?)\s*")
_CANARY = re.compile(r"\s*\d{1,3}\s*(?:,\s*\d{1,3}\s*){0,7}")
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)

#: A faster rate than any gateway answers; more is a slip of the hand.
MAX_RATE = 1_000_000


def parse_rate(text: str) -> tuple[int, float]:
    """Read ``N/W``.

    Returns:
        Requests and seconds; 0 requests for ``unlimited``.

    Raises:
        ValueError: It says neither.
    """
    if text.strip().lower() == "unlimited":
        return 0, 1.0
    match = _RATE.fullmatch(text)
    window = match and _WINDOWS.get(match[3].lower())
    if not match or not window:
        message = f'{text!r} is no rate; write "10/s", "60/min" or "1000/h"'
        raise ValueError(message)
    limit, many = int(match[1]), int(match[2] or 1)
    if not 1 <= limit <= MAX_RATE or many < 1:
        message = f"{text!r}: from 1 to {MAX_RATE:,} requests in a window"
        raise ValueError(message)
    return limit, many * window


def parse_duration(text: str | float) -> float:
    """Read seconds (``90``) or ``90s``, ``30min``, ``2h``.

    Raises:
        ValueError: It is none of them.
    """
    match = _DURATION.fullmatch(str(text))
    unit = match and _WINDOWS.get(match[2].lower() or "s")
    if not match or not unit:
        message = f'{text!r} is no duration; write 90, "90s", "30min" or "2h"'
        raise ValueError(message)
    return float(match[1]) * unit


def parse_share(text: str | float) -> tuple[float, bool]:
    """Read a count of rows (``20``) or a share of them (``5 %``).

    Returns:
        The count and False, or the share from 0 to 1 and True.

    Raises:
        ValueError: It is neither.
    """
    match = _SHARE.fullmatch(str(text))
    if not match:
        message = f'{text!r}: write a number of rows, or a share such as "5 %"'
        raise ValueError(message)
    number = float(match[1])
    if not match[2]:
        return number, False
    if number > 100:  # noqa: PLR2004 - per cent
        message = f"{text!r}: at most 100 %"
        raise ValueError(message)
    return number / 100, True


def parse_deadline(text: str) -> Deadline | None:
    """Read a duration (``2h``) or a time of day with its zone; empty: none.

    Raises:
        ValueError: It is neither.
    """
    if not text.strip():
        return None
    clock = parse_clock(text)
    if clock is not None:
        return clock
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = 0.0
    if not seconds:
        message = f'{text!r} is no deadline; write "2h", or "05:30 Asia/Shanghai"'
        raise ValueError(message)
    return Deadline(seconds)


def parse_canary(text: str, *, default: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Read the sizes of a canary: ``true``, ``false``, or ``1, 10`` with commas.

    Args:
        text: One to eight sizes.
        default: What ``true`` stands for.
        most: Ids that one batch may have.

    Raises:
        ValueError: It is none of them.
    """
    plain = text.strip().lower()
    if plain in {"true", "false"}:
        return default if plain == "true" else ()
    sizes = tuple(map(int, text.split(","))) if _CANARY.fullmatch(text) else ()
    if not sizes or min(sizes) < 1 or max(sizes) > most:
        message = (
            f"{text!r}: write true, or the ids of the first batches such as [1, 10]"
            f" (up to 8 numbers from 1 to {most})"
        )
        raise ValueError(message)
    return sizes
