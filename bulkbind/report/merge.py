"""The pinned rows and the ledger -> one verdict per row, in manifest order.

The manifest is in its author's order, a ledger in that of its batches. Batches of one
kind (to be sent, unchanged, refused ...) are cut in manifest order, and a target's
batches are numbered by their first row: a merge needs a few open batches per target,
one for each kind, and never looks anything up.

On the way it proves the partition. Every row must be what its target's next id says
it is, or set aside; at the end nothing may be left over. A report that does not add
up is not written.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush, heapreplace
from typing import Any, TypeVar

from bulkbind.errors import ReportWrong
from bulkbind.model import Aside, Batch, Row, RowVerdict, Target, Verdict
from bulkbind.report.judged import JudgedRow, Shared, Source
from bulkbind.verdict import Findings, Stops, find

#: A target's next row: number, API, what it shares, attach id, time, attempts, and
#: what a verification saw.
_Entry = tuple[int, str, Shared, str, str, int, str]

#: What is known of a row, beginning with its number.
Entry = TypeVar("Entry", bound=tuple[int, *tuple[Any, ...]])

_TargetKey = tuple[str, str, str, str]

#: What to do about a report that does not add up.
REMEDY = "nothing was written; `bulkbind doctor RUN` checks the run's files"


def judged_rows(
    rows: Iterable[Row], *, source: Source, expected_rows: int
) -> Iterator[JudgedRow]:
    """Give every row its verdict, in manifest order.

    Memory holds a batch per target and kind; time is linear in rows.

    Args:
        rows: The pinned manifest; a row's number is its position, from 0.
        source: The run's ledger.
        expected_rows: How many rows the plan counted.

    Yields:
        Every row once.

    Raises:
        ReportWrong: Rows, batches and rows set aside do not fit together. What was
            yielded until then must not be believed.
    """
    targets = source.targets()
    stops = Stops.of(source.stops(), invocation=source.invocation)
    entries = {
        target_key(target): _entries(target, source=source, stops=stops)
        for target in targets
    }
    asides = Asides(source.asides(), targets)
    number = -1
    for number, row in enumerate(rows):
        if number == asides.next_row:
            yield asides.take(row)
            continue
        entry = next(entries.get(row.target_key, _NOTHING), None)
        if entry is None or entry[0] != number or entry[1] != row.api_id:
            raise ReportWrong(misfit(number, row, entry))
        yield JudgedRow(row, *entry[2:])
    _prove_all_used(
        number + 1, expected_rows=expected_rows, asides=asides, entries=entries
    )


_NOTHING: Iterator[_Entry] = iter(())


def target_key(target: Target) -> _TargetKey:
    """Return what makes a target, as ``Row.target_key`` does."""
    return target.account, target.instance_id, target.plugin_id, target.env_id


# --- rows that were to be sent --------------------------------------------------------


def _entries(target: Target, *, source: Source, stops: Stops) -> Iterator[_Entry]:
    return in_row_order(_batches(target, source=source, stops=stops))


def in_row_order(batches: Iterable[Iterator[Entry]]) -> Iterator[Entry]:
    """Walk a target's rows, ascending, through batches that may overlap.

    Args:
        batches: Rows ascending, by their first row; none is empty. An entry begins
            with its row's number.
    """
    opened: list[tuple[int, int, Entry, Iterator[Entry]]] = []
    for number, entries in enumerate(batches):
        first = next(entries)
        while opened and opened[0][0] < first[0]:
            yield _step(opened)
        heappush(opened, (first[0], number, first, entries))
    while opened:
        yield _step(opened)


def _step(opened: list[tuple[int, int, Entry, Iterator[Entry]]]) -> Entry:
    """Take the lowest row of all open batches.

    An open batch is its next row's number, its place, its next row, and the rest.
    """
    _, number, entry, entries = opened[0]
    following = next(entries, None)
    if following is None:
        heappop(opened)
    else:
        heapreplace(opened, (following[0], number, following, entries))
    return entry


def _batches(
    target: Target, *, source: Source, stops: Stops
) -> Iterator[Iterator[_Entry]]:
    """Judge a target's batches one by one."""
    for batch, found, shares in judge_batches(target, source=source, stops=stops):
        yield zip(
            batch.rows,
            batch.api_ids,
            shares,
            found.attach_ids,
            found.times,
            found.attempts,
            found.verified,
            strict=True,
        )


def judge_batches(
    target: Target, *, source: Source, stops: Stops
) -> Iterator[tuple[Batch, Findings, list[Shared]]]:
    """Judge a target's batches one by one: what each row has alone, and in common.

    Raises:
        ReportWrong: A batch or its records contradict themselves.
    """
    for batch, records in source.batches(target.no):
        if len(batch.rows) != len(batch.api_ids):
            text = f"{len(batch.rows)} rows, but {len(batch.api_ids)} ids"
            raise ReportWrong(_damaged(batch, text))
        try:
            found = find(batch, records, target=target, stops=stops)
        except IndexError as stray:
            text = "its records name ids that it does not have"
            raise ReportWrong(_damaged(batch, text)) from stray
        yield batch, found, _shared_out(found.common, target=target)


def _damaged(batch: Batch, problem: str) -> str:
    return f"batch {batch.id}: {problem}; {REMEDY}"


def _shared_out(common: list[RowVerdict], *, target: Target) -> list[Shared]:
    """Let rows with the same verdict share their cells."""
    known = {id(verdict): verdict for verdict in common}
    shares = {key: _share(target, verdict) for key, verdict in known.items()}
    return [shares[id(verdict)] for verdict in common]


def _share(target: Target, verdict: RowVerdict) -> Shared:
    return Shared(
        account=target.account,
        project_id=target.project_id,
        instance_id=target.instance_id,
        plugin_id=target.plugin_id,
        plugin_type=target.plugin_type,
        env_id=target.env_id,
        verdict=verdict.verdict,
        cause=verdict.cause,
        replaced_plugin_id=verdict.replaced_plugin_id,
        http_status=verdict.http_status,
        error_code=verdict.error_code,
        error_msg=verdict.error_msg,
        request_id=verdict.request_id,
        finished_at=verdict.finished_at,
        plugin_name=verdict.plugin_name,
        env_name=verdict.env_name,
    )


# --- rows that the plan set aside -----------------------------------------------------


#: Stands behind the last row set aside; no row has this number.
_NO_MORE = Aside(-1, Verdict.INVALID, "")


class Asides:
    """The rows that the plan set aside, taken one after another."""

    #: Number of the next one; -1 when there is none.
    next_row: int

    def __init__(self, asides: Iterator[Aside], targets: Iterable[Target]) -> None:
        self._asides = asides
        self._projects = {
            target.account: target.project_id for target in targets if target.project_id
        }
        self._advance()

    def take(self, row: Row) -> JudgedRow:
        """Judge the row that is next, and go on to the one after it."""
        aside = self._next
        self._advance()
        return JudgedRow(row, self._share(row, aside))

    def _advance(self) -> None:
        self._next = next(self._asides, _NO_MORE)
        self.next_row = self._next.row

    def _share(self, row: Row, aside: Aside) -> Shared:
        project_id = row.project_id
        if aside.verdict is not Verdict.INVALID:
            project_id = self._projects.get(row.account, project_id)
        return Shared(
            account=row.account,
            project_id=project_id,
            instance_id=row.instance_id,
            plugin_id=row.plugin_id,
            plugin_type=row.plugin_type,
            env_id=row.env_id,
            verdict=aside.verdict,
            error_code=f"BULKBIND.{aside.verdict.name}",
            error_msg=aside.text,
        )


# --- the proof ------------------------------------------------------------------------


def misfit(number: int, row: Row, entry: Sequence[Any] | None) -> str:
    """Say that a row is not what the ledger has at its place: number, API ..."""
    where = f"row {number} (line {row.line}, API {row.api_id!r}, {_named(row)})"
    if entry is None:
        return f"{where} is in no batch and not set aside; {REMEDY}"
    return (
        f"{where} does not fit the ledger, which has row {entry[0]}, API"
        f" {entry[1]!r} at its place; {REMEDY}"
    )


def _named(row: Row) -> str:
    return f"target {'/'.join(row.target_key)}"


def _prove_all_used(
    number: int,
    *,
    expected_rows: int,
    asides: Asides,
    entries: dict[_TargetKey, Iterator[_Entry]],
) -> None:
    if number != expected_rows:
        text = (
            f"the pinned manifest has {number} rows, the plan has"
            f" {expected_rows}; {REMEDY}"
        )
        raise ReportWrong(text)
    if asides.next_row != -1:
        text = f"row {asides.next_row} was set aside, but is no row; {REMEDY}"
        raise ReportWrong(text)
    for key, rest in entries.items():
        left = next(rest, None)
        if left is not None:
            text = (
                f"target {'/'.join(key)}: the ledger has row {left[0]}, API"
                f" {left[1]!r}, but the manifest has no such row; {REMEDY}"
            )
            raise ReportWrong(text)
