"""A plan in the making: whatever goes wrong, there is no run yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bulkbind.errors import LedgerFailed, LedgerUnreachable, StateError


@contextmanager
def drafting(folder: Path) -> Iterator[None]:
    """While the block writes a plan there is no run yet, so that none can be resumed.

    Raises:
        StateError: The disk is full, or failing.
    """
    try:
        yield
    except LedgerUnreachable:  # that is no disk
        raise
    except (OSError, LedgerFailed) as error:
        cause = error.__cause__ if isinstance(error, LedgerFailed) else error
        reason = getattr(cause, "strerror", "") or cause or error
        message = (
            f"{folder}: the plan cannot be written ({reason}); nothing was sent: make"
            " room or see to the disk, then give the same command again"
        )
        raise StateError(message) from error
