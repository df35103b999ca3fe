"""One file per value: any value, never outside the folder, never two in one file."""

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from bulkbind.errors import SettingsError, StateError
from bulkbind.report.files import encoded, sync_folder, unwritable, write_all

#: Files that one split may make; beyond that the column was surely a wrong choice.
MOST_FILES = 10_000

#: Characters of text held back before they are appended to their files.
_KEPT = 8_000_000

_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}")
_ODD = re.compile(r"[^a-z0-9_-]+")


def file_name(value: str, *, suffix: str) -> str:
    """Name the file of a value: readable, safe, and different for each value.

    A value of plain lower-case letters, digits, ``_`` and ``-`` is its own name.
    Any other is cut down to that and told apart by a checksum behind ``~``, also on
    file systems that do not tell ``A`` from ``a``.
    """
    if _PLAIN.fullmatch(value):
        return f"{value}.{suffix}"
    readable = _ODD.sub("_", value.lower()).strip("_-")[:48] or "empty"
    checksum = hashlib.sha256(encoded(value)).hexdigest()
    return f"{readable}~{checksum[:16]}.{suffix}"


class Split:
    """Texts by value, each value in a file of its own; a context manager.

    Text is gathered in memory and appended now and then, so that no more than one
    file is ever open. Files appear under their names when all are whole.

    Args:
        folder: Where the files go; made when it is missing.
        header: What each file begins with.
        suffix: What each name ends with, without the dot.
    """

    def __init__(self, folder: Path, *, header: str, suffix: str) -> None:
        self._folder = folder
        self._header = header
        self._suffix = suffix
        self._names: dict[str, str] = {}
        self._kept: dict[str, list[str]] = {}
        self._size = 0

    def __enter__(self) -> "Split":
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = tempfile.mkdtemp(prefix=".split.", dir=self._folder)
        except OSError as failure:
            raise StateError(unwritable([self._folder], failure)) from failure
        self._drafts = Path(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._drafts, ignore_errors=True)
        if isinstance(error, OSError):
            raise StateError(unwritable([self._folder], error)) from error

    def add(self, value: str, text: str) -> None:
        """Add text to the file of a value.

        Raises:
            SettingsError: The column has more values than a folder should have files.
        """
        name = self._names.get(value) or self._new(value)
        self._kept.setdefault(name, []).append(text)
        self._size += len(text)
        if self._size > _KEPT:
            self._append()

    def _new(self, value: str) -> str:
        if len(self._names) == MOST_FILES:
            text = (
                f"--split-by: more than {MOST_FILES:,} values, so as many files;"
                " split by a column with fewer, or choose rows with --only"
            )
            raise SettingsError([text])
        name = self._names[value] = file_name(value, suffix=self._suffix)
        self._kept[name] = [self._header]
        return name

    def _append(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        for name, texts in self._kept.items():
            number = os.open(self._drafts / name, flags, 0o600)
            with os.fdopen(number, "wb", buffering=0) as file:
                write_all(file, encoded("".join(texts)))
                os.fsync(number)
        self._kept.clear()
        self._size = 0

    def publish(self) -> tuple[Path, ...]:
        """Give every file its name; return them in order of their first row."""
        self._append()
        paths = tuple(self._folder / name for name in self._names.values())
        for path in paths:
            (self._drafts / path.name).replace(path)
        sync_folder(self._folder)
        return paths
