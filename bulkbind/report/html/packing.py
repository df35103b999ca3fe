"""Judged rows -> compressed columns, written to disk as they pass by.

A pack is deflated (zlib) and written in base64; inside stand, for some rows: four bytes
(little-endian) with the length of a JSON text, that text, and then columns, a number's
bytes apart ("planes"): all lowest bytes, then all second ones, and so on. Planes that
are nearly all alike take no room.
"""

import json
import sys
import zlib
from array import array
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from bulkbind.model import Verdict, is_hex_id, pack_hex_ids
from bulkbind.report.block import Block
from bulkbind.report.judged import Shared

#: Rows in a pack.
PACK_ROWS = 50_000

#: A carried column with more values is not shown.
MOST_VALUES = 256

_VERDICTS = {verdict: place for place, verdict in enumerate(Verdict)}

_NO_ID = "0" * 32


def packed(data: bytes) -> str:
    """Compress, and write with characters that may stand in a page."""
    return b64encode(zlib.compress(data, 6)).decode("ascii")


def planes(numbers: Iterable[int], *, width: int = 4) -> bytes:
    """Write a column of numbers, modulo 2**32, as planes; ``width`` in bytes."""
    column = array("I", numbers)
    if sys.byteorder == "big":
        column.byteswap()
    data = column.tobytes()
    return b"".join(data[plane::4] for plane in range(width))


class Values(dict[str, int]):
    """Texts by the order in which they were met."""

    def __missing__(self, text: str) -> int:
        place = self[text] = len(self)
        return place


class TargetKey(NamedTuple):
    """What the rows of a target have in common."""

    account: str
    instance_id: str
    plugin_id: str
    env_id: str


class Targets(dict[TargetKey, int]):
    """Targets by the order in which they were met, and their names where known."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[tuple[str, str]] = []
        """Of plug-in and environment."""

    def __missing__(self, key: TargetKey) -> int:
        place = self[key] = len(self)
        self.names.append(("", ""))
        return place

    def place(self, shared: Shared) -> int:
        """Return the number of the target that some rows belong to."""
        key = TargetKey(
            shared.account, shared.instance_id, shared.plugin_id, shared.env_id
        )
        place = self[key]
        plugin, env = self.names[place]
        self.names[place] = shared.plugin_name or plugin, shared.env_name or env
        return place


class Packer:
    """Writes rows as packs into files without a name.

    Args:
        folder: Where these files take room; it exists.
        carried: How many columns the manifest carries.
    """

    def __init__(self, folder: Path, *, carried: int) -> None:
        self.targets = Targets()
        self.codes = Values({"": 0})
        self.replaced = Values({"": 0})
        self.carried: dict[int, Values] = {place: Values() for place in range(carried)}
        """By column; those with too many values are gone."""
        self.rows = 0
        self._blocks: list[Block] = []
        self._held = 0
        self._line = 0
        self._stack = ExitStack()
        self._folder = folder
        self._file = self._new_file()
        self._columns = {place: self._new_file() for place in range(carried)}

    def _new_file(self) -> IO[bytes]:
        file = TemporaryFile(dir=self._folder)  # noqa: SIM115 - the stack closes it
        return self._stack.enter_context(file)

    def add(self, block: Block) -> None:
        """Take some rows in."""
        self._blocks.append(block)
        self._held += len(block)
        self.rows += len(block)
        if self._held >= PACK_ROWS:
            self._write()

    def _write(self) -> None:
        if not self._blocks:
            return
        self._append(self._file, self._base())
        for place in list(self.carried):
            self._append_column(place)
        self._blocks.clear()
        self._held = 0

    def _append(self, file: IO[bytes], data: bytes) -> None:
        file.write(packed(data).encode("ascii") + b"\n")

    def _base(self) -> bytes:
        """Write the columns that every row has."""
        blocks = self._blocks
        files = [file for block in blocks for file in block.pinned.files]
        lines = [line for block in blocks for line in block.pinned.lines]
        api_ids = [text for block in blocks for text in block.api_ids.texts]
        attempts = [many for block in blocks for many in block.attempts]
        packed_ids, odd = _ids(api_ids)
        head = json.dumps({"rows": len(api_ids), "odd": odd}).encode("ascii")
        return b"".join(
            (
                len(head).to_bytes(4, "little"),
                head,
                planes(files, width=2),
                planes(self._gaps(lines)),
                packed_ids,
                self._answers(),
                planes(attempts, width=2),
            )
        )

    def _gaps(self, lines: Sequence[int]) -> Iterator[int]:
        """Yield what each line is behind the one before, modulo 2**32."""
        before = self._line
        for line in lines:
            yield (line - before) % 2**32
            before = line
        self._line = before

    def _answers(self) -> bytes:
        """Write target, verdict, code and replaced plug-in."""
        known: dict[Shared, tuple[int, int, int, int]] = {}
        for block in self._blocks:
            for shared in set(block.shares) - known.keys():
                known[shared] = (
                    self.targets.place(shared),
                    _VERDICTS[shared.verdict],
                    self.codes[shared.error_code],
                    self.replaced[shared.replaced_plugin_id],
                )
        rows = [known[shared] for block in self._blocks for shared in block.shares]
        targets, verdicts, codes, replaced = zip(*rows, strict=True)
        return b"".join(
            (
                planes(targets),
                planes(verdicts, width=1),
                planes(codes),
                planes(replaced),
            )
        )

    def _append_column(self, place: int) -> None:
        """Write a carried column, unless it has got too many values."""
        values = self.carried[place]
        texts = [text for block in self._blocks for text in block.carried[place].texts]
        for text in sorted(set(texts) - values.keys()):
            values[text]
            if len(values) > MOST_VALUES:
                del self.carried[place]
                self._columns.pop(place).close()
                return
        data = bytes(map(values.__getitem__, texts))
        self._append(self._columns[place], data)

    def packs(self) -> Iterator[str]:
        """Yield the packs of what every row has; nothing can be added any more."""
        self._write()
        yield from _lines(self._file)

    def column(self, place: int) -> Iterator[str]:
        """Yield the packs of a carried column."""
        yield from _lines(self._columns[place])

    def close(self) -> None:
        """Give the files back."""
        self._stack.close()


def _lines(file: IO[bytes]) -> Iterator[str]:
    file.seek(0)
    for line in file:
        yield line.decode("ascii").strip()


def _ids(api_ids: Sequence[str]) -> tuple[bytes, list[tuple[int, str]]]:
    """Pack ids, and say which are no 32 hexadecimal digits: place and text."""
    whole = pack_hex_ids(api_ids)
    if whole is not None:
        return whole, []
    odd = [(at, text) for at, text in enumerate(api_ids) if not is_hex_id(text)]
    even = [text if is_hex_id(text) else _NO_ID for text in api_ids]
    return bytes.fromhex("".join(even)), odd
