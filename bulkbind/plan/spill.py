"""Claims as columns, sorted by gateway and environment, on disk past a bound.

Claims of one gateway and environment must be ruled on together. Each target's claims
are columns of numbers and packed ids; when all of them outgrow the bound they go, as
chunks, into a fixed number of temporary files, so that memory does not grow with rows.
"""

import struct
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bulkbind.model import ID_BYTES, is_hex_id, unpack_hex_ids
from bulkbind.plan.claims import Claims
from bulkbind.plan.rules import Claim

#: Partitions: how many groups share one is a matter of luck, not of correctness.
PARTITIONS = 64

#: Bytes of claims kept in memory before they are written out.
BOUND = 32 * 1024 * 1024

#: group, target, whether ids are odd, claims.
_CHUNK = struct.Struct("<iiBq")


#: Bytes of one claim: row, place, id.
_CLAIM_BYTES = 8 + 8 + ID_BYTES


@dataclass(slots=True)
class _Columns:
    """Claims on one target whose ids are packed alike."""

    group: int
    is_odd: bool = False
    rows: "array[int]" = field(default_factory=lambda: array("q"))
    places: "array[int]" = field(default_factory=lambda: array("q"))
    ids: bytearray = field(default_factory=bytearray)


class Spill:
    """Takes claims in manifest order, gives them back group by group.

    Args:
        folder: Where temporary files go.
        bound: Bytes kept in memory.
    """

    def __init__(self, folder: Path | None = None, *, bound: int = BOUND) -> None:
        self._folder = folder
        self._bound = bound
        self._columns: dict[int, _Columns] = {}
        self._closed = [bytearray() for _ in range(PARTITIONS)]
        self._files: dict[int, IO[bytes]] = {}
        self._open_files = ExitStack()
        self._held = 0
        self._odd: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open_files.close()

    def add(self, group: int, claim: Claim) -> None:
        """Keep a claim; the order within a target is the order of the calls."""
        if is_hex_id(claim.api_id):
            columns = self._to(group, claim.target, is_odd=False)
            columns.ids += bytes.fromhex(claim.api_id)
        else:
            number = self._odd.setdefault(claim.api_id, len(self._odd))
            columns = self._to(group, claim.target, is_odd=True)
            columns.ids += number.to_bytes(ID_BYTES)
        columns.rows.append(claim.row)
        columns.places.append(claim.place)
        self._count(1)

    def extend(
        self,
        group: int,
        target: int,
        *,
        rows: Iterable[int],
        places: Iterable[int],
        ids: Sequence[bytes],
    ) -> None:
        """Keep claims on one target, ids packed to 16 bytes each."""
        columns = self._to(group, target, is_odd=False)
        columns.rows.extend(rows)
        columns.places.extend(places)
        columns.ids += b"".join(ids)
        self._count(len(ids))

    def groups(self) -> Iterator[dict[int, Claims]]:
        """Yield the claims of one group after the other, by target."""
        for target in list(self._columns):
            self._close(target)
        for partition in range(PARTITIONS):
            groups: dict[int, dict[int, Claims]] = {}
            for group, target, claims in self._chunks(self._load(partition)):
                found = groups.setdefault(group, {}).setdefault(target, Claims.none())
                found.append(claims)
            yield from (groups[number] for number in sorted(groups))

    def _to(self, group: int, target: int, *, is_odd: bool) -> _Columns:
        columns = self._columns.get(target)
        if columns is not None and columns.is_odd is not is_odd:
            self._close(target)
            columns = None
        if columns is None:
            columns = self._columns[target] = _Columns(group, is_odd)
        return columns

    def _count(self, claims: int) -> None:
        self._held += claims * _CLAIM_BYTES
        if self._held > self._bound:
            self._write_out()

    def _close(self, target: int) -> None:
        """Make a chunk of a target's columns."""
        columns = self._columns.pop(target)
        closed = self._closed[columns.group % PARTITIONS]
        many = len(columns.rows)
        closed += _CHUNK.pack(columns.group, target, columns.is_odd, many)
        for part in (columns.rows, columns.places, columns.ids):
            closed += memoryview(part).cast("B")

    def _write_out(self) -> None:
        for target in list(self._columns):
            self._close(target)
        for partition, chunks in enumerate(self._closed):
            if not chunks:
                continue
            if partition not in self._files:
                self._files[partition] = self._open_files.enter_context(
                    tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - the stack closes it
                )
            self._files[partition].write(chunks)
            chunks.clear()
        self._held = 0

    def _load(self, partition: int) -> bytes:
        file = self._files.get(partition)
        if file is None:
            return bytes(self._closed[partition])
        file.seek(0)
        return file.read() + bytes(self._closed[partition])

    def _chunks(self, packed: bytes) -> Iterator[tuple[int, int, Claims]]:
        names = list(self._odd)
        start = 0
        while start < len(packed):
            group, target, is_odd, many = _CHUNK.unpack_from(packed, start)
            places_at = start + _CHUNK.size + 8 * many
            ids_at = places_at + 8 * many
            end = ids_at + ID_BYTES * many
            ids = packed[ids_at:end]
            claims = Claims(
                array("q", packed[start + _CHUNK.size : places_at]).tolist(),
                array("q", packed[places_at:ids_at]).tolist(),
                _names(ids, names) if is_odd else unpack_hex_ids(ids),
            )
            yield group, target, claims
            start = end


def _names(packed: bytes, names: Sequence[str]) -> list[str]:
    return [
        names[int.from_bytes(packed[at : at + ID_BYTES])]
        for at in range(0, len(packed), ID_BYTES)
    ]
