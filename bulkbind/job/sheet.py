"""A manifest in the writing: there whole or not at all, compressed if its name says so."""

import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bulkbind.errors import StateError
from bulkbind.report.files import sweep, sync_folder


def format_of(path: Path) -> str:
    """Return the suffix that says the format, without ``.gz``."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


class Sheet:
    """A file under a temporary name beside its own, for its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        number, name = tempfile.mkstemp(
            prefix=f".{path.name}.{os.getpid()}-", dir=path.parent
        )
        self._temporary = Path(name)
        self._file = os.fdopen(number, "wb")
        # without a time in it, so that the same rows are the same bytes
        compressed = path.name.lower().endswith(".gz")
        self._deflate = zlib.compressobj(wbits=31) if compressed else None

    def add(self, text: str) -> None:
        """Write some text."""
        data = text.encode("utf-8", "backslashreplace")
        self._file.write(self._deflate.compress(data) if self._deflate else data)

    def publish(self) -> None:
        """Make it durable and give it its name; what was there is replaced."""
        if self._deflate:
            self._file.write(self._deflate.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._temporary.replace(self._path)
        sync_folder(self._path.parent)

    def discard(self) -> None:
        """Leave no trace, unless it was published."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


@contextmanager
def sheet_at(path: Path) -> Iterator[Sheet]:
    """Open a sheet; after an error it leaves no trace.

    Raises:
        StateError: The disk is full, the folder cannot be written, and the like.
    """
    sheet = None
    try:
        sweep(path.parent)
        sheet = Sheet(path)
        yield sheet
    except OSError as error:
        message = (
            f"{path} cannot be written ({error.strerror or error}); nothing was changed"
            " there: see to the disk or name another file with -o"
        )
        raise StateError(message) from error
    finally:
        if sheet is not None:
            sheet.discard()
