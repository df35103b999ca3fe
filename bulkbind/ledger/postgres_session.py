"""A connection that works on one run in a PostgreSQL database.

One connection writes to a run: an advisory lock of its session sees to it, and is free
as soon as the server knows that the connection has ended.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from bulkbind.errors import JobBusy, LedgerMismatch
from bulkbind.ledger import postgres_schema as schema
from bulkbind.ledger.postgres_link import connect, map_error, migrate, version_of

Row = tuple[Any, ...]


class Session:
    """Statements about one run.

    Args:
        url: The database; holds no password.
        run_id: The run.
        writes: False: the server itself refuses to write.

    Raises:
        LedgerUnreachable: Nobody answers, or lets us in.
    """

    def __init__(self, url: str, run_id: str, *, writes: bool) -> None:
        self.url = url
        self.run_id = run_id
        self.run = 0
        """The run's number in the database; 0: not looked up yet."""
        self._writes = writes
        self._db = connect(url, writes=writes)
        self._transaction = ""
        """Number of the transaction that is open, or was last."""

    @property
    def connection(self) -> psycopg.Connection[Row]:
        """The connection."""
        return self._db

    # --- the run ---------------------------------------------------------------------

    def prepare(self, *, tool: str) -> None:
        """Make the tables, if they are not there.

        Args:
            tool: Name and version of the writer; told to one who cannot read them.
        """
        try:
            migrate(self._db, self.url, tool=tool)
        except psycopg.Error as error:
            raise map_error(error, self.url) from error

    def add_run(self) -> None:
        """Make the run; it must not be there."""
        (self.run,) = self.one(schema.PUT_RUN, self.run_id)

    def find_run(self) -> None:
        """Find the run; keep everybody else from writing to it if this one writes.

        Raises:
            JobBusy: Another connection writes to it.
            LedgerMismatch: There is none of this id, or a newer bulkbind made it.
        """
        try:
            has_tables = version_of(self._db, self.url) == schema.VERSION
        except psycopg.Error as error:
            raise map_error(error, self.url) from error
        found = self.do(schema.GET_RUN, self.run_id).fetchone() if has_tables else None
        if found is None:
            message = f"there is no run {self.run_id} in {self.url}; name another one"
            raise LedgerMismatch(message)
        (self.run,) = found
        if self._writes:
            self.lock()

    def lock(self) -> None:
        """Keep every other connection from writing to this run.

        Raises:
            JobBusy: One does.
        """
        (got,) = self.one(schema.LOCK_RUN, self.run % (1 << 31))
        if not got:
            job, holder = f"run {self.run_id}", f"another process, by {self.url}"
            raise JobBusy(job, holder)

    # --- transactions ----------------------------------------------------------------

    def begin(self) -> None:
        """Open a transaction."""
        answers = self.do(schema.BEGIN)
        answers.nextset()
        (self._transaction,) = answers.fetchone() or ("",)

    def commit(self) -> None:
        """Make everything since ``begin`` durable.

        Raises:
            LedgerUnreachable: The connection is lost; ``mend`` knows what was kept.
        """
        self.do("COMMIT")

    def rollback(self) -> None:
        """Forget everything since ``begin``."""
        if self._db.info.transaction_status != TransactionStatus.IDLE:
            self.do("ROLLBACK")

    def close(self) -> None:
        """Let go of the connection and of the run."""
        self._db.close()

    @property
    def is_lost(self) -> bool:
        """True: the connection has ended by itself."""
        return self._db.broken

    def mend(self) -> bool:
        """Connect anew; once.

        Returns:
            Whether the last transaction was kept after all.

        Raises:
            JobBusy: The lost connection, or another one, still holds the run.
            LedgerUnreachable: Nobody answers.
        """
        with suppress(psycopg.Error):
            self._db.close()
        self._db = connect(self.url, writes=self._writes)
        if self._writes and self.run:
            self.lock()
        if not self._transaction:
            return False
        (outcome,) = self.one(schema.GET_OUTCOME, self._transaction)
        return bool(outcome == "committed")

    # --- statements ------------------------------------------------------------------

    def do(self, statement: str, *values: object) -> psycopg.Cursor[Row]:
        """Run a statement.

        Raises:
            LedgerFailed: The server refuses it.
            LedgerUnreachable: The connection is lost.
        """
        try:
            return self._db.execute(statement.encode(), values or None)
        except psycopg.Error as error:
            raise map_error(error, self.url) from error

    def do_each(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for many rows, without waiting after each."""
        try:
            with self._db.cursor() as cursor:
                cursor.executemany(statement.encode(), rows)
        except psycopg.Error as error:
            raise map_error(error, self.url) from error

    def one(self, statement: str, *values: object) -> Row:
        """Return the one row of a statement."""
        return self.do(statement, *values).fetchone() or ()

    def rows(self, statement: str, *values: object) -> list[Row]:
        """Return the run's rows that a statement asks for."""
        return self.do(statement, self.run, *values).fetchall()

    def pages(self, statement: str, *values: object) -> Iterator[list[Row]]:
        """Yield the run's rows, some at a time, each time after the last one's key."""
        after = -1
        while page := self.rows(statement, *values, after):
            yield page
            after = page[-1][0]
