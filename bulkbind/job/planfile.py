"""FILE.plan: settings without secrets, pinned manifest, judgement and digest in one.

A plain, uncompressed ZIP of the run folder that the plan would have, so that running
it is unpacking it. Its own sums are checked before anything is believed.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import BinaryIO

from bulkbind.errors import Fault, ManifestError, SettingsError, StateError
from bulkbind.host import is_alive
from bulkbind.job.drafting import drafting
from bulkbind.job.reporting import FORMAT_VERSION
from bulkbind.state.container import UNREADABLE, write_container
from bulkbind.state.folders import RunFolder

#: The ending of a saved plan.
SUFFIX = ".plan"

_INDEX = "plan.json"
_MEMBERS = ("ledger.db", "manifest.csv.gz")

#: Largest member that is unpacked, in bytes.
_MAX_MEMBER = 16 * 1024**3

#: Most bytes of the index that are read.
_MAX_INDEX = 64 * 1024

_CHUNK = 1024 * 1024


def is_plan_file(path: Path | None) -> bool:
    """Tell a saved plan from a job file or manifest, by its name."""
    return path is not None and path.suffix.lower() == SUFFIX


def save_plan(run: RunFolder, path: Path, *, digest: str) -> None:
    """Write a plan's folder into one file, under a temporary name first.

    Raises:
        StateError: It cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _sweep(path)
        with _new_private(draft) as file:
            write_container(
                file,
                [run.path / name for name in _MEMBERS],
                index_name=_INDEX,
                facts={"format_version": FORMAT_VERSION, "digest": digest},
            )
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        message = f"{path} cannot be written ({error.strerror}); see to the disk"
        raise StateError(message) from error


def _new_private(path: Path) -> BinaryIO:
    """Open a file that nobody had before us and nobody else may read, at any time.

    A link that waits under its name is removed, not followed.
    """
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def _sweep(path: Path) -> None:
    """Remove the drafts that killed processes left of this plan."""
    for old in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        pid = old.name.removesuffix(".tmp").rpartition(".")[2]
        if pid.isdecimal() and not is_alive(int(pid)):
            old.unlink(missing_ok=True)


def open_plan(path: Path, folder: Path) -> RunFolder:
    """Unpack a saved plan into an empty folder.

    Raises:
        SettingsError: There is none.
        ManifestError: It is not a saved plan, or was changed or cut since.
        StateError: What comes out of it cannot be written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            index = json.loads(_read_index(archive))
            for name in _MEMBERS:
                _extract(archive, name, folder / name, expected=index["sha256"][name])
    except FileNotFoundError:
        problem = f"{path}: no such file; save a plan with `bulkbind plan -o {path}`"
        raise SettingsError([problem]) from None
    except UNREADABLE as error:
        raise ManifestError([_fault(path, f"is not a saved plan ({error})")]) from error
    return RunFolder(folder)


def _read_index(archive: zipfile.ZipFile) -> bytes:
    with archive.open(_INDEX) as member:
        return member.read(_MAX_INDEX)


def _fault(path: Path, problem: str) -> Fault:
    return Fault(
        str(path), 0, "", problem, "make the plan again with `bulkbind plan -o`"
    )


def _extract(archive: zipfile.ZipFile, name: str, path: Path, *, expected: str) -> None:
    if archive.getinfo(name).file_size > _MAX_MEMBER:
        message = f"{name} is too large"
        raise ValueError(message)
    digest = hashlib.sha256()
    with drafting(path.parent), path.open("xb") as target:
        path.chmod(0o600)
        for chunk in _member(archive, name):
            digest.update(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != expected:
        message = f"{name} is not what was saved"
        raise ValueError(message)


def _member(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Read a member; whatever keeps it from being read is the plan's fault."""
    try:
        with archive.open(name) as member:
            while chunk := member.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise zipfile.BadZipFile(error.strerror or str(error)) from error
