"""What a worker does: one call of the seam, with texts for arguments and results.

Errors travel as their names and texts: what is raised is not always to be pickled, and
a text that we made holds no secret.
"""

from typing import NamedTuple

from bulkbind.errors import (
    BulkbindError,
    CredentialsMissing,
    CredentialsRejected,
    JobBusy,
    LedgerMismatch,
    LedgerUnreachable,
    RefusedForSafety,
    SettingsError,
    StateError,
)
from bulkbind.job.accounts import SharedRun, judge_account, run_account

_CALLS = {"judge": judge_account, "run": run_account}


#: A credential that is elsewhere, another version, a database out of reach.
_UNFIT = frozenset(
    error.__name__ for error in (CredentialsMissing, LedgerMismatch, LedgerUnreachable)
)


class Told(NamedTuple):
    """What a worker says of a call."""

    account: str
    came: str
    """``Came``; ``busy``: another process owns the account; ``error``."""
    text: str
    """Where the credential came from; or what went wrong."""
    kind: str = ""
    """The error's name."""
    worker: str = ""
    """Who says it."""

    @property
    def is_unfit(self) -> bool:
        """Tell whether this worker cannot work the account, and another one might."""
        return self.kind in _UNFIT


def do_call(name: str, url: str, run_id: str, account: str) -> tuple[str, ...]:
    """Judge or run an account, on a worker.

    Args:
        name: ``judge`` or ``run``.
        url: The database.
        run_id: The run.
        account: The account.

    Returns:
        A ``Told``, as plain texts.
    """
    from distributed import get_worker

    here = get_worker().address
    try:
        worked = _CALLS[name](SharedRun(url, run_id), account)
    except JobBusy as error:
        return Told(account, "busy", str(error))
    except BulkbindError as error:
        return Told(account, "error", str(error), type(error).__name__, here)
    return Told(account, str(worked.came), worked.label)


def error_of(told: Told) -> BulkbindError:
    """Return the error that a worker met."""
    kinds = (CredentialsMissing, CredentialsRejected, RefusedForSafety)
    text = f"account {told.account!r}, on its worker: {told.text}"
    for kind in kinds:
        if kind.__name__ == told.kind:
            return kind(text)
    if told.kind == SettingsError.__name__:
        return SettingsError([text])
    return StateError(text)
