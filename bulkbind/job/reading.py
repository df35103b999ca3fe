"""What reading the gateways of a job takes, while it is planned and while it runs."""

from collections.abc import Awaitable, Callable

import anyio

from bulkbind.job.connecting import Connections
from bulkbind.job.errand import Surroundings
from bulkbind.retry import RetryPolicy
from bulkbind.run import Halt, MaxFailed, Observer, ReadTools, RunSettings
from bulkbind.settings import JobSettings


def engine_settings(
    settings: JobSettings,
    *,
    take_failed: bool = False,
    looks_first: bool = False,
    looks_anew: bool = False,
) -> RunSettings:
    """Return how a job wants the engine to behave."""
    return RunSettings(
        concurrency=settings.concurrency,
        retry=RetryPolicy(
            max_attempts=settings.max_attempts,
            busy_timeout_s=settings.busy_timeout_s,
            probe_wait_s=settings.probe_wait_s,
            second_look_s=settings.second_look_s,
        ),
        take_failed=take_failed,
        max_failed=MaxFailed(*settings.max_failed) if settings.max_failed else None,
        live_max_age_s=settings.live_max_age_s,
        looks_first=looks_first,
        looks_anew=looks_anew,
        rebind=settings.rebind,
    )


def read_tools(
    connections: Connections,
    settings: JobSettings,
    *,
    halt: Halt,
    around: Surroundings,
    count_read: Callable[[], Awaitable[None]],
) -> dict[str, ReadTools]:
    """Return what reads each account's lists.

    Args:
        connections: Open.
        settings: The job.
        halt: Stops accounts that are refused.
        around: Clock and random source.
        count_read: Told of every page that was asked for.
    """
    slots = anyio.Semaphore(settings.concurrency)

    async def count() -> None:
        await count_read()
        for observer in around.observers:
            observer.page_read()

    return {
        name: ReadTools(
            attacher=attacher,
            turns=connections.turns[name],
            slots=slots,
            halt=halt,
            observer=Observer(),
            settings=engine_settings(settings),
            count_read=count,
            now=around.now,
            random=around.random,
        )
        for name, attacher in connections.attachers.items()
    }
