"""Reading the pinned manifest, a copy that ``pin`` wrote, some thousand rows at a time.

Rows without a quote are taken apart as columns; the rest goes through the csv module,
which takes ten times as long and says the same.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from operator import methodcaller
from pathlib import Path
from typing import BinaryIO, Final

from bulkbind.errors import LedgerDamaged
from bulkbind.manifest.text import LINE_CAP
from bulkbind.model import PinnedRows, Row

#: What a pinned manifest begins with, and what a line begins with that says what the
#: rows of one number share.
HEADER: Final = ("number", "line", "api_id", "carried")
SHARED: Final = "+"

#: Cells before the carried ones of a row that is pinned whole, and of any other.
WHOLE, _FIXED = 9, 3

#: Bytes taken apart at once.
_CHUNK = 256 * 1024

_commas = methodcaller("count", ",")


def read_pin(path: Path) -> Iterator[Row]:
    """Yield the rows of a pinned manifest; a row's number is its position, from 0.

    Raises:
        LedgerDamaged: The copy is not what was written.
    """
    for part in read_pinned(path):
        yield from part.rows()


def read_pinned(
    path: Path, *, sha256: str = "", chunk: int = _CHUNK
) -> Iterator[PinnedRows]:
    """Yield the rows of a pinned manifest as columns, some at a time.

    Args:
        path: The copy.
        sha256: What the copy's bytes must come to, 64 hex digits, which is known when
            it was read to its end; empty: not compared.
        chunk: Bytes taken apart at once.

    Raises:
        LedgerDamaged: The copy is not what was written. What was yielded until then
            must not be believed.
    """
    csv.field_size_limit(LINE_CAP)
    try:
        with path.open("rb") as file:
            summed = _Summed(file)
            with gzip.GzipFile(fileobj=io.BufferedReader(summed, _CHUNK)) as lines:
                reader = _Reader()
                for text in _texts(lines, chunk):
                    yield from reader.take(text)
                reader.end()
            if sha256 and summed.digest.hexdigest() != sha256:
                raise LedgerDamaged(_changed(path))
    except (
        OSError,
        EOFError,
        ValueError,
        IndexError,
        zlib.error,
        csv.Error,
        TypeError,
    ) as error:
        text = f"{path} is damaged ({error}); restore it, or start a new run"
        raise LedgerDamaged(text) from error


def _changed(path: Path) -> str:
    return (
        f"{path} is not what was planned; it is not believed: restore it, or start a"
        " new run from the manifest"
    )


class _Summed(io.RawIOBase):
    """A file that sums what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        many = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self.digest.update(buffer[:many])
        return int(many)


def _texts(file: gzip.GzipFile, chunk: int) -> Iterator[str]:
    """Yield whole lines, and never half of a quoted cell."""
    rest = b""
    while data := file.read(chunk):
        rest += data
        end = rest.rfind(b"\n") + 1
        if end and rest.count(b'"', 0, end) % 2 == 0:
            yield rest[:end].decode()
            rest = rest[end:]
    if rest:
        yield rest.decode()


class _Reader:
    """Takes lines apart; remembers what rows share."""

    def __init__(self) -> None:
        self._has_header = False
        self._files: list[int] = []
        self._ids: list[tuple[str, ...]] = []
        self._met: dict[
            str, str
        ] = {}  # each id in memory once: targets have many alike

    def take(self, text: str) -> Iterator[PinnedRows]:
        """Yield the rows of some whole lines."""
        if '"' in text or "\r" in text or not text.endswith("\n"):
            records = csv.reader(io.StringIO(text, newline=""), strict=True)
            yield PinnedRows.of(self._rows(records))
            return
        lines = text.split("\n")
        lines.pop()
        if not self._has_header:
            self._check_header(lines.pop(0).split(","))
        start = 0
        odd = [at for at, line in enumerate(lines) if line[0] in ",+"]
        for at in (*odd, len(lines)):
            if start < at:
                yield self._columns(lines[start:at])
            if at < len(lines):
                yield PinnedRows.of(self._rows(iter([lines[at].split(",")])))
            start = at + 1

    def end(self) -> None:
        """Refuse a copy without even a header."""
        if not self._has_header:
            self._check_header([])

    def _check_header(self, cells: list[str]) -> None:
        if tuple(cells) != HEADER:
            raise ValueError("no header")  # noqa: EM101
        self._has_header = True

    def _columns(self, lines: list[str]) -> PinnedRows:
        """Take apart rows that have a number, and no quotes."""
        commas = set(map(_commas, lines))
        width = commas.pop() + 1
        if commas or width < _FIXED:
            return PinnedRows.of(self._rows(line.split(",") for line in lines))
        cells = ",".join(lines).split(",")
        numbers = list(map(int, cells[::width]))
        carried = [cells[place::width] for place in range(_FIXED, width)]
        return PinnedRows(
            list(map(self._files.__getitem__, numbers)),
            list(map(int, cells[1::width])),
            list(map(self._ids.__getitem__, numbers)),
            cells[2::width],
            list(zip(*carried, strict=True)) if carried else [()] * len(lines),
        )

    def _rows(self, records: Iterator[list[str]]) -> Iterator[Row]:
        """Take apart whatever lines there are, one by one."""
        for record in records:
            if not self._has_header:
                self._check_header(record)
                continue
            number, *cells = record
            if number == SHARED:
                file, account, project_id, instance, plugin, kind, env = cells
                ids = (account, project_id, instance, plugin, kind, env)
                self._files.append(int(file))
                self._ids.append(
                    tuple(self._met.setdefault(text, text) for text in ids)
                )
            elif number:
                at = int(number)
                yield _numbered(self._files[at], self._ids[at], cells)
            else:
                yield _whole(cells)


def _numbered(file: int, shared: tuple[str, ...], cells: list[str]) -> Row:
    line, api_id, *carried = cells
    return Row._make((file, int(line), *shared, api_id, tuple(carried), None, True))


def _whole(cells: list[str]) -> Row:
    line, file, *ids = cells[:WHOLE]
    return Row._make((int(file), int(line), *ids, tuple(cells[WHOLE:]), None, True))
