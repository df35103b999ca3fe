"""One process at a time works on a job."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bulkbind.host import JobLock
from bulkbind.settings import JobSettings
from bulkbind.state.facts import operator
from bulkbind.state.folders import StateFolder
from bulkbind.state.ledgers import holding_job


@contextmanager
def working_on(job: str, *, state: StateFolder, now: float) -> Iterator[None]:
    """Hold the job lock while the block runs.

    Args:
        job: Its name.
        state: Where the lock is.
        now: Seconds since the epoch.

    Raises:
        JobBusy: Another process holds it.
    """
    state.prepare()
    since = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    holder = f"pid {os.getpid()} ({operator()}, since {since})"
    with JobLock(state.lock_path(job), job=job, holder=holder):
        yield


@contextmanager
def working_alone(
    settings: JobSettings, *, state: StateFolder, now: float
) -> Iterator[None]:
    """Hold a job while the block runs: here, and for whoever shares its database.

    Args:
        settings: The job.
        state: Where the lock is.
        now: Seconds since the epoch.

    Raises:
        JobBusy: Another process holds it.
        StateError: The database does not answer, or is not for us.
    """
    with (
        working_on(settings.name, state=state, now=now),
        holding_job(settings.name, url=settings.ledger),
    ):
        yield
