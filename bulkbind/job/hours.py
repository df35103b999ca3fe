"""A job's window and deadline, while it is planned; ``controlling`` has them later."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from bulkbind.control.hours import Hours, hours_of
from bulkbind.errors import OutsideWindow
from bulkbind.job.errand import Surroundings
from bulkbind.settings import JobSettings


def hours_for(settings: JobSettings, around: Surroundings) -> Hours:
    """Return when an invocation of a job that begins now must end.

    Raises:
        OutsideWindow: It must not begin.
    """
    return hours_of(
        settings.name,
        deadline=settings.deadline,
        window=settings.window,
        now=around.now(),
    )


@asynccontextmanager
async def within(hours: Hours, job: str, around: Surroundings) -> AsyncIterator[None]:
    """Give up reading what is bound when the invocation must end.

    Raises:
        OutsideWindow: It must.
    """
    left = hours.left_s(around.now())
    with anyio.move_on_after(left) as scope:
        yield
    if scope.cancelled_caught:
        message = f"{job}: {hours.ends[0].why} while what is bound was read"
        raise OutsideWindow(message)
