"""Structured events: one JSON line each, in the run's ``events.jsonl``.

Nothing global is configured, so that using bulkbind as a library leaves the
application's own structlog alone. Text that came from outside is scrubbed where it
enters; here every value is made one line once more.
"""

from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from bulkbind.wire import scrub

if TYPE_CHECKING:
    import structlog

Event = MutableMapping[str, Any]


def event_logger(
    file: TextIO, *, now: Callable[[], float]
) -> "structlog.typing.FilteringBoundLogger":
    """Return a logger that appends JSON lines to a file.

    Args:
        file: Open for writing text.
        now: Seconds since the epoch.
    """
    import structlog  # a fifth of a second: most commands log nothing

    def stamp(_: object, __: str, event: Event) -> Event:
        moment = datetime.fromtimestamp(now(), UTC)
        return {"at": moment.isoformat(timespec="milliseconds"), **event}

    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(file),
        processors=[
            _scrub_values,
            stamp,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=True,
    )
    return logger


def _scrub_values(_: object, __: str, event: Event) -> Event:
    """Make every text one line without secrets; drop what is empty."""
    return {
        name: scrub(value) if isinstance(value, str) else value
        for name, value in event.items()
        if value not in ("", None)
    }
