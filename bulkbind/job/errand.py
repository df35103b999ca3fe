"""What one invocation is asked to do, and what it takes from its process."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from bulkbind.auth import Credential
from bulkbind.control.hours import Hours
from bulkbind.run import Observer
from bulkbind.settings import JobSettings
from bulkbind.state.folders import RunFolder, StateFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What one invocation is asked to do."""

    run: RunFolder
    """The caller holds the job lock."""
    settings: JobSettings
    """The job, as this invocation wants it."""
    command: str
    """``run`` or ``resume``."""
    credentials: Mapping[str, Credential | None]
    """By account; None: the sandbox."""
    state: StateFolder
    """Where the sandbox's world is."""
    take_failed: bool = False
    """Send rows again that were refused."""
    looks_first: bool = False
    """The plan was saved: look at everything before anything is sent."""
    looks_anew: bool = False
    """Read each target again right before its first batch."""
    hours: Hours = field(default_factory=Hours)
    """When this invocation must stop sending."""


class Crew(Protocol):
    """Many machines that work a run's accounts."""

    async def work(self, errand: Errand, *, around: "Surroundings") -> None:
        """Send what a run still has to send; its report is written by the caller."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run takes from the process it lives in."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    now: Callable[[], float] = time.time
    """Seconds since the epoch."""
    random: Random = field(default_factory=Random)
    observers: Sequence[Observer] = ()
    crew: Crew | None = None
    """Works the accounts of jobs that name a scheduler."""
    signals: bool = False
    """Obey SIGINT and SIGTERM: the first drains, the second stops now."""
