"""Opening a ledger's file, and SQLite's errors in our words."""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from bulkbind.errors import LedgerDamaged, LedgerFailed, LedgerMismatch, StateError
from bulkbind.ledger import schema
from bulkbind.ledger.codec import damaged

P = ParamSpec("P")
T = TypeVar("T")


#: What SQLite raises; the second where its own message holds damaged text.
FOREIGN = (sqlite3.Error, UnicodeDecodeError)


def map_error(
    error: sqlite3.Error | OSError | UnicodeDecodeError, path: object
) -> StateError:
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
        except FOREIGN as error:
            raise map_error(error, getattr(args[0], "path", "")) from error

    return call


def connect(uri: str) -> sqlite3.Connection:
    """Open a connection that any one thread may use at a time."""
    db = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30
    )
    db.execute("PRAGMA trusted_schema = OFF")
    db.create_function("seal", -1, _seal, deterministic=True)
    return db


@contextmanager
def opening(path: Path, *, mode: str) -> Iterator[sqlite3.Connection]:
    """Connect; let go again when what is done first with the connection fails."""
    try:
        with ExitStack() as stack:
            db = connect(f"{path.resolve().as_uri()}?mode={mode}")
            stack.callback(db.close)
            yield db
            stack.pop_all()
    except FOREIGN as error:
        raise map_error(error, path) from error


def _seal(*values: object) -> int:
    """Return the CRC-32 of a table's name and a row's columns."""
    return zlib.crc32(repr(values).encode())


class Facts(dict[str, str]):
    """Facts of a ledger by name; one that is gone was there once."""

    def __missing__(self, name: str) -> str:
        raise LedgerDamaged(damaged("meta", name))


def prove_whole(db: sqlite3.Connection, path: Path) -> None:
    """Let SQLite go through the whole file: no row is missing from table or index.

    Raises:
        LedgerDamaged: Something is.
    """
    (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise map_error(sqlite3.DatabaseError(found), path)
    stray = db.execute(schema.GET_STRAY).fetchone()
    if stray is not None:
        raise LedgerDamaged(damaged("record of batch", stray[0]))


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
        (writer,) = db.execute(schema.GET_WRITER).fetchone() or ("a newer bulkbind",)
        message = (
            f"{path} was written by {writer} (schema {version}); this one reads up to"
            f" {schema.VERSION}: use that version or a newer one"
        )
        raise LedgerMismatch(message)
