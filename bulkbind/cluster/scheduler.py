"""A Dask scheduler, set as a run needs it, whoever started it and however.

A scheduler takes its configuration from its own process, where nobody may have thought
of us: the coordinator sets what matters each time that it connects.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Scheduler

#: An account moves when its worker dies, at least so often.
ALLOWED_FAILURES = 100

#: A worker that says nothing for so many seconds is taken for dead; and how often that
#: is looked at.
WORKER_TTL_S = 30.0
_CHECK_S = 5.0

#: For what Dask starts or opens in this process.
CONFIG = {
    "distributed.comm.timeouts.connect": "5s",
    "distributed.admin.log-length": 0,
}


async def set_up(dask_scheduler: "Scheduler") -> None:
    """Set a scheduler as runs need it; one that is set more strictly stays so.

    Args:
        dask_scheduler: Dask gives it, by this name, where this runs.
    """
    from tornado.ioloop import PeriodicCallback

    scheduler = dask_scheduler
    scheduler.allowed_failures = max(scheduler.allowed_failures, ALLOWED_FAILURES)
    scheduler.worker_ttl = min(scheduler.worker_ttl or WORKER_TTL_S, WORKER_TTL_S)
    callbacks = scheduler.periodic_callbacks
    if (checks := callbacks.pop("worker-ttl", None)) is not None:
        checks.stop()
    every_s = min(_CHECK_S, scheduler.worker_ttl)
    callbacks["worker-ttl"] = PeriodicCallback(
        scheduler.check_worker_ttl, 1000 * every_s
    )
    callbacks["worker-ttl"].start()
    if (stealing := scheduler.extensions.get("stealing")) is not None:
        await stealing.stop()
