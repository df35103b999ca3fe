"""Claims, sorted by gateway and environment, on disk past a bound.

Claims of one gateway and environment must be ruled on together. They are packed into
a fixed number of partitions; when the partitions outgrow the bound they go to
temporary files, so that memory does not grow with rows.
"""

import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bulkbind.plan.rules import Claim

#: Partitions: how many groups share one is a matter of luck, not of correctness.
PARTITIONS = 64

#: Bytes of claims kept in memory before they are written out.
BOUND = 64 * 1024 * 1024

#: group, row, place, target, id kind, id.
_CLAIM = struct.Struct("<iqqiB16s")

_HEX, _ODD = 0, 1
_HEX_DIGITS = frozenset("0123456789abcdef")
_HEX_LENGTH = 32


def is_hex_id(api_id: str) -> bool:
    """Tell an id of 32 hexadecimal digits, as the gateway makes them, from others."""
    return len(api_id) == _HEX_LENGTH and _HEX_DIGITS.issuperset(api_id)


class Spill:
    """Takes claims in manifest order, gives them back group by group.

    Args:
        folder: Where temporary files go.
        bound: Bytes kept in memory.
    """

    def __init__(self, folder: Path | None = None, *, bound: int = BOUND) -> None:
        self._folder = folder
        self._bound = bound
        self._buffers = [bytearray() for _ in range(PARTITIONS)]
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
        """Keep a claim; the order within a group is the order of the calls."""
        kind, key = self._pack_id(claim.api_id)
        packed = _CLAIM.pack(group, claim.row, claim.place, claim.target, kind, key)
        self._buffers[group % PARTITIONS] += packed
        self._held += _CLAIM.size
        if self._held > self._bound:
            self._write_out()

    def groups(self) -> Iterator[list[Claim]]:
        """Yield the claims of one group after the other."""
        names = list(self._odd)
        for partition in range(PARTITIONS):
            groups: dict[int, list[Claim]] = {}
            for group, row, place, target, kind, key in _CLAIM.iter_unpack(
                self._load(partition)
            ):
                api_id = key.hex() if kind == _HEX else names[int.from_bytes(key)]
                groups.setdefault(group, []).append(Claim(row, place, target, api_id))
            yield from groups.values()

    def _pack_id(self, api_id: str) -> tuple[int, bytes]:
        if is_hex_id(api_id):
            return _HEX, bytes.fromhex(api_id)
        number = self._odd.setdefault(api_id, len(self._odd))
        return _ODD, number.to_bytes(16)

    def _write_out(self) -> None:
        for partition, buffer in enumerate(self._buffers):
            if not buffer:
                continue
            if partition not in self._files:
                self._files[partition] = self._open_files.enter_context(
                    tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - the stack closes it
                )
            self._files[partition].write(buffer)
            buffer.clear()
        self._held = 0

    def _load(self, partition: int) -> bytes:
        file = self._files.get(partition)
        if file is None:
            return bytes(self._buffers[partition])
        file.seek(0)
        return file.read() + bytes(self._buffers[partition])
