"""How far this machine's clock is from a server's.

A signature holds the time it was made, and is refused when it is more than 15 minutes
away from the server's. Source: API signing guide; apig-contract 4.2.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bulkbind.doctor.check import Check, fault, fine, warning

#: Seconds of difference worth a word, and those that are too many.
WORTH_A_WORD_S = 300.0
TOO_MANY_S = 900.0

_REMEDY = "let this machine's clock follow a time server (chrony, systemd-timesyncd)"


def check_clock(of: str, date: str, *, now: float) -> Check:
    """Hold this machine's clock against the ``Date`` header of an answer.

    Args:
        of: The account that was asked.
        date: The header, as it came.
        now: Seconds since the epoch when the answer came, by this machine.
    """
    theirs = _seconds(date)
    if theirs is None:
        return warning(
            "clock",
            of,
            "the answer has no Date that can be read, so the difference is not known",
            _REMEDY,
        )
    ahead = now - theirs
    if abs(ahead) <= WORTH_A_WORD_S:
        return fine("clock", of, f"{abs(ahead):.0f} s from the gateway's")
    side = "ahead of" if ahead > 0 else "behind"
    found = f"{abs(ahead) / 60:.0f} minutes {side} the gateway's"
    if abs(ahead) <= TOO_MANY_S:
        return warning("clock", of, f"{found}; from 15 on signatures fail", _REMEDY)
    return fault("clock", of, f"{found}: what an access key signs is refused", _REMEDY)


def _seconds(date: str) -> float | None:
    """Read an HTTP date; without a zone it is UTC."""
    try:
        moment = parsedate_to_datetime(date)
        zone = moment.tzinfo or UTC
        return datetime.timestamp(moment.replace(tzinfo=zone))
    except (TypeError, ValueError, OverflowError):
        return None
