"""One process at a time works on a job."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bulkbind.host import JobLock
from bulkbind.job.facts import operator
from bulkbind.job.folders import StateFolder
from bulkbind.job.reading import Surroundings


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
