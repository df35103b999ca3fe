"""What a check found, how bad it is, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum

from bulkbind.errors import BulkbindError


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Work goes on, and somebody should look."""
    FAULT = "fault"
    """Something will not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of ``doctor``."""

    name: str
    of: str
    """The account, gateway, folder or file that was looked at; empty: this machine."""
    grade: Grade
    found: str
    remedy: str = ""
    """What to do; never empty where it is not ``ok``."""


def fine(name: str, of: str, found: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name=name, of=of, grade=Grade.OK, found=found)


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
        remedy: What to do, if the error does not say it.
    """
    found, _, advice = " ".join(str(error).split()).rpartition("; ")
    return fault(name, of, found or advice, advice if found else remedy)
