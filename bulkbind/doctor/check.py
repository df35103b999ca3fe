"""What a check found, how bad it is, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum

from bulkbind.errors import BulkbindError


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong; there is something to know."""
    WARNING = "warning"
    """Work goes on, and somebody should look."""
    FAULT = "fault"
    """Something will not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of ``doctor``."""

    name: str
    of: str
    """What was looked at: this machine, a folder, a file, an account, a run."""
    grade: Grade
    found: str
    remedy: str = ""
    """What to do; never empty for a warning or a fault."""


def fine(name: str, of: str, found: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name=name, of=of, grade=Grade.OK, found=found)


def note(name: str, of: str, found: str, remedy: str = "") -> Check:
    """Return a check that found what is good to know."""
    return Check(name=name, of=of, grade=Grade.NOTE, found=found, remedy=remedy)


def warning(name: str, of: str, found: str, remedy: str) -> Check:
    """Return a check after which work goes on."""
    return Check(name=name, of=of, grade=Grade.WARNING, found=found, remedy=remedy)


def fault(name: str, of: str, found: str, remedy: str) -> Check:
    """Return a check that found what will not work."""
    return Check(name=name, of=of, grade=Grade.FAULT, found=found, remedy=remedy)


def from_error(name: str, of: str, error: BulkbindError, *, remedy: str) -> Check:
    """Return what an error says as a fault.

    Args:
        name: The check's.
        of: What was looked at.
        error: Says what is wrong, and mostly, after a semicolon, what to do.
        remedy: What to do, if the error does not say it, or says only what else.
    """
    found, _, advice = " ".join(str(error).split()).rpartition("; ")
    if not found:
        return fault(name, of, advice, remedy)
    if advice.startswith("or "):
        advice = f"{remedy}, {advice}"
    return fault(name, of, found, advice)


def counted(number: int, thing: str) -> str:
    """Write a number of things."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
