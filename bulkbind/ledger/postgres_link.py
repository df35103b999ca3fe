"""A connection to a PostgreSQL server, its errors in our words, and the tables' version.

No text that leaves here holds a password: a URL has none (``address``), and what the
server says of a value is left out.
"""

from contextlib import ExitStack
from typing import Any

import psycopg
from psycopg import conninfo

from bulkbind.errors import LedgerFailed, LedgerMismatch, LedgerUnreachable, StateError
from bulkbind.ledger import postgres_schema as schema

_Connection = psycopg.Connection[tuple[Any, ...]]

#: A server that is gone is found out in half a minute, whatever the system's defaults.
_LINK: dict[str, str | int] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
    "application_name": "bulkbind",
}


def map_error(error: psycopg.Error, where: str, *, is_lost: bool = False) -> StateError:
    """Say what a database error means and what to do.

    Args:
        error: From psycopg.
        where: The database.
        is_lost: The connection has ended, or was never made.
    """
    said = error.diag.message_primary or str(error).strip() or type(error).__name__
    said = said.partition("\n")[0]
    if is_lost:
        return LedgerUnreachable(
            f"the ledger in {where} cannot be reached ({said}); see to the server and the"
            " way to it, then give the same command again"
        )
    return LedgerFailed(
        f"the ledger in {where} cannot be used ({said}); see to the database and its"
        " rights, then give the same command again"
    )


def is_way_lost(error: psycopg.Error, db: _Connection) -> bool:
    """Tell whether an error is of the connection, and not of what was asked.

    The server gives every refusal a code, and ends connections with FATAL. An error
    without a code is the driver's, which does not always know yet that its connection
    has ended ("cannot exit pipeline mode while busy").
    """
    is_fatal = error.diag.severity_nonlocalized in {"FATAL", "PANIC"}
    is_driver = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    return db.closed or is_fatal or is_driver


def connect(url: str, *, writes: bool) -> _Connection:
    """Connect; what commits is on the server's disk.

    Args:
        url: As ``check_address`` took it.
        writes: False: the server itself refuses to write.

    Raises:
        LedgerUnreachable: Nobody answers, or lets us in.
    """
    try:
        with ExitStack() as stack:
            link = conninfo.make_conninfo(url, **_LINK)
            db = psycopg.connect(link, autocommit=True)
            stack.callback(db.close)
            db.execute("SET synchronous_commit = on")
            db.execute("SET client_encoding = 'UTF8'")
            if not writes:
                db.execute("SET default_transaction_read_only = on")
            stack.pop_all()
            return db
    except psycopg.Error as error:
        raise map_error(error, url, is_lost=True) from error


def migrate(db: _Connection, where: str, *, tool: str) -> None:
    """Make the tables, or bring them up to this version; in a transaction.

    Args:
        db: Writes.
        where: The ledger, for people.
        tool: Name and version of the writer; told to one who cannot read them.

    Raises:
        LedgerMismatch: A newer bulkbind made them.
    """
    if version_of(db, where) == schema.VERSION:
        return
    with db.transaction():
        db.execute(schema.LOCK_SCHEMA.encode())
        version = version_of(db, where)
        if version == schema.VERSION:  # somebody was faster
            return
        db.execute("CREATE SCHEMA IF NOT EXISTS bulkbind")
        for statements in schema.MIGRATIONS[version:]:
            db.execute(statements.encode())
        db.execute(schema.SET_VERSION.encode(), (schema.VERSION, tool))


def version_of(db: _Connection, where: str) -> int:
    """Return the version of the tables; 0: there are none.

    Raises:
        LedgerMismatch: A newer bulkbind made them.
    """
    found = db.execute(schema.HAS_SCHEMA.encode()).fetchone()
    if found is None or not found[0]:
        return 0
    row = db.execute(schema.GET_VERSION.encode()).fetchone()
    version, writer = row or (0, "")
    if version > schema.VERSION:
        message = (
            f"the ledgers in {where} were made by {writer} (schema {version}); this one"
            f" reads up to {schema.VERSION}: use that version or a newer one"
        )
        raise LedgerMismatch(message)
    return int(version)
