"""Outside text as it may stand in a page; numbers and times as a reader sees them."""

import re
from datetime import UTC, datetime
from html import escape

#: What is not seen, or turns what stands beside it: shown by its number instead.
#: page.js has the same.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ud800-\udfff]"
)


def shown(text: str) -> str:
    """Return text as markup that is nothing but this text, every character seen."""
    return escape(_UNSEEN.sub(lambda met: f"\\u{ord(met[0]):04x}", text))


def bdi(text: str) -> str:
    """Return text as markup that cannot turn what stands beside it."""
    return f"<bdi>{shown(text)}</bdi>" if text else ""


def share(some: int, all_: int) -> str:
    """Return a part in per cent; never 0 or 100 when it is not."""
    if not all_:
        return ""
    part = 100 * some / all_
    if 0 < some < all_:
        part = min(max(part, 0.1), 99.9)
    return f"{part:.1f}".removesuffix(".0") + "\u202f%"


def moment(at: float, *, tenths: bool = False) -> str:
    """Return seconds since the epoch as date and time, UTC."""
    if tenths:
        exact = datetime.fromtimestamp(round(at, 1), UTC)
        return exact.replace(tzinfo=None).isoformat(" ", "milliseconds")[:-2]
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def number(value: float) -> str:
    """Return a number with at most two digits behind the point."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def span(seconds: float) -> str:
    """Return a length of time: 0.1 s, 5 min, 2 h."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds)} s"
