"""Secrets that can be told apart: planted in many places, looked for everywhere."""

import base64
import gzip
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from tests.factories import hex_id


class Canaries:
    """Secrets by the place where they were planted."""

    def __init__(self) -> None:
        self._cores: dict[str, str] = {}

    @property
    def places(self) -> set[str]:
        return set(self._cores)

    def plant(self, place: str) -> str:
        """Make a secret that looks like a token, with what tokens are written with."""
        core = self._core(place)
        return f"MII/{core}+{core[::-1]}=="

    def plant_key(self, place: str) -> str:
        """Make a secret that looks like an access key's id."""
        return f"HPUA{self._core(place)}".upper()

    def _core(self, place: str) -> str:
        return self._cores.setdefault(place, hex_id("canary", place)[:20])

    def found(self, texts: Iterable[str], folders: Iterable[Path]) -> list[str]:
        """Return where which secret was found, in any spelling; hopefully nowhere."""
        pieces = [(f"text {no}", text.encode()) for no, text in enumerate(texts)]
        pieces += [piece for folder in folders for piece in _files(folder)]
        lowered = [(where, data.lower(), data) for where, data in pieces]
        return [
            f"{place} in {where}"
            for place, core in self._cores.items()
            for where, lower, data in lowered
            if core.encode() in lower or any(s in data for s in _encoded(core))
        ]


def _encoded(core: str) -> Iterator[bytes]:
    """Yield how a text may hide: as hex digits, and in base64 at any offset."""
    yield core.encode().hex().encode()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + core.encode())
        yield text[4:-4]


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder, or one file: as it is, and unpacked."""
    paths = folder.rglob("*") if folder.is_dir() else [folder]
    for path in paths:
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield str(path), path.name.encode() + b"\n" + data
        if data.startswith(b"\x1f\x8b"):
            yield f"{path}, unpacked", gzip.decompress(data)
        if data.startswith(b"SQLite format 3\0"):
            yield from _cells(path)


def _cells(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every cell of a database; those that are packed, unpacked."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (name,) in names.fetchall():
            rows = database.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - its own
            for cell in (cell for row in rows for cell in row):
                data = cell if isinstance(cell, bytes) else str(cell).encode()
                yield f"{path}, {name}", data
                yield from ((f"{path}, {name}, unpacked", d) for d in _unpacked(data))


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Yield whatever zlib can make of the bytes, from wherever it may begin."""
    for start in (at for at, byte in enumerate(data) if byte == 0x78):
        with suppress(zlib.error):
            yield zlib.decompressobj().decompress(data[start:])
