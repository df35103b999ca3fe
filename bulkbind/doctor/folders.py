"""Folders that bulkbind writes into, and files that hold secrets."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bulkbind.doctor.check import Check, fault, fine, warning
from bulkbind.doctor.machine import Machine

#: Bytes: a run of ten million rows takes about 1.2 GB with its ledger and pinned copy.
LITTLE_ROOM = 1024**3
NO_ROOM = 64 * 1024**2

#: File systems that other machines write, too: locks and mapped files do not hold.
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|lustre|gfs2?|ocfs2|beegfs|ncpfs|vboxsf"
    r"|fuse\.(sshfs|.*s3.*|rclone|glusterfs|cephfs|gcsfuse|davfs.*|blobfuse\d?)"
)

#: What everybody but the owner may do.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder of bulkbind's; it need not be there yet."""

    name: str
    path: Path
    setting: str
    """What names another one."""

    @property
    def of(self) -> str:
        """What checks of it are about."""
        return f"{self.name} {self.path}"

    @property
    def ground(self) -> Path:
        """The folder itself, or the nearest one above it that is there."""
        return next(p for p in (self.path, *self.path.parents) if p.exists())


def check_folder(folder: Folder, *, machine: Machine) -> Iterator[Check]:
    """Look at a folder's permissions, room and file system."""
    yield _permissions(folder)
    yield _room(folder, machine)
    yield _file_system(folder, machine.mounts)


def _permissions(folder: Folder) -> Check:
    of = folder.of
    ground = folder.ground
    if not ground.is_dir() or not os.access(ground, os.W_OK | os.X_OK):
        remedy = f"see to the permissions, or choose another with {folder.setting}"
        return fault("permissions", of, f"{ground} cannot be written", remedy)
    if ground != folder.path:
        return fine("permissions", of, "not there yet; it will be made for you alone")
    mode = ground.stat().st_mode
    if mode & _OTHERS:
        return warning(
            "permissions",
            of,
            f"mode {stat.S_IMODE(mode):04o} lets others in",
            f"chmod 700 {ground}",
        )
    return fine("permissions", of, "nobody else can enter")


def _room(folder: Folder, machine: Machine) -> Check:
    of = folder.of
    remedy = f"make room, or choose another folder with {folder.setting}"
    try:
        free = machine.free(folder.ground)
    except OSError as error:
        found = f"how much room there is cannot be asked ({error.strerror})"
        return warning("disk", of, found, "see to the disk")
    found = f"{free / 1024**2:,.0f} MB free"
    if free < NO_ROOM:
        return fault("disk", of, found, remedy)
    if free < LITTLE_ROOM:
        found = f"{found}; ten million rows take about 1,200 MB"
        return warning("disk", of, found, remedy)
    return fine("disk", of, found)


def _file_system(folder: Folder, mounts: str) -> Check:
    of = folder.of
    kind = file_system_of(folder.ground.resolve(), mounts)
    if not kind:
        return fine("file system", of, "this system does not tell what it is")
    if _NETWORK.fullmatch(kind):
        return fault(
            "file system",
            of,
            f"{kind}: locks and ledgers do not hold on a network's file system",
            f"name a folder on a disk of this machine with {folder.setting}",
        )
    return fine("file system", of, kind)


def file_system_of(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds a path; empty: not known.

    Args:
        path: Absolute, without links.
        mounts: ``/proc/self/mountinfo``. Source: proc(5).
    """
    found, depth = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if len(fields := before.split()) < 5 or not after:  # noqa: PLR2004
            continue
        point = Path(re.sub(r"\\([0-7]{3})", _character, fields[4]))
        # the later of two on one point lies on top
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = after.split()[0], len(point.parts)
    return found


def _character(octal: re.Match[str]) -> str:
    return chr(int(octal[1], 8))


def check_git(folder: Folder) -> Check:
    """Look whether git could take STATE for something to keep.

    git itself is not asked: it runs what a repository's configuration says.
    """
    of = folder.of
    tree = next((p for p in folder.path.parents if (p / ".git").exists()), None)
    if tree is None:
        return fine("git", of, "in no work tree")
    if not folder.path.exists():
        return fine("git", of, f"in the work tree {tree}; it will ignore itself")
    try:
        lines = (folder.path / ".gitignore").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    if "*" in lines:
        return fine("git", of, f"in the work tree {tree}, which ignores it")
    return warning(
        "git",
        of,
        f"in the work tree {tree}, and it does not say that git ignores it",
        f"echo '*' >> {folder.path / '.gitignore'}",
    )


def check_file(path: Path) -> Check | None:
    """Look who may read a file with secrets; None: it is not there."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if mode & _OTHERS:
        found = f"mode {stat.S_IMODE(mode):04o} lets others at it"
        return warning("credential file", str(path), found, f"chmod 600 {path}")
    return fine("credential file", str(path), "nobody else can read it")
