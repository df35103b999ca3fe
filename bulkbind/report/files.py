"""Files that are there whole or not at all, and their checksums."""

import hashlib
import os
import re
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bulkbind.errors import StateError
from bulkbind.host import is_alive

#: Texts that wait to be written, and bytes that wait to be durable: no more memory
#: than that, and no long wait at the end.
_PENDING = 2
_UNSYNCED = 32 * 1024 * 1024

#: A draft's name: the file's, the process that writes it, and something random.
_DRAFT = re.compile(r"\..+\.(\d+)-[^-.]+")

#: Name of the file that holds the others' checksums, as ``sha256sum -c`` reads it.
SUMS = "SHA256SUMS"


class Draft:
    """A file under a temporary name in its own folder, readable by its owner alone.

    A thread of its own sums and writes, so that neither hash nor disk hold up the rows.

    Args:
        path: What it will be called.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        prefix = f".{path.name}.{os.getpid()}-"
        number, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
        self._temporary = Path(name)
        self._file = os.fdopen(number, "wb", buffering=0)
        self._sum = hashlib.sha256()
        self._unsynced = 0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="report")
        self._pending: deque[Future[None]] = deque()

    def add(self, text: str) -> None:
        """Write some text, as UTF-8, soon."""
        data = encoded(text)
        if len(self._pending) > _PENDING:
            self._pending.popleft().result()
        self._pending.append(self._writer.submit(self._write, data))

    def _write(self, data: bytes) -> None:
        self._sum.update(data)
        write_all(self._file, data)
        self._unsynced += len(data)
        if self._unsynced > _UNSYNCED:
            os.fdatasync(self._file.fileno())
            self._unsynced = 0

    def finish(self) -> str:
        """Bring everything to disk, still under the temporary name.

        Returns:
            The SHA-256 of what was written, 64 hex digits.
        """
        while self._pending:
            self._pending.popleft().result()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._sum.hexdigest()

    def publish(self) -> None:
        """Give the finished file its name; what was there before is replaced."""
        self._temporary.replace(self.path)

    def discard(self) -> None:
        """Leave no trace, unless it was published."""
        self._writer.shutdown(cancel_futures=True)
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove the drafts that killed processes left in a folder of ours."""
    for path in folder.glob(".*.*-*"):
        draft = _DRAFT.fullmatch(path.name)
        if draft and not is_alive(int(draft[1])):
            with suppress(OSError):
                path.unlink()


def encoded(text: str) -> bytes:
    """Return UTF-8; what no UTF-8 can say (a lone surrogate) is spelt out."""
    return text.encode("utf-8", "backslashreplace")


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write all of it: a raw file or a pipe may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


@contextmanager
def drafts(paths: list[Path]) -> Iterator[list[Draft]]:
    """Open drafts; after an error none of them leaves a trace.

    Raises:
        StateError: The disk is full, the folder cannot be written, and the like.
    """
    opened: list[Draft] = []
    try:
        for path in paths:
            opened.append(Draft(path))  # noqa: PERF401 - what was opened is kept
        yield opened
    except OSError as failure:
        raise StateError(unwritable(paths, failure)) from failure
    finally:
        for draft in opened:
            with suppress(OSError):
                draft.discard()


def publish(opened: list[Draft]) -> dict[str, str]:
    """Bring all drafts to disk, then give each its name.

    Returns:
        The SHA-256 of each, by file name.
    """
    sums = {draft.path.name: draft.finish() for draft in opened}
    for draft in opened:
        draft.publish()
    for folder in {draft.path.parent for draft in opened}:
        sync_folder(folder)
    return sums


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def write_file(path: Path, text: str) -> str:
    """Write a whole file; return its SHA-256.

    Raises:
        StateError: It cannot be written.
    """
    with drafts([path]) as opened:
        opened[0].add(text)
        return publish(opened)[path.name]


def write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Note checksums in the folder's ``SHA256SUMS``, beside those it has.

    Args:
        folder: Where the files are.
        sums: SHA-256 in hex, by file name.

    Raises:
        StateError: It cannot be read or written.
    """
    path = folder / SUMS
    try:
        known = _read_sums(path)
    except OSError as failure:
        raise StateError(unwritable([path], failure)) from failure
    known.update(sums)
    write_file(path, "".join(f"{known[name]}  {name}\n" for name in sorted(known)))


def _read_sums(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = [line.partition("  ") for line in lines]
    return {name: digest for digest, _, name in pairs if name}


def unwritable(paths: list[Path], failure: OSError) -> str:
    """Say that files cannot be written, and what to do."""
    names = ", ".join(path.name for path in paths)
    return (
        f"{paths[0].parent}: {names} cannot be written:"
        f" {failure.strerror or failure}; the run itself is safe: make room or mend"
        " the folder's permissions, then `bulkbind report RUN` writes it again"
    )
