"""A planned run -> PostgreSQL: the tables of its SQLite ledger, and the pinned copy.

One transaction, by COPY: the run is there as a whole or not at all. Seals and checksums
travel with their rows, so that what was damaged before or on the way is not believed.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import psycopg

from bulkbind.ledger import postgres_schema as schema
from bulkbind.ledger.postgres_link import map_error
from bulkbind.ledger.postgres_session import Session
from bulkbind.ledger.sqlite_file import opening

#: The order in which a SQLite ledger's rows are read: that of its keys.
_ORDER = {
    **dict.fromkeys(("batch", "record", "stop"), "id"),
    **dict.fromkeys(("lane", "target", "invocation"), "no"),
    "meta": "name",
    "work": "batch",
    "aside": "row",
}

#: Bytes of the pinned copy in one row.
PART = 1 << 20


def ship(ledger: Path, pin: Path, *, url: str, run_id: str, tool: str) -> None:
    """Copy a planned run into a database.

    Args:
        ledger: Its SQLite ledger, closed.
        pin: The pinned copy of its manifest.
        url: The database; holds no password.
        run_id: The run; must not be there.
        tool: Name and version of the writer.

    Raises:
        LedgerUnreachable: The database does not answer; the run is not there.
        LedgerFailed: The database refuses it; the run is not there.
        LedgerDamaged: The SQLite ledger cannot be read.
    """
    with closing(Session(url, run_id, writes=True)) as session:
        session.prepare(tool=tool)
        session.begin()
        session.add_run()
        try:
            _copy_tables(session, ledger)
            _copy_pin(session, pin)
        except psycopg.Error as error:
            is_lost = session.connection.closed
            raise map_error(error, url, is_lost=is_lost) from error
        session.do(schema.COUNT_COPIED, session.run, session.run)
        session.commit()


def fetch_pin(url: str, run_id: str, file: BinaryIO) -> None:
    """Write the pinned copy of a run's manifest into a file.

    Raises:
        LedgerMismatch: There is no such run.
        LedgerUnreachable: The database does not answer.
    """
    with closing(Session(url, run_id, writes=False)) as session:
        session.find_run()
        part = 0
        while rows := session.rows(schema.GET_PIN, part):
            file.write(rows[0][0])
            part += 1


def _copy_tables(session: Session, ledger: Path) -> None:
    with opening(ledger, mode="ro") as db, closing(db):
        for table in schema.COPIED:
            names = schema.names_of(table)
            rows = db.execute(
                f"SELECT {names} FROM {table} ORDER BY {_ORDER[table]}"  # noqa: S608
            )
            _copy(session, table, names, rows)


def _copy(
    session: Session, table: str, names: str, rows: Iterator[tuple[Any, ...]]
) -> None:
    in_bytes = [
        place
        for place, name in enumerate(schema.COPIED[table])
        if (table, name) in schema.AS_BYTES
    ]
    copy_in = f"COPY bulkbind.{table} (run, {names}) FROM STDIN"
    with (
        session.connection.cursor() as cursor,
        cursor.copy(copy_in.encode()) as copy,
    ):
        for row in rows:
            values = list(row)
            for place in in_bytes:
                values[place] = values[place].encode()
            copy.write_row((session.run, *values))


def _copy_pin(session: Session, pin: Path) -> None:
    copy_in = b"COPY bulkbind.pin (run, no, body) FROM STDIN"
    with (
        pin.open("rb") as file,
        session.connection.cursor() as cursor,
        cursor.copy(copy_in) as copy,
    ):
        part = 0
        while body := file.read(PART):
            copy.write_row((session.run, part, body))
            part += 1
