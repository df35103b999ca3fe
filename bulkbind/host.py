"""What the processes of one user on one host share: locks, gateways, the pace.

Locks are flocks: free the moment their holder dies. The release log of an account
lives in a small mapped file, so that it survives ``kill -9`` and is seen by every
process; it is keyed by what the gateway counts (endpoint host and project), not by
the name a job gives the account.
"""

import fcntl
import hashlib
import json
import mmap
import os
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bulkbind.errors import JobBusy, StateError
from bulkbind.model import Reply

#: Releases that a ring remembers: the largest N of "N per window" it can hold.
RING = 4096

_HEADER = struct.Struct("<16s16sqd")
_STAMP = struct.Struct("<d")
_MAGIC = b"bulkbind ring 2\0"


def private_folder(path: Path, *, setting: str = "--state-dir") -> Path:
    """Make a folder, and those above it, that only this user can enter.

    Args:
        path: The folder.
        setting: What names another one, for the message.

    Raises:
        StateError: It cannot be made or written.
    """
    try:
        for folder in (*reversed(path.parents), path):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        message = (
            f"the folder {path} cannot be made ({error.strerror}); see to permissions"
            f" and disk space, or choose another with {setting}"
        )
        raise StateError(message) from error
    return path


class JobLock:
    """Held by the one process that works on a job.

    Args:
        path: The lock file; it stays when the lock is let go.
        job: The job's name, for the message.
        holder: What to tell others: pid, user, since when.

    Raises:
        JobBusy: On entry, when another process holds it.
    """

    def __init__(self, path: Path, *, job: str, holder: str) -> None:
        self._path = path
        self._job = job
        self._holder = holder
        self._fd = -1

    def __enter__(self) -> Self:
        private_folder(self._path.parent)
        self._fd = _open(self._path)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._fd, 500, 0).decode("utf-8", "replace").strip()
            os.close(self._fd)
            raise JobBusy(self._job, holder or "another process") from error
        self._sign(self._holder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sign("")
        os.close(self._fd)

    def _sign(self, holder: str) -> None:
        """Say who holds it; a full disk may keep that back, not the lock."""
        with suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, holder.encode(), 0)


def is_locked(path: Path) -> bool:
    """Tell whether some process holds a job's lock."""
    if not path.exists():
        return False
    fd = _open(path)
    try:
        return not _try_lock(fd)
    finally:
        os.close(fd)


def holder_of(path: Path) -> str | None:
    """Return what the holder of a job's lock says of itself; None: nobody holds it."""
    if not path.exists():
        return None
    fd = _open(path)
    try:
        if _try_lock(fd):
            return None
        return os.pread(fd, 500, 0).decode("utf-8", "replace").strip()
    finally:
        os.close(fd)


def is_alive(pid: int) -> bool:
    """Tell whether a process of this host is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


#: Seconds that a refused credential is remembered: cron must not lock a key.
REFUSED_S = 600.0


class HostFolder:
    """The folder that all bulkbind processes of this user on this host share.

    Args:
        path: Made when missing.
        clock: Seconds that all processes of this boot agree on.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = private_folder(path, setting="BULKBIND_HOST_DIR")
        self._clock = clock
        self._gateways: dict[str, Path] = {}

    def ring(self, account: str) -> "Ring":
        """Open the release log of an account.

        Args:
            account: Endpoint host and project id.
        """
        return Ring(self.path / f"pace-{_name(account)}", clock=self._clock)

    def refusal(self, identity: str) -> Reply | None:
        """Return why a credential was refused in the last minutes; None: it was not."""
        path = self.path / f"refused-{_name(identity)}"
        try:
            if time.time() - path.stat().st_mtime > REFUSED_S:
                return None
            status, code, message = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        message = (
            f"{message} (refused lately, and not tried again for ten minutes; another"
            " credential is tried at once)"
        )
        return Reply(int(status), str(code), message, left=False)

    def refuse(self, identity: str, reply: Reply) -> None:
        """Remember that a credential was refused; a full disk forgets it."""
        path = self.path / f"refused-{_name(identity)}"
        text = json.dumps([reply.status, reply.code, reply.message])
        with (
            suppress(OSError, StateError),
            os.fdopen(_open(path), "w", encoding="utf-8") as file,
        ):
            file.write(text)
            file.truncate()

    @asynccontextmanager
    async def gateway(
        self, gateway: str, *, pause: Callable[[float], Awaitable[object]]
    ) -> AsyncIterator[None]:
        """Hold a gateway while one attach or detach is out.

        Args:
            gateway: Endpoint host and instance id.
            pause: Waits for some seconds before the next try.
        """
        path = self._gateways.get(gateway)
        if path is None:
            path = self.path / f"gateway-{_name(gateway)}"
            self._gateways[gateway] = path
        fd = _open(path)
        try:
            while not _try_lock(fd):
                await pause(0.05)
            yield
        finally:
            os.close(fd)


class Ring:
    """The last releases of an account, in a file that all its processes map.

    Args:
        path: Made when missing; begun anew after a reboot.
        clock: Seconds that all processes of this boot agree on.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._fd = _open(path)
        size = _HEADER.size + RING * _STAMP.size
        with self._locked():
            _make_room(self._fd, size, path)
            self._map = mmap.mmap(self._fd, size)
            magic, boot, _, _ = _HEADER.unpack_from(self._map)
            if (magic, boot) != (_MAGIC, _boot()):
                _HEADER.pack_into(self._map, 0, _MAGIC, _boot(), 0, 0.0)

    def release(self, *, limit: int, window_s: float) -> float:
        """Release one request if the window allows it.

        Args:
            limit: Releases in any window; at most ``RING``; 0: any number.
            window_s: Length of the window, in seconds, slack included.

        Returns:
            0.0: released, and written down. Otherwise the seconds to wait before
            asking again.
        """
        with self._locked():
            magic, boot, count, until = _HEADER.unpack_from(self._map)
            now = self._clock()
            if now < until:
                return float(until - now)
            if limit and count >= limit:
                passed = now - self._stamp(count - limit)
                if 0 <= passed < window_s:
                    return window_s - passed
            _STAMP.pack_into(self._map, self._place(count), now)
            _HEADER.pack_into(self._map, 0, magic, boot, count + 1, until)
        return 0.0

    def pause(self, seconds: float) -> None:
        """Release nothing for some seconds from now, in any process.

        Never shortens a pause; it ends at the next boot.
        """
        with self._locked():
            magic, boot, count, until = _HEADER.unpack_from(self._map)
            until = max(until, self._clock() + seconds)
            _HEADER.pack_into(self._map, 0, magic, boot, count, until)

    def paused_s(self) -> float:
        """Return the seconds until the pause ends; 0 when there is none."""
        with self._locked():
            *_, until = _HEADER.unpack_from(self._map)
        return max(0.0, float(until) - self._clock())

    def close(self) -> None:
        """Let go of the file; what was written stays."""
        self._map.close()
        os.close(self._fd)

    def _stamp(self, number: int) -> float:
        (stamp,) = _STAMP.unpack_from(self._map, self._place(number))
        return float(stamp)

    @staticmethod
    def _place(number: int) -> int:
        return _HEADER.size + number % RING * _STAMP.size

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)


def default_host_folder(environ: dict[str, str], *, home: Path) -> Path:
    """Return where the host folder is: BULKBIND_HOST_DIR, else XDG's state home."""
    given = environ.get("BULKBIND_HOST_DIR")
    if given:
        return Path(given)
    state_home = environ.get("XDG_STATE_HOME")
    return (Path(state_home) if state_home else home / ".local/state") / "bulkbind"


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        message = (
            f"{path} cannot be opened ({error.strerror}); see to permissions and disk"
            " space, or set BULKBIND_HOST_DIR"
        )
        raise StateError(message) from error


def _make_room(fd: int, size: int, path: Path) -> None:
    """Take the disk space now: a mapped file that finds none later ends the process."""
    try:
        while (there := os.fstat(fd).st_size) < size:
            os.pwrite(fd, bytes(size - there), there)
    except OSError as error:
        message = (
            f"{path} cannot be written ({error.strerror}); see to disk space, or set"
            " BULKBIND_HOST_DIR"
        )
        raise StateError(message) from error


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _name(key: str) -> str:
    """A file name for any key."""
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def _boot() -> bytes:
    """Sixteen bytes that differ from boot to boot."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        text = ""
    return hashlib.sha256(text.encode()).digest()[:16]
