"""What a page says of its run as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkbind.model import Lane
from bulkbind.report.html.history import History


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A run as a whole, for the page's head and its charts."""

    title: str
    """The job's name."""
    facts: Sequence[tuple[str, str]]
    """What is said below the title: name and text; those without text are left out."""
    folder: Path
    """For what does not fit into memory; it exists."""
    lanes: Sequence[Lane] = ()
    stopped: Sequence[tuple[int, str]] = ()
    """Lanes that were stopped: number, and why."""
    history: History
    """Filled while the rows are read."""
    ceiling_per_s: float = 0.0
    """Requests a second that the job allows, all accounts together; 0: any number."""
    window_s: float = 0.0
    """What the gateway counts over, seconds: within it requests may come at once."""
