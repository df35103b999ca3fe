"""Pinned columns and the ledger -> judged blocks, in manifest order: made for millions.

Says what :func:`bulkbind.report.merge.judged_rows` says, in columns: the ledger is read
once, target by target; what it says is sorted into windows of the manifest; a window is
proved at once and cut into blocks.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from bulkbind.errors import ReportWrong
from bulkbind.model import PinnedRows, Target, windows
from bulkbind.report.block import BLOCK_ROWS, Block, Found
from bulkbind.report.judged import Shared, Source
from bulkbind.report.merge import REMEDY, Asides, judge_batches, misfit, target_key
from bulkbind.report.sorter import WINDOW, Entries, Sorter
from bulkbind.verdict import Stops

#: Of rows that belong to no target: set aside, or of a target that nobody planned.
_NOBODY = -1


def judged_blocks(
    pinned: Iterable[PinnedRows],
    *,
    source: Source,
    expected_rows: int,
    carried: int,
    folder: Path,
    window: int = WINDOW,
) -> Iterator[Block]:
    """Give every row its verdict, in manifest order.

    Args:
        pinned: The pinned manifest; a row's number is its position, from 0.
        source: The run's ledger.
        expected_rows: How many rows the plan counted.
        carried: How many columns the manifest carries.
        folder: For what does not fit into memory.
        window: Rows in memory at once.

    Raises:
        ReportWrong: Rows, batches and rows set aside do not fit together. What was
            yielded until then must not be believed.
        OSError: The folder cannot be written.
    """
    targets = source.targets()
    shelf = _Shelf()
    asides = Asides(source.asides(), targets)
    rows = 0
    with Sorter(folder, window=window) as sorter:
        stops = Stops.of(source.stops(), invocation=source.invocation)
        for target in targets:
            for entries in _entries(target, source=source, stops=stops, shelf=shelf):
                sorter.add(entries)
        sorter.end()
        owners = _Owners(targets)
        for number, part in enumerate(windows(pinned, size=window)):
            entries = sorter.take(number)
            yield from _window(part, entries, rows, asides, shelf, owners, carried)
            rows += len(part.lines)
        _prove_all_used(rows, expected_rows, asides, sorter, targets, shelf)


class _Shelf:
    """What rows have in common, by number, and the target that it belongs to."""

    def __init__(self) -> None:
        self.shares: list[Shared] = []
        self.owners: list[int] = []

    def add(self, shared: Shared, owner: int) -> int:
        """Keep it; return its number."""
        self.shares.append(shared)
        self.owners.append(owner)
        return len(self.shares) - 1

    def drop_from(self, number: int) -> None:
        """Forget what was added last."""
        del self.shares[number:], self.owners[number:]


class _Owners(dict[tuple[str, ...], int]):
    """Ids of a pinned row but the last -> number of its target."""

    def __init__(self, targets: Iterable[Target]) -> None:
        super().__init__()
        self._known = {target_key(target): target.no for target in targets}

    def __missing__(self, ids: tuple[str, ...]) -> int:
        account, _, instance, plugin, _, env = ids
        owner = self._known.get((account, instance, plugin, env), _NOBODY)
        if owner is not _NOBODY:  # what is invalid may be anything: it is not kept
            self[ids] = owner
        return owner


def _entries(
    target: Target, *, source: Source, stops: Stops, shelf: _Shelf
) -> Iterator[Entries]:
    """Judge a target's batches one by one."""
    for batch, found, shares in judge_batches(target, source=source, stops=stops):
        numbers: dict[int, int] = {}
        for shared in dict.fromkeys(shares):
            numbers[id(shared)] = shelf.add(shared, target.no)
        yield Entries(
            batch.rows,
            [numbers[id(shared)] for shared in shares],
            batch.api_ids,
            found.attach_ids,
            found.times,
            found.attempts,
            found.verified,
        )


def _window(
    part: PinnedRows,
    entries: Entries,
    first: int,
    asides: Asides,
    shelf: _Shelf,
    owners: Mapping[tuple[str, ...], int],
    carried: int,
) -> Iterator[Block]:
    """Prove a window, and cut it into blocks."""
    kept = len(shelf.shares)
    wanted = [owners[ids] for ids in part.ids]
    entries = _with_asides(part, entries, first, asides, shelf, wanted)
    _prove(part, entries, first, shelf, wanted)
    shares = [shelf.shares[number] for number in entries.shares]
    many = len(part.lines)
    for start, end in pairwise([*range(0, many, BLOCK_ROWS), many]):
        found = Found(
            shares[start:end],
            entries.attach_ids[start:end],
            entries.times[start:end],
            entries.attempts[start:end],
            entries.verified[start:end],
        )
        yield Block.joined(part.part(start, end), found, carried=carried)
    shelf.drop_from(kept)


def _with_asides(
    part: PinnedRows,
    entries: Entries,
    first: int,
    asides: Asides,
    shelf: _Shelf,
    wanted: list[int],
) -> Entries:
    """Add the rows that the plan set aside."""
    numbers, places = [], []
    while first <= asides.next_row < first + len(part.lines):
        number = asides.next_row
        judged = asides.take(part.row(number - first))
        numbers.append(number)
        places.append(shelf.add(judged.shared, _NOBODY))
        wanted[number - first] = _NOBODY
    if not numbers:
        return entries
    blank = [""] * len(numbers)
    api_ids = [part.api_ids[number - first] for number in numbers]
    own = Entries(numbers, places, api_ids, blank, blank, [0] * len(numbers), blank)
    return Entries.together([entries, own])


def _prove(
    part: PinnedRows, entries: Entries, first: int, shelf: _Shelf, wanted: list[int]
) -> None:
    """See that each row of a window has one entry, and the one that is its own."""
    numbers = list(entries.numbers)
    if numbers != list(range(first, first + len(part.lines))):
        raise ReportWrong(_first_gap(part, numbers, first))
    owners = list(map(shelf.owners.__getitem__, entries.shares))
    if owners == wanted and list(entries.api_ids) == list(part.api_ids):
        return
    for at, api_id in enumerate(entries.api_ids):
        if owners[at] != wanted[at] or api_id != part.api_ids[at]:
            found_there = None if wanted[at] == _NOBODY else (first + at, api_id)
            raise ReportWrong(misfit(first + at, part.row(at), found_there))


def _first_gap(part: PinnedRows, numbers: list[int], first: int) -> str:
    """Say which row has no entry, or more than one."""
    many = len(part.lines)
    for at, found in enumerate(numbers[:many]):
        if found > first + at:
            return misfit(first + at, part.row(at), None)
        if found < first + at:
            return f"row {found} is twice in the ledger; {REMEDY}"
    if len(numbers) < many:
        return misfit(first + len(numbers), part.row(len(numbers)), None)
    return f"the ledger has row {numbers[many]}, the manifest has not; {REMEDY}"


def _prove_all_used(
    rows: int,
    expected_rows: int,
    asides: Asides,
    sorter: Sorter,
    targets: Iterable[Target],
    shelf: _Shelf,
) -> None:
    if rows != expected_rows:
        text = (
            f"the pinned manifest has {rows} rows, the plan has {expected_rows};"
            f" {REMEDY}"
        )
        raise ReportWrong(text)
    if asides.next_row != _NOBODY:
        text = f"row {asides.next_row} was set aside, but is no row; {REMEDY}"
        raise ReportWrong(text)
    for window in sorter.windows_left:
        entries = sorter.take(window)
        owner = shelf.owners[entries.shares[0]]
        (target,) = (target for target in targets if target.no == owner)
        text = (
            f"target {'/'.join(target_key(target))}: the ledger has row"
            f" {entries.numbers[0]}, API {entries.api_ids[0]!r}, but the manifest has no"
            f" such row; {REMEDY}"
        )
        raise ReportWrong(text)
