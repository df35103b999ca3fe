"""RUN/control on disk: small private files, written by rename, never through a link."""

import errno
import os
import platform
import pwd
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bulkbind.control.orders import MAX_BYTES, PAUSE, SET, STOP, Found, Order
from bulkbind.errors import StateError
from bulkbind.host import private_folder

#: What the running process says of itself, once a second.
NOW = "now.json"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

#: A larger file is no news of a run.
_MAX_NOW = 1 << 20


class ControlFolder:
    """The folder of one run.

    Args:
        path: RUN/control; made when the first file is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        """Forget what was asked of earlier invocations; a pause stands.

        Raises:
            StateError: The folder cannot be used.
        """
        private_folder(self.path)
        with self._opened() as folder:
            for name in _names(folder):
                if name in {STOP, NOW} or name.startswith((SET, ".")):
                    with suppress(OSError):
                        os.unlink(name, dir_fd=folder)

    def end(self) -> None:
        """Say nothing of a run that is over any more."""
        self.drop(NOW)

    def look(self) -> dict[str, Found | str]:
        """Read every file: its content, or why it cannot be read."""
        found: dict[str, Found | str] = {}
        try:
            with self._opened() as folder:
                for name in _names(folder):
                    if name != NOW and not name.startswith("."):
                        with suppress(FileNotFoundError):
                            found[name] = _read(name, folder)
        except FileNotFoundError:
            return {}
        except (OSError, StateError) as error:
            return {".": f"the folder cannot be read ({error})"}
        return found

    def ask(self, name: str, order: Order) -> str:
        """Write an order, whole or not at all; return its file's name.

        Args:
            name: ``pause``, ``stop``, or ``set-`` for one more of these.
            order: What is asked.

        Raises:
            StateError: It cannot be written.
        """
        if name == SET:
            name = f"{SET}{time.time_ns():020}-{secrets.token_hex(3)}.json"
        private_folder(self.path)
        self._write(name, msgspec.json.encode(order) + b"\n", durable=True)
        return name

    def is_asked(self, name: str) -> bool:
        """Tell whether a file is there."""
        return os.path.lexists(self.path / name)

    def drop(self, name: str) -> bool:
        """Remove a file; tell whether it was there.

        Raises:
            StateError: It cannot be removed.
        """
        try:
            with self._opened() as folder:
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            message = (
                f"{self.path / name} cannot be removed ({error.strerror}); see to its"
                " permissions"
            )
            raise StateError(message) from error
        return True

    def tell(self, text: bytes) -> None:
        """Write what the run is doing now.

        Raises:
            StateError: It cannot be written.
        """
        self._write(NOW, text, durable=False)

    def told(self) -> bytes | None:
        """Read what the run was doing when it told so last; None: it never did."""
        try:
            with self._opened() as folder:
                found = _read(NOW, folder, most=_MAX_NOW)
        except (OSError, StateError):
            return None
        return found.data if isinstance(found, Found) else None

    def _write(self, name: str, text: bytes, *, durable: bool) -> None:
        draft = f".{name}.{os.getpid()}"
        try:
            with self._opened() as folder:
                with suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=folder)
                with _whole_or_gone(draft, folder):
                    fd = os.open(draft, _NEW, 0o600, dir_fd=folder)
                    with os.fdopen(fd, "wb") as file:
                        file.write(text)
                        if durable:
                            file.flush()
                            os.fsync(fd)
                    os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            message = (
                f"{self.path / name} cannot be written ({error.strerror}); see to the"
                " disk and permissions"
            )
            raise StateError(message) from error

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            folder = os.open(self.path, _FOLDER)
        except NotADirectoryError as error:
            message = f"{self.path} is no folder, or a link to one; remove it"
            raise StateError(message) from error
        try:
            yield folder
        finally:
            os.close(folder)


def _names(folder: int) -> list[str]:
    """Return what an opened folder holds, sorted."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def _read(name: str, folder: int, *, most: int = MAX_BYTES) -> Found | str:
    try:
        fd = os.open(name, _READ, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        is_link = error.errno == errno.ELOOP
        return "a link; it is not followed" if is_link else f"{error.strerror}"
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            return "not a file"
        if about.st_size > most:
            return f"larger than {most:,} bytes"
        data = os.read(fd, most)
    except OSError as error:
        return f"{error.strerror}"
    finally:
        os.close(fd)
    changed = datetime.fromtimestamp(about.st_mtime, UTC)
    return Found(data, _owner(about.st_uid), iso(changed))


@contextmanager
def _whole_or_gone(draft: str, folder: int) -> Iterator[None]:
    """Leave no draft behind when it cannot be written or renamed."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise


def iso(moment: datetime) -> str:
    """Write a moment as files have it: UTC, to the second."""
    text = moment.astimezone(UTC).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")


def _owner(uid: int) -> str:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return f"{name}@{platform.node()}"


__all__ = ["NOW", "PAUSE", "SET", "STOP", "ControlFolder", "iso"]
