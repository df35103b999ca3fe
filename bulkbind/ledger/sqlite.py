"""The ledger in one SQLite file: WAL, ``synchronous=FULL``, one writing connection.

Exactly one connection writes and checkpoints (the job lock sees to it): two can
corrupt a WAL before SQLite 3.51.3. Readers in other processes open it read-only.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import add
from pathlib import Path
from typing import Any

from bulkbind.errors import LedgerDamaged, LedgerFailed, LedgerMismatch
from bulkbind.ledger import schema
from bulkbind.ledger.codec import (
    batch_key,
    check,
    checksum,
    damaged,
    decode_batch,
    decode_record,
    decode_stop,
    encode_batch,
    encode_record,
    encode_stop,
)
from bulkbind.ledger.sqlite_file import (
    FOREIGN,
    Facts,
    is_half_written,
    map_error,
    mapped,
    opening,
    prove_whole,
    refuse_foreign,
)
from bulkbind.model import (
    Action,
    Aside,
    Batch,
    Invocation,
    Lane,
    LaneTally,
    Record,
    RecordKind,
    RunState,
    Scope,
    Settled,
    Stop,
    Target,
    Verdict,
    Why,
)


class SqliteLedger:
    """One run in one SQLite file.

    Args:
        path: The file.
        connection: An open connection to it; ``create``, ``open`` and ``read`` make
            one.
        writes: The connection writes; closing it leaves one file and no WAL.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, writes: bool = True
    ) -> None:
        self.path = path
        self._db = connection
        self._writes = writes

    # --- opening ---------------------------------------------------------------------

    @classmethod
    def create(cls, path: Path, *, tool: str) -> "SqliteLedger":
        """Make a new, empty ledger.

        Args:
            path: Must not exist.
            tool: Name and version of the writer; told to one who cannot read it.
        """
        try:
            path.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise map_error(error, path) from error
        with opening(path, mode="rw") as db:
            db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {schema.VERSION}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(schema.TABLES)
            db.execute(schema.PUT_META, ("written_by", tool))
        return cls(path, db)

    @classmethod
    def open(cls, path: Path) -> "SqliteLedger":
        """Open a ledger to write to it; only the holder of the job lock may.

        Raises:
            LedgerMismatch: It is not a ledger, or a newer bulkbind wrote it.
            LedgerDamaged: It cannot be read.
        """
        return cls._open(path, mode="rw")

    @classmethod
    def read(cls, path: Path) -> "SqliteLedger":
        """Open a ledger read-only, also while another process writes to it.

        A writer that was killed while it closed the file left a change half made;
        SQLite takes it back, for which it must be let write once.
        """
        try:
            return cls._open(path, mode="ro")
        except LedgerFailed as error:
            if not is_half_written(error):
                raise
        cls._open(path, mode="rw").close()
        return cls._open(path, mode="ro")

    @classmethod
    def _open(cls, path: Path, *, mode: str) -> "SqliteLedger":
        if not path.is_file():
            message = f"there is no ledger at {path}; name a run that exists"
            raise LedgerMismatch(message)
        with opening(path, mode=mode) as db:
            refuse_foreign(db, path)
            if mode == "rw":
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
        return cls(path, db, writes=mode == "rw")

    # --- transactions ----------------------------------------------------------------

    @mapped
    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    @mapped
    def commit(self) -> None:
        self._db.execute("COMMIT")

    @mapped
    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.rollback()

    @mapped
    def close(self) -> None:
        if self._writes:
            with suppress(sqlite3.OperationalError):  # somebody still reads
                self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()

    # --- the plan --------------------------------------------------------------------

    @mapped
    def put_batches(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            body = encode_batch(batch)
            key = batch_key(batch.id, batch.target, batch.lane, batch.action)
            crc = checksum("batch", key, body)
            self._db.execute(
                schema.PUT_BATCH,
                (batch.id, batch.target, batch.lane, batch.action, body, crc),
            )
            self._db.execute(
                schema.PUT_WORK,
                (batch.id, batch.lane, batch.target, len(batch.api_ids), *[0] * 6),
            )

    @mapped
    def put_plan(
        self,
        *,
        lanes: Sequence[Lane],
        targets: Sequence[Target],
        asides: Iterable[Aside],
    ) -> None:
        self._db.executemany(
            schema.PUT_LANE, ((lane.no, lane.account, lane.gateway) for lane in lanes)
        )
        self._db.executemany(
            schema.PUT_TARGET,
            (
                (
                    target.no,
                    target.account,
                    target.project_id,
                    target.instance_id,
                    target.plugin_id,
                    target.env_id,
                    target.lane,
                    target.plugin_type,
                )
                for target in targets
            ),
        )
        self._db.executemany(schema.PUT_ASIDE, asides)

    @mapped
    def put_meta(self, facts: Mapping[str, str]) -> None:
        self._db.executemany(schema.PUT_META, facts.items())

    @mapped
    def meta(self) -> dict[str, str]:
        return Facts(
            (name, value) for name, value in self._sealed("meta", schema.GET_META)
        )

    # --- reading ---------------------------------------------------------------------

    @mapped
    def prove(self) -> None:
        prove_whole(self._db, self.path)

    @mapped
    def lanes(self) -> list[Lane]:
        return [Lane(*row) for row in self._sealed("lane", schema.GET_LANES)]

    @mapped
    def targets(self) -> list[Target]:
        met: dict[Any, Any] = {}  # each text in memory once: many are alike
        rows = self._sealed("target", schema.GET_TARGETS)
        targets = [Target(*[met.setdefault(v, v) for v in row]) for row in rows]
        (last,) = self._db.execute(schema.GET_LAST_TARGET).fetchone()
        numbers = [target.no for target in targets]
        if numbers != list(range(len(numbers))) or (last or 0) >= len(numbers) > 0:
            raise LedgerDamaged(damaged("list of targets", numbers))
        return targets

    def batches(self, target: int) -> Iterator[tuple[Batch, list[Record]]]:
        rows = self._rows(schema.GET_BATCHES, (target,))
        for row in rows:
            yield self._batch(row), self._records(row[0])

    def asides(self) -> Iterator[Aside]:
        for row, verdict, text in self._sealed("row", schema.GET_ASIDES):
            yield Aside(row, Verdict(verdict), text)

    @mapped
    def stops(self) -> list[Stop]:
        return [
            decode_stop(scope, key, check("stop", f"{scope}/{key}", body, crc))
            for scope, key, body, crc, lifted in self._sealed("stop", schema.GET_STOPS)
            if not lifted
        ]

    @mapped
    def invocations(self) -> list[Invocation]:
        return [
            Invocation(no, command, operator, pid, start, end, RunState(state), by)
            for no, command, operator, pid, start, end, state, by in self._sealed(
                "invocation", schema.GET_INVOCATIONS
            )
        ]

    @mapped
    def tally(self) -> list[LaneTally]:
        tallies: dict[int, LaneTally] = {}
        rows = self._sealed("work", schema.GET_TALLY)
        for lane, action, state, count, size, done, *others in rows:
            settled = count if state == schema.SETTLED else 0
            by_action = (done, 0) if action == Action.ATTACH else (0, done)
            had = tallies.get(lane, LaneTally(lane, 0, 0, 0))[1:]
            more = (count, settled, size, *by_action, *others)
            tallies[lane] = LaneTally(lane, *map(add, had, more))
        return list(tallies.values())

    @mapped
    def aside_counts(self) -> dict[Verdict, int]:
        rows = self._db.execute(schema.GET_ASIDE_COUNTS)
        return {Verdict(verdict): count for verdict, count in rows}

    @mapped
    def requests_by_reason(self) -> dict[Why, int]:
        counts = dict.fromkeys(Why, 0)
        for why, count in self._db.execute(schema.GET_WHY):
            if why not in counts:
                raise LedgerDamaged(damaged("reason", why))
            counts[Why(why)] = count
        return counts

    @mapped
    def reads(self) -> int:
        return int(self._db.execute(schema.GET_READS).fetchone()[0])

    @mapped
    def last_record_at(self) -> float:
        row = self._db.execute(schema.GET_LAST_RECORD).fetchone()
        return self._record(row).at if row else 0.0

    # --- running ---------------------------------------------------------------------

    @mapped
    def open_lanes(self) -> list[int]:
        return [lane for (lane,) in self._db.execute(schema.GET_OPEN_LANES)]

    @mapped
    def open_batches(
        self, lane: int, *, after: int, limit: int
    ) -> list[tuple[Batch, list[Record]]]:
        rows = self._db.execute(schema.GET_OPEN, (lane, after, limit)).fetchall()
        for row in rows:
            if not row[-1]:
                raise LedgerDamaged(damaged("work on batch", row[0]))
        return [(self._batch(row[:-1]), self._records(row[0])) for row in rows]

    @mapped
    def poisoned(self, lane: int, *, limit: int) -> list[int]:
        rows = self._db.execute(schema.GET_POISONED, (lane, limit))
        return [batch for (batch,) in rows]

    @mapped
    def start(self, *, command: str, operator: str, pid: int, at: float) -> int:
        (number,) = self._db.execute(schema.NEXT_INVOCATION).fetchone()
        facts = (number, command, operator, pid, float(at), None, RunState.RUNNING)
        self._db.execute(schema.PUT_INVOCATION, (*facts, "", 0))
        return int(number)

    @mapped
    def end(
        self, invocation: int, *, at: float, state: RunState, stopped_by: str
    ) -> None:
        facts = (float(at), state, stopped_by, invocation)
        self._db.execute(schema.END_INVOCATION, facts)

    @mapped
    def add_reads(self, invocation: int, pages: int) -> None:
        self._db.execute(schema.ADD_READS, (pages, invocation))

    @mapped
    def put_record(self, record: Record) -> None:
        body = encode_record(record)
        crc = checksum("record", f"{record.batch}/{record.kind}/{record.why}", body)
        self._db.execute(
            schema.PUT_RECORD, (record.batch, record.kind, record.why, body, crc)
        )
        if record.kind is RecordKind.INTENT:
            self._db.execute(schema.SET_STARTED, (record.batch,))
        elif record.scope is Scope.ITEM and len(record.span) > 1:
            self._db.execute(schema.SET_POISONED, (record.batch,))

    @mapped
    def mark(self, batch: int, counts: Settled, *, settled: bool) -> None:
        state = schema.SETTLED if settled else schema.STARTED
        self._db.execute(schema.SET_WORK, (state, *counts, batch))

    @mapped
    def put_stop(self, stop: Stop) -> None:
        body = encode_stop(stop)
        key = f"{stop.scope}/{stop.key}"
        self._db.execute(
            schema.PUT_STOP, (stop.scope, stop.key, body, checksum("stop", key, body))
        )
        if stop.scope is Scope.TARGET:
            self._db.execute(schema.FAIL_TARGET, (int(stop.key),))

    @mapped
    def reopen_judged(self) -> None:
        for statement in schema.REOPEN_JUDGED:
            self._db.execute(statement)

    @mapped
    def reopen_failed(self) -> int:
        self._db.execute(schema.LIFT_STOPS)
        return self._db.execute(schema.REOPEN_FAILED).rowcount

    # --- rows of tables -> values ----------------------------------------------------

    def _sealed(self, kind: str, query: str) -> Iterator[Any]:
        """Yield rows without their last column, which says whether they hold."""
        for *row, holds in self._rows(query, ()):
            if not holds:
                raise LedgerDamaged(damaged(kind, row[0]))
            yield row

    def _rows(self, query: str, values: tuple[object, ...]) -> Iterator[Any]:
        try:
            # Not "yield from": that would also close the cursor, maybe after the file.
            for row in self._db.execute(query, values):  # noqa: UP028
                yield row
        except FOREIGN as error:
            raise map_error(error, self.path) from error

    def _batch(self, row: tuple[int, int, int, str, bytes, int]) -> Batch:
        batch_id, target, lane, action, body, crc = row
        sound = check("batch", batch_key(batch_id, target, lane, action), body, crc)
        return decode_batch(batch_id, target, lane, action, sound)

    @mapped
    def _records(self, batch: int) -> list[Record]:
        rows = self._db.execute(schema.GET_RECORDS, (batch,))
        return [self._record(row) for row in rows]

    def _record(self, row: tuple[int, str, str, bytes, int]) -> Record:
        batch, kind, why, body, crc = row
        sound = check("record", f"{batch}/{kind}/{why}", body, crc)
        return decode_record(batch, kind, sound)
