"""A file that holds files: an uncompressed ZIP with an index of their SHA-256.

Only members whose names are known are ever read, as bytes, into new files: a name that
leads elsewhere, a link or a device in it is never looked at. Nothing is compressed, so
that nothing that comes out is larger than the file.
"""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

#: What a file that is none of ours, or a cut one, makes zipfile and json raise.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

#: Most bytes of an index that are read.
_MAX_INDEX = 64 * 1024

_CHUNK = 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_container(
    file: BinaryIO, paths: Sequence[Path], *, index_name: str, facts: dict[str, Any]
) -> None:
    """Write files and an index of them.

    Args:
        file: Written to, from its beginning.
        paths: The files; their names are the members'.
        index_name: Member of the index.
        facts: What else the index says.

    Raises:
        OSError: Something cannot be read or written.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        sums = {path.name: _add(archive, path) for path in paths}
        text = json.dumps({**facts, "sha256": sums}, indent=2) + "\n"
        archive.writestr(zipfile.ZipInfo(index_name, _EPOCH), text)


def _add(archive: zipfile.ZipFile, path: Path) -> str:
    digest = hashlib.sha256()
    info = zipfile.ZipInfo(path.name, _EPOCH)
    info.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(info, "w") as member:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            member.write(chunk)
    return digest.hexdigest()


def read_index(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """Read the index.

    Raises:
        TypeError: It is none. Others of ``UNREADABLE``, too: it is too large.
    """
    with archive.open(_stored(archive, name)) as member:
        document = json.loads(member.read(_MAX_INDEX))
    if not isinstance(document, dict):
        message = f"{name} is no index"
        raise TypeError(message)
    return document


def extract(archive: zipfile.ZipFile, name: str, path: Path, *, expected: str) -> None:
    """Write a member into a new file of its own owner alone.

    Raises:
        ValueError: It is not what the index says. Others of ``UNREADABLE``, too.
    """
    digest = hashlib.sha256()
    member = _stored(archive, name)
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
    ) as target:
        for chunk in _chunks(archive, member):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != expected:
        message = f"{name} is not what was put in"
        raise ValueError(message)


def _stored(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        message = f"{name} is compressed"
        raise ValueError(message)
    return info


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(info) as member:
        while chunk := member.read(_CHUNK):
            yield chunk
