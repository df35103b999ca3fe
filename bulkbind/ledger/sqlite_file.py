"""Opening a ledger's file, and SQLite's errors in our words."""

import sqlite3
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from bulkbind.errors import LedgerDamaged, LedgerFailed, LedgerMismatch, StateError
from bulkbind.ledger import schema

P = ParamSpec("P")
T = TypeVar("T")


def map_error(error: sqlite3.Error | OSError, path: object) -> StateError:
    """Say what a database error means and what to do."""
    text = str(error)
    if isinstance(error, sqlite3.OperationalError | OSError):
        return LedgerFailed(
            f"the ledger {path} cannot be used ({text}); see to disk space and"
            " permissions, then `bulkbind resume`"
        )
    return LedgerDamaged(
        f"the ledger {path} is damaged ({text}); it is not believed: start a new run"
        " from the manifest (what is bound stays bound)"
    )


def is_half_written(error: LedgerFailed) -> bool:
    """Tell whether a reader was refused because a killed writer left a journal."""
    cause = error.__cause__
    code = sqlite3.SQLITE_READONLY_ROLLBACK
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode == code


def mapped(method: Callable[P, T]) -> Callable[P, T]:
    """Turn SQLite's errors into ours where they enter."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except sqlite3.Error as error:
            raise map_error(error, getattr(args[0], "path", "")) from error

    return call


def connect(uri: str) -> sqlite3.Connection:
    """Open a connection that any one thread may use at a time."""
    db = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30
    )
    db.execute("PRAGMA trusted_schema = OFF")
    return db


def refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is no ledger, or one that a newer bulkbind wrote.

    Raises:
        LedgerMismatch: It is one of these.
    """
    (mark,) = db.execute("PRAGMA application_id").fetchone()
    if mark != schema.APPLICATION_ID:
        message = f"{path} is not a bulkbind ledger; name a run's ledger.db"
        raise LedgerMismatch(message)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > schema.VERSION:
        writer = dict(db.execute(schema.GET_META)).get("written_by", "a newer bulkbind")
        message = (
            f"{path} was written by {writer} (schema {version}); this one reads up to"
            f" {schema.VERSION}: use that version or a newer one"
        )
        raise LedgerMismatch(message)
