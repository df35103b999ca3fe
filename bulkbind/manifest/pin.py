"""The pinned manifest: the copy that a run keeps, so that it never needs the original.

gzip of CSV, UTF-8. What many rows share, their file and their ids but the last, is a
line ``+,FILE,...`` of its own when it is first met; a row is its number, the line, the
API id, then its carried cells, as many as it has. A row with a fault has no number and
all its cells. Faults are not kept: the plan says which rows it set aside, and why.
"""

import csv
import hashlib
import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Self

from bulkbind.manifest.pinread import HEADER, SHARED, WHOLE
from bulkbind.model import Block, Row

#: Rows compressed at once.
_BATCH = 4096

#: Texts that wait to be compressed; more would only take memory.
_AHEAD = 4


class PinWriter:
    """Writes the pinned manifest; the same rows give the same bytes.

    Compresses in a thread: zlib leaves the others alone meanwhile.

    Args:
        path: The file to write; only its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb", opener=_open_private)  # noqa: SIM115
        self._deflate = zlib.compressobj(level=1, wbits=31)
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pin")
        self._waiting: deque[Future[None]] = deque()
        self._numbers: dict[tuple[str, ...], str] = {}
        self._by_block: dict[tuple[int, int], str] = {}
        self._lines: list[str] = []
        # \r\n makes the csv module quote a cell with either; it is cut off again.
        sink = SimpleNamespace(write=self._lines.append)
        self._write_cells = csv.writer(sink, lineterminator="\r\n").writerow
        self._write_cells(HEADER)

    def write(self, row: Row) -> None:
        """Add a row."""
        if row.fault is not None:
            self._write_cells(("", row.line, row.file, *row[2:WHOLE], *row.carried))
        else:
            number = self._number(row.file, row.target_ids)
            cells = (number, str(row.line), row.api_id, *row.carried)
            text = ",".join(cells)
            if _is_plain(text, commas=len(cells) - 1):
                self._lines.append(text + "\r\n")
            else:
                self._write_cells(cells)
        if len(self._lines) >= _BATCH:
            self._flush()

    def write_block(self, block: Block) -> None:
        """Add the rows of a block."""
        for number in dict.fromkeys(block.numbers):
            key = (block.file, number)
            if key not in self._by_block:
                self._by_block[key] = self._number(block.file, block.known[number])
        names = {
            number: self._by_block[block.file, number] for number in set(block.numbers)
        }
        columns = [
            map(names.__getitem__, block.numbers),
            map(str, range(block.line, block.line + len(block))),
            block.api_ids,
        ]
        width = len(block.carried[0])
        if width:
            columns += zip(*block.carried, strict=True)
        lines = list(map(",".join, zip(*columns, strict=True)))
        commas = (len(columns) - 1) * len(lines)
        text = "\n".join(lines)
        if text.count(",") != commas:  # the manifest has another delimiter
            for row in block.rows():
                self.write(row)
            return
        self._flush()
        self._compress(text + "\n")

    def close(self) -> str:
        """Make the file durable and return its SHA-256, 64 hex digits."""
        if not self._file.closed:
            self._flush()
            self._wait(0)
            self._put(self._deflate.flush())
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self._thread.shutdown(cancel_futures=True)
            self._file.close()

    def _number(self, file: int, ids: tuple[str, ...]) -> str:
        """Return the number of what rows share; write it down when it is new."""
        key = (str(file), *ids)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = str(len(self._numbers))
            self._write_cells((SHARED, *key))
        return number

    def _flush(self) -> None:
        if self._lines:
            text = "".join([line[:-2] + "\n" for line in self._lines])
            self._lines.clear()
            self._compress(text)

    def _compress(self, text: str) -> None:
        self._wait(_AHEAD)
        self._waiting.append(self._thread.submit(self._squeeze, text))

    def _squeeze(self, text: str) -> None:
        self._put(self._deflate.compress(text.encode()))

    def _wait(self, left: int) -> None:
        """Wait until no more than so many texts are to be compressed."""
        while len(self._waiting) > left:
            self._waiting.popleft().result()

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)


def _is_plain(text: str, *, commas: int) -> bool:
    """Tell whether joined cells need no quotes; the csv module takes much longer."""
    return (
        text.count(",") == commas
        and '"' not in text
        and "\n" not in text
        and "\r" not in text
    )


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
