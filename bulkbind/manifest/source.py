"""Bytes: read once, hashed as they come, decompressed when they are gzip."""

import hashlib
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Protocol, cast

from bulkbind.errors import ManifestError
from bulkbind.manifest.faults import Unreadable, refusal
from bulkbind.manifest.shape import Source

#: Bytes asked for in one read.
CHUNK = 256 * 1024

#: A compressed file may expand this much once it has given BOMB_FREE bytes.
BOMB_RATIO = 200
BOMB_FREE = 64 * 1024 * 1024

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"

_NO_ZSTD = (
    "it is zstd, and zstandard is not installed",
    "pip install 'bulkbind[zstd]', or decompress it first",
)

#: Most memory that a zstd file may ask for, in bytes: what `zstd --long` asks for.
_WINDOW = 128 * 1024 * 1024

#: Bytes of zstd that are decompressed at once: a block of 128 KiB may take four.
_SIP = 512


class _Readable(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class Tap:
    """The user's bytes, hashed and counted as they flow past."""

    def __init__(self, stream: _Readable, *, chunk_size: int) -> None:
        self._stream = stream
        self._chunk_size = chunk_size
        self._hash = hashlib.sha256()
        self._ahead = self._chunks()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of what was read so far; 64 hex digits."""
        return self._hash.hexdigest()

    def raw(self) -> Iterator[bytes]:
        """Yield the bytes as they are.

        Raises:
            Unreadable: The file or pipe failed.
        """
        for chunk in self._ahead:
            self._hash.update(chunk)
            self.size += len(chunk)
            yield chunk

    def content(self) -> Iterator[bytes]:
        """Yield the bytes, decompressed when they are gzip or zstd.

        Raises:
            Unreadable: The file failed, or what it is compressed with is damaged, not
                installed, or a bomb.
        """
        head, chunks = peeked(self.raw(), len(_ZSTD))
        if head.startswith(_GZIP):
            return self._bounded(_gunzip(chunks), "gzip")
        if head.startswith(_ZSTD):
            return self._bounded(_unzstd(chunks), "zstd")
        return chunks

    def begins_with(self, magic: bytes) -> bool:
        """Tell how the bytes begin, before any is read."""
        head, self._ahead = peeked(self._ahead, len(magic))
        return head.startswith(magic)

    def _chunks(self) -> Iterator[bytes]:
        while chunk := self._read():
            yield chunk

    def _read(self) -> bytes:
        try:
            return self._stream.read1(self._chunk_size)
        except OSError as error:
            problem = f"reading failed: {error.strerror or error}"
            raise Unreadable(problem, "check the disk and try again") from error

    def _bounded(self, pieces: Iterator[bytes], kind: str) -> Iterator[bytes]:
        """Pass on what comes out, unless it is much more than went in."""
        given = 0
        for piece in pieces:
            given += len(piece)
            yield piece
            if given > max(BOMB_FREE, BOMB_RATIO * self.size):
                problem = f"its {kind} expands more than {BOMB_RATIO} to 1"
                raise Unreadable(problem, "decompress it first, if it is sound")

    def drain(self) -> None:
        """Read to the end, so that size and hash are of the whole file."""
        for _ in self.raw():
            pass


def _cut_off(kind: str) -> tuple[str, str]:
    return f"its {kind} is cut off before its end", "copy or download it again"


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    members = _Members()
    for chunk in chunks:
        yield from members.feed(chunk)
    members.finish()


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError as error:
        raise Unreadable(*_NO_ZSTD) from error
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    frame = decompressor.decompressobj()
    try:
        for sip in _sips(chunks):
            data = sip
            while data:
                if frame.eof:
                    frame = decompressor.decompressobj()
                if piece := frame.decompress(data):
                    yield piece
                data = frame.unused_data
    except zstandard.ZstdError as error:
        problem = f"its zstd is damaged ({error})"
        raise Unreadable(problem, "copy or download it again") from error
    if not frame.eof:
        raise Unreadable(*_cut_off("zstd"))


def _sips(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut chunks so small that not much can come out of one."""
    for chunk in chunks:
        yield from (chunk[at : at + _SIP] for at in range(0, len(chunk), _SIP))


class _Members:
    """The members of a gzip file, one after another."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate.eof:
                data = self._next_member(data)
                continue
            self._started = True
            piece = self._decompress(data)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                yield piece

    def finish(self) -> None:
        if self._started and not self._inflate.eof:
            raise Unreadable(*_cut_off("gzip"))

    def _next_member(self, data: bytes) -> bytes:
        data = data.lstrip(b"\0")
        self._inflate = zlib.decompressobj(wbits=31)
        self._started = False
        return data

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._inflate.decompress(data, CHUNK)
        except zlib.error as error:
            problem = f"its gzip is damaged ({error})"
            raise Unreadable(problem, "copy or download it again") from error


def peeked(chunks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, at least ``size`` if there are, and all the bytes.

    Raises:
        Unreadable: There is no first byte; a later failure is left for later.
    """
    head = b""
    try:
        for chunk in chunks:
            head += chunk
            if len(head) >= size:
                break
    except Unreadable as broken:
        if not head:
            raise
        return head, chain([head], _raising(broken))
    return head, chain([head] if head else [], chunks)


def _raising(broken: Unreadable) -> Iterator[bytes]:
    yield from ()
    raise broken


def refuse_missing(sources: Iterable[Source]) -> None:
    """Look whether the files are there; a pipe, which opens only once, is left alone.

    Raises:
        ManifestError: One is not, or is a folder.
    """
    for source in sources:
        if source.path is None:
            continue
        try:
            mode = source.path.stat().st_mode
        except (OSError, ValueError) as error:
            raise _unopened(source, error) from error
        if stat.S_ISDIR(mode):
            raise _unopened(source, IsADirectoryError())


@contextmanager
def opened(source: Source, *, chunk_size: int = CHUNK) -> Iterator[Tap]:
    """Open a source for one reading.

    Raises:
        ManifestError: There is no such file, or it may not be read.
    """
    if source.path is None:
        yield Tap(_standard_input(source), chunk_size=chunk_size)
        return
    try:
        stream = source.path.open("rb")
    except (OSError, ValueError) as error:
        raise _unopened(source, error) from error
    with stream:
        yield Tap(stream, chunk_size=chunk_size)


def _standard_input(source: Source) -> _Readable:
    stream = getattr(sys.stdin, "buffer", None)  # there is none under some schedulers
    if stream is None:
        problem = "there is no standard input"
        raise refusal(source.name, line=0, problem=problem, remedy="name a file")
    return cast("_Readable", stream)


def _unopened(source: Source, error: Exception) -> ManifestError:
    if isinstance(error, FileNotFoundError):
        problem, remedy = "there is no such file", "check the name and the folder"
    elif isinstance(error, IsADirectoryError):
        problem, remedy = "it is a folder", "name the files in it"
    else:
        problem = f"it cannot be opened: {getattr(error, 'strerror', None) or error}"
        remedy = "check its name and its permissions"
    return refusal(source.name, line=0, problem=problem, remedy=remedy)
