"""A connection that works on one run in a PostgreSQL database.

One connection writes to a run: an advisory lock of its session sees to it, and is free
as soon as the server knows that the connection has ended. Those that share a run hold
the same lock together, each for accounts that it owns by a lease.
"""

import secrets
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from bulkbind.errors import JobBusy, LedgerFailed, LedgerMismatch, StateError
from bulkbind.ledger import postgres_schema as schema
from bulkbind.ledger.postgres_link import (
    connect,
    is_way_lost,
    map_error,
    migrate,
    version_of,
)

Row = tuple[Any, ...]


class Session:
    """Statements about one run.

    Args:
        url: The database; holds no password.
        run_id: The run.
        writes: False: the server itself refuses to write.
        shares: Others that share it may write to the run, too.

    Raises:
        LedgerUnreachable: Nobody answers, or lets us in.
    """

    def __init__(
        self, url: str, run_id: str, *, writes: bool, shares: bool = False
    ) -> None:
        self.url = url
        self.run_id = run_id
        self._shares = shares
        self.run = 0
        """The run's number in the database; 0: not looked up yet."""
        self._writes = writes
        self._db = connect(url, writes=writes)
        self.links = 1
        """How many connections there were so far."""
        self._holder = secrets.token_hex(8)
        self._has_pen = False
        self._number = 0
        """Of the transaction that is open, or was last."""

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
            raise self._mapped(error) from error

    def add_run(self) -> None:
        """Make the run; it must not be there."""
        (self.run,) = self.one(schema.PUT_RUN, self.run_id)

    def find_run(self, *, locks: bool = True) -> None:
        """Find the run; keep everybody else from writing to it if this one writes.

        Args:
            locks: False: this one writes nothing of the run's ledger.

        Raises:
            JobBusy: Another connection writes to it.
            LedgerMismatch: There is none of this id, or another version made it.
        """
        found = None
        if self.has_tables():
            found = self.do(schema.GET_RUN, self.run_id).fetchone()
        if found is None:
            message = f"there is no run {self.run_id} in {self.url}; name another one"
            raise LedgerMismatch(message)
        (self.run,) = found
        if self._writes and locks:
            self.lock()
            self.take_pen()

    def has_tables(self) -> bool:
        """Tell whether there are any.

        Raises:
            LedgerMismatch: An older bulkbind made them, or a newer one.
        """
        try:
            version = version_of(self._db, self.url)
        except psycopg.Error as error:
            raise self._mapped(error) from error
        if 0 < version < schema.VERSION:
            message = (
                f"the ledgers in {self.url} are of an older bulkbind (schema {version});"
                " the next `bulkbind run` or `resume` with it brings them up to date"
            )
            raise LedgerMismatch(message)
        return version > 0

    def lock(self) -> None:
        """Keep every other connection that does not share it from writing to this run.

        Raises:
            JobBusy: One does.
        """
        statement = schema.SHARE_RUN if self._shares else schema.LOCK_RUN
        if not self._take(statement, self.run % (1 << 31)):
            job, holder = f"run {self.run_id}", f"another process, by {self.url}"
            raise JobBusy(job, holder)

    def hold_job(self, job: str) -> None:
        """Keep every other host that does the same from working on a job.

        Raises:
            JobBusy: One does.
        """
        key = self.job_key(job)
        if not self._take(schema.LOCK_JOB, key):
            host, since = self.one(schema.GET_JOB_HOLDER, key) or ("?", "?")
            holder = f"a process at {host} (since {since}), by {self.url}"
            raise JobBusy(job, holder)

    @staticmethod
    def job_key(job: str) -> int:
        """Return the number of a job's advisory lock."""
        return zlib.crc32(job.encode()) >> 1

    def take_pen(self) -> None:
        """Make what tells later which transactions of this writer were kept.

        Those of earlier writers are gone, by which they know that it was taken over;
        of writers that share the run, their leases know.
        """
        if not self._shares:
            self.do(schema.DROP_PENS, self.run)
        self.do(schema.PUT_PEN, self.run, self._holder)
        self._has_pen = True

    def _take(self, statement: str, key: int) -> bool:
        """Take a lock that is free, or will be in a moment."""
        self.do(schema.SHORTLY)
        try:
            self.do(statement, key)
        except LedgerFailed as error:
            if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                return False
            raise
        self.do(schema.NO_HURRY)
        return True

    # --- transactions ----------------------------------------------------------------

    def begin(self) -> None:
        """Open a transaction."""
        self._number += 1
        self.do("BEGIN")

    def commit(self) -> None:
        """Make everything since ``begin`` durable.

        Raises:
            LedgerUnreachable: The connection is lost; ``mend`` knows what was kept.
        """
        number = self._number
        self.do(schema.COMMIT.format(number=number, run=self.run, holder=self._holder))

    def rollback(self) -> None:
        """Forget everything since ``begin``."""
        if self._db.info.transaction_status != TransactionStatus.IDLE:
            self.do("ROLLBACK")

    def close(self) -> None:
        """Let go of the connection and of the run."""
        if self._has_pen:
            with suppress(LedgerFailed):
                self.do(schema.DROP_PEN, self.run, self._holder)
        self._db.close()

    def mend(self) -> bool:
        """Connect anew; once.

        Returns:
            Whether the last transaction was kept after all.

        Raises:
            JobBusy: The lost connection, or another one, still holds the run.
            LedgerFailed: Another one wrote to the run in between.
            LedgerUnreachable: Nobody answers.
        """
        with suppress(psycopg.Error):
            self._db.close()
        self._db = connect(self.url, writes=self._writes)
        self.links += 1
        if self._writes and self.run:
            self.lock()
        if not self._has_pen:
            return False
        pen = self.one(schema.GET_PEN, self.run, self._holder)
        if not pen:
            message = (
                f"another process went on with run {self.run_id} while the way to"
                f" {self.url} was cut; nothing more is sent from here"
            )
            raise LedgerFailed(message)
        return bool(pen[0] == self._number)

    def _mapped(self, error: psycopg.Error) -> StateError:
        return map_error(error, self.url, is_lost=is_way_lost(error, self._db))

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
            raise self._mapped(error) from error

    def do_each(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for many rows, without waiting after each.

        The last is run by itself: after a pipeline of psycopg 3.3 (a Sync, then a Flush)
        PostgreSQL 16 no longer ends the transaction when it is idle for too long.
        """
        found = list(rows)
        try:
            if many := found[:-1]:
                with self._db.cursor() as cursor:
                    cursor.executemany(statement.encode(), many)
        except psycopg.Error as error:
            raise self._mapped(error) from error
        for last in found[-1:]:
            self.do(statement, *last)

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
