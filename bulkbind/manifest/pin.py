"""The pinned manifest: the copy that a run keeps, so that it never needs the original.

gzip of CSV, UTF-8. A row is ``file,line``, its ids, then its carried cells, as many
as it has. Faults are not kept: the plan says which rows it set aside, and why.
"""

import csv
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Final, Self

from bulkbind.errors import LedgerDamaged
from bulkbind.manifest.text import LINE_CAP
from bulkbind.model import ID_COLUMNS, Row

_HEADER = ("file", "line", *ID_COLUMNS, "carried")
_FIXED: Final = 9

#: Rows compressed at once.
_BATCH = 4096


class PinWriter:
    """Writes the pinned manifest; the same rows give the same bytes.

    Args:
        path: The file to write; only its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb", opener=_open_private)  # noqa: SIM115
        self._deflate = zlib.compressobj(level=1, wbits=31)
        self._hash = hashlib.sha256()
        self._lines: list[str] = []
        # \r\n makes the csv module quote a cell with either; it is cut off again.
        sink = SimpleNamespace(write=self._lines.append)
        self._write_cells = csv.writer(sink, lineterminator="\r\n").writerow
        self._write_cells(_HEADER)

    def write(self, row: Row) -> None:
        """Add a row."""
        cells = row[2:_FIXED] + row.carried
        text = ",".join(cells)
        if _is_plain(text, commas=len(cells) - 1):
            self._lines.append(f"{row.file},{row.line},{text}\r\n")
        else:
            self._write_cells((row.file, row.line, *cells))
        if len(self._lines) >= _BATCH:
            self._flush()

    def close(self) -> str:
        """Make the file durable and return its SHA-256, 64 hex digits."""
        if not self._file.closed:
            self._flush()
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
        if kind is None:
            self.close()
        self._file.close()

    def _flush(self) -> None:
        text = "".join([line[:-2] + "\n" for line in self._lines])
        self._lines.clear()
        self._put(self._deflate.compress(text.encode()))

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


def read_pin(path: Path) -> Iterator[Row]:
    """Yield the rows of a pinned manifest; a row's number is its position, from 0.

    Raises:
        LedgerDamaged: The copy is not what was written.
    """
    csv.field_size_limit(LINE_CAP)
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            records = csv.reader(lines, strict=True)
            if tuple(next(records, ())) != _HEADER:
                raise ValueError("no header")  # noqa: EM101, TRY301
            for cells in records:
                yield _row(cells)
    except (OSError, EOFError, ValueError, zlib.error, csv.Error, TypeError) as error:
        text = f"{path} is damaged ({error}); restore it, or start a new run"
        raise LedgerDamaged(text) from error


def _row(cells: list[str]) -> Row:
    file, line, *ids = cells[:_FIXED]
    return Row._make((int(file), int(line), *ids, tuple(cells[_FIXED:]), None, True))
