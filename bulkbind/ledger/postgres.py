"""The ledger of one run in a PostgreSQL database that many hosts share."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from operator import add
from typing import Any

from bulkbind.errors import LedgerDamaged
from bulkbind.ledger import postgres_schema as schema
from bulkbind.ledger.codec import (
    batch_key,
    check,
    checksum,
    damaged,
    decode_batch,
    decode_stop,
    encode_batch,
    encode_record,
    encode_stop,
)
from bulkbind.ledger.postgres_rows import (
    Work,
    record_of,
    seal,
    unsealed,
    unsealed_stops,
)
from bulkbind.ledger.postgres_session import Row, Session
from bulkbind.ledger.schema import SETTLED
from bulkbind.ledger.sqlite_file import Facts
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


class PostgresLedger:
    """One run in a database.

    Args:
        session: Works on the run; ``create``, ``open`` and ``read`` make one.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.begin = session.begin
        self.commit = session.commit
        self.rollback = session.rollback
        self.close = session.close
        self.mend = session.mend

    # --- opening ---------------------------------------------------------------------

    @classmethod
    def create(cls, url: str, run_id: str, *, tool: str) -> "PostgresLedger":
        """Make a new, empty ledger; its run must not be there.

        Args:
            url: The database.
            run_id: The run.
            tool: Name and version of the writer; told to one who cannot read it.
        """
        session = Session(url, run_id, writes=True)
        with ExitStack() as stack:
            stack.callback(session.close)
            session.prepare(tool=tool)
            session.begin()
            session.add_run()
            ledger = cls(session)
            ledger.put_meta({"written_by": tool})
            session.lock()
            session.take_pen()
            session.commit()
            stack.pop_all()
        return ledger

    @classmethod
    def open(cls, url: str, run_id: str) -> "PostgresLedger":
        """Open a ledger to write to it.

        Raises:
            JobBusy: Another connection writes to it.
            LedgerMismatch: There is none of this run.
            LedgerUnreachable: Nobody answers, or lets us in.
        """
        return cls._open(url, run_id, writes=True)

    @classmethod
    def share(cls, url: str, run_id: str) -> "PostgresLedger":
        """Open a ledger to write to it beside others that do the same.

        Each writes only of what it owns by a lease.

        Raises:
            JobBusy: A connection writes to it that does not share it.
            LedgerMismatch: There is none of this run.
            LedgerUnreachable: Nobody answers, or lets us in.
        """
        return cls._open(url, run_id, writes=True, shares=True)

    @classmethod
    def read(cls, url: str, run_id: str) -> "PostgresLedger":
        """Open a ledger to read it, also while somebody writes to it."""
        return cls._open(url, run_id, writes=False)

    @classmethod
    def _open(
        cls, url: str, run_id: str, *, writes: bool, shares: bool = False
    ) -> "PostgresLedger":
        session = Session(url, run_id, writes=writes, shares=shares)
        with ExitStack() as stack:
            stack.callback(session.close)
            session.find_run()
            stack.pop_all()
        return cls(session)

    # --- the plan --------------------------------------------------------------------

    def put_batches(self, batches: Iterable[Batch]) -> None:
        count = 0
        for batch in batches:
            body = encode_batch(batch)
            place = (batch.id, batch.target, batch.lane, str(batch.action))
            crc = checksum("batch", batch_key(*place), body)
            self._put(schema.PUT_BATCH, *place, body, crc)
            work = Work(batch.id, batch.lane, batch.target, len(batch.api_ids))
            self._put(schema.PUT_WORK, *work, seal("work", *work))
            count += 1
        self.session.do(schema.COUNT_BATCHES, count, self.session.run)

    def put_plan(
        self,
        *,
        lanes: Sequence[Lane],
        targets: Sequence[Target],
        asides: Iterable[Aside],
    ) -> None:
        for lane in lanes:
            facts = (lane.no, lane.account, lane.gateway)
            self._put(schema.PUT_LANE, *facts, seal("lane", *facts))
        for target in targets:
            columns = schema.COPIED["target"][:-1]
            values = [getattr(target, column) for column in columns]
            self._put(schema.PUT_TARGET, *values, seal("target", *values))
        for row, verdict, text in asides:
            crc = seal("aside", row, str(verdict), text)
            self._put(schema.PUT_ASIDE, row, str(verdict), text.encode(), crc)

    def put_meta(self, facts: Mapping[str, str]) -> None:
        for name, value in facts.items():
            self._put(schema.PUT_META, name, value.encode(), seal("meta", name, value))

    def meta(self) -> dict[str, str]:
        return Facts(
            (name, value) for name, value in self._all("meta", schema.GET_META)
        )

    # --- reading ---------------------------------------------------------------------

    def prove(self) -> None:
        if stray := self.session.rows(schema.GET_STRAY):
            raise LedgerDamaged(damaged("record of batch", stray[0][0]))
        ((gone,),) = self.session.rows(schema.GET_GONE)
        if gone:
            raise LedgerDamaged(damaged("number of batches, of which are gone", gone))

    def lanes(self) -> list[Lane]:
        return [Lane(*row) for row in self._all("lane", schema.GET_LANES)]

    def targets(self) -> list[Target]:
        met: dict[Any, Any] = {}  # each text in memory once: many are alike
        rows = self._all("target", schema.GET_TARGETS)
        targets = [Target(*[met.setdefault(v, v) for v in row]) for row in rows]
        ((last,),) = self.session.rows(schema.GET_LAST_TARGET)
        numbers = [target.no for target in targets]
        if numbers != list(range(len(numbers))) or (last or 0) >= len(numbers) > 0:
            raise LedgerDamaged(damaged("list of targets", numbers))
        return targets

    def batches(self, target: int) -> Iterator[tuple[Batch, list[Record]]]:
        for page in self.session.pages(schema.GET_BATCHES, target):
            yield from self._with_records(page)

    def asides(self) -> Iterator[Aside]:
        for page in self.session.pages(schema.GET_ASIDES):
            for row, verdict, text in unsealed("aside", page):
                yield Aside(row, Verdict(verdict), text)

    def stops(self) -> list[Stop]:
        return [
            decode_stop(scope, key, check("stop", f"{scope}/{key}", body, crc))
            for scope, key, lifted, body, crc in self._stops()
            if not lifted
        ]

    def _stops(self) -> Iterator[tuple[str, str, int, bytes, int]]:
        return unsealed_stops(self.session.rows(schema.GET_STOPS))

    def invocations(self) -> list[Invocation]:
        return [
            Invocation(no, command, operator, pid, start, end, RunState(state), by)
            for no, command, operator, pid, start, end, state, by, _ in self._all(
                "invocation", schema.GET_INVOCATIONS
            )
        ]

    def tally(self) -> list[LaneTally]:
        tallies: dict[int, LaneTally] = {}
        for page in self.session.pages(schema.GET_WORK):
            works = [Work(*row) for row in unsealed("work", page)]
            ids = [work.batch for work in works]
            actions: dict[int, str] = dict(self.session.rows(schema.GET_ACTIONS, ids))
            for work in works:
                is_attach = actions.get(work.batch) == Action.ATTACH
                done = (work.done, 0) if is_attach else (0, work.done)
                others = (work.unchanged, work.kept, work.failed)
                had = tallies.get(work.lane, LaneTally(work.lane, 0, 0, 0))[1:]
                more = (1, int(work.state == SETTLED), work.size, *done, *others)
                tallies[work.lane] = LaneTally(work.lane, *map(add, had, more))
        return list(tallies.values())

    def aside_counts(self) -> dict[Verdict, int]:
        rows = self.session.rows(schema.GET_ASIDE_COUNTS)
        return {Verdict(verdict): count for verdict, count in rows}

    def requests_by_reason(self) -> dict[Why, int]:
        counts = dict.fromkeys(Why, 0)
        for why, count in self.session.rows(schema.GET_WHY):
            if why not in counts:
                raise LedgerDamaged(damaged("reason", why))
            counts[Why(why)] = count
        return counts

    def reads(self) -> int:
        ((pages,),) = self.session.rows(schema.GET_READS)
        return int(pages)

    def last_record_at(self) -> float:
        rows = self.session.rows(schema.GET_LAST_RECORD)
        return record_of(*rows[0]).at if rows else 0.0

    # --- running ---------------------------------------------------------------------

    def open_lanes(self) -> list[int]:
        return [lane for (lane,) in self.session.rows(schema.GET_OPEN_LANES)]

    def open_batches(
        self, lane: int, *, after: int, limit: int
    ) -> list[tuple[Batch, list[Record]]]:
        rows = self.session.rows(schema.GET_OPEN, lane, after, limit)
        width = len(schema.COPIED["batch"])
        for work in unsealed("work", [row[width:] for row in rows]):
            if work[1] != lane:
                raise LedgerDamaged(damaged("work on batch", work[0]))
        return list(self._with_records([row[:width] for row in rows]))

    def poisoned(self, lane: int, *, limit: int) -> list[int]:
        rows = self.session.rows(schema.GET_POISONED, lane, limit)
        return [batch for (batch,) in rows]

    def start(self, *, command: str, operator: str, pid: int, at: float) -> int:
        ((number,),) = self.session.rows(schema.NEXT_INVOCATION)
        state = str(RunState.RUNNING)
        facts = (number, command, operator, pid, float(at), None, state, "", 0)
        self._put(schema.PUT_INVOCATION, *facts, seal("invocation", *facts))
        # what was asked of, and said by, the one before; a pause stands
        self._put(schema.DROP_ASKED, ["stop", "set-"], None)
        self._put(schema.DROP_ALL_TOLD)
        return int(number)

    def end(
        self, invocation: int, *, at: float, state: RunState, stopped_by: str
    ) -> None:
        new = {"ended_at": float(at), "state": str(state), "stopped_by": stopped_by}
        self._change_invocation(invocation, lambda facts: facts | new)

    def add_reads(self, invocation: int, pages: int) -> None:
        self._change_invocation(
            invocation, lambda facts: facts | {"reads": facts["reads"] + pages}
        )

    def put_record(self, record: Record) -> None:
        body = encode_record(record)
        place = (record.batch, str(record.kind), str(record.why))
        crc = checksum("record", "/".join(map(str, place)), body)
        self._put(schema.PUT_RECORD, *place, body, crc)
        if record.kind is RecordKind.INTENT:
            self._change_work(Work.begin, schema.GET_WORK_OF, record.batch)
        elif record.scope is Scope.ITEM and len(record.span) > 1:
            self._change_work(Work.poison, schema.GET_WORK_OF, record.batch)

    def mark(self, batch: int, counts: Settled, *, settled: bool) -> None:
        self._change_work(
            lambda work: work.settle(counts, settled=settled), schema.GET_WORK_OF, batch
        )

    def put_stop(self, stop: Stop) -> None:
        body = encode_stop(stop)
        place = (str(stop.scope), stop.key)
        crc = checksum("stop", "/".join(place), body)
        sealed = seal("stop", *place, 0, crc)
        self._put(schema.PUT_STOP, *place, 0, body, crc, sealed)
        if stop.scope is Scope.TARGET:
            self._change_work(Work.fail, schema.GET_WORK_FRESH, int(stop.key))

    def reopen_judged(self) -> None:
        self._put(schema.DROP_READINGS)
        self._change_work(Work.forget, schema.GET_WORK_ALL)

    def reopen_failed(self) -> int:
        for scope, key, _, _, crc in list(self._stops()):
            if scope == Scope.TARGET:
                values = (seal("stop", scope, key, 1, crc), self.session.run)
                self.session.do(schema.LIFT_STOP, *values, scope, key, crc)
        return self._change_work(Work.retry, schema.GET_WORK_FAILED)

    # --- rows of tables <-> values ---------------------------------------------------

    def _put(self, statement: str, *values: object) -> None:
        self.session.do(statement, self.session.run, *values)

    def _all(self, table: str, statement: str, *values: object) -> Iterator[list[Any]]:
        return unsealed(table, self.session.rows(statement, *values))

    def _change_work(
        self, change: Callable[[Work], Work], statement: str, *values: object
    ) -> int:
        """Change where batches stand, and their seals; return how many were asked."""
        works = [Work(*row) for row in self._all("work", statement, *values)]
        changed = [new for work in works if (new := change(work)) != work]
        self.session.do_each(
            schema.SET_WORK,
            (
                (*new[4:], seal("work", *new), self.session.run, new.batch)
                for new in changed
            ),
        )
        return len(works)

    def _change_invocation(
        self, number: int, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        columns = schema.COPIED["invocation"][:-1]
        for row in self._all("invocation", schema.GET_INVOCATION, number):
            facts = change(dict(zip(columns, row, strict=True)))
            new = [facts[name] for name in ("ended_at", "state", "stopped_by", "reads")]
            sealed = seal("invocation", *facts.values())
            self.session.do(
                schema.SET_INVOCATION, *new, sealed, self.session.run, number
            )

    def _with_records(
        self, rows: Sequence[Row]
    ) -> Iterator[tuple[Batch, list[Record]]]:
        """Yield the batches of some rows, with their records."""
        records: dict[int, list[Record]] = {row[0]: [] for row in rows}
        for row in self.session.rows(schema.GET_RECORDS, list(records)):
            records[row[0]].append(record_of(*row))
        for batch, target, lane, action, body, crc in rows:
            key = batch_key(batch, target, lane, action)
            sound = check("batch", key, body, crc)
            yield decode_batch(batch, target, lane, action, sound), records[batch]
