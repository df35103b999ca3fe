"""One process at a time works on a job."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bulkbind.host import JobLock
from bulkbind.job.facts import operator
from bulkbind.job.folders import StateFolder
from bulkbind.job.ledgers import holding_job
from bulkbind.job.reading import Surroundings
from bulkbind.settings import JobSettings


@contextmanager
def working_on(job: str, *, state: StateFolder, around: Surroundings) -> Iterator[None]:
    """Hold the job lock while the block runs.

    Raises:
        JobBusy: Another process holds it.
    """
    state.prepare()
    since = datetime.fromtimestamp(around.now(), UTC).isoformat(timespec="seconds")
    holder = f"pid {os.getpid()} ({operator()}, since {since})"
    with JobLock(state.lock_path(job), job=job, holder=holder):
        yield


@contextmanager
def working_alone(
    settings: JobSettings, *, state: StateFolder, around: Surroundings
) -> Iterator[None]:
    """Hold a job while the block runs: here, and for whoever shares its database.

    Raises:
        JobBusy: Another process holds it.
        StateError: The database does not answer, or is not for us.
    """
    with (
        working_on(settings.name, state=state, around=around),
        holding_job(settings.name, url=settings.ledger),
    ):
        yield
