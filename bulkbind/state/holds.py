"""A hold keeps a job's `run` and `resume` from sending, until somebody releases it.

Without it the next cron tick would bind again what an undo has just put back. It is a
small file in STATE, or, for a job whose ledger is in a database, a row there: it holds
for every host. One that is there holds, even if it cannot be read.
"""

import json
import os
import shlex
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bulkbind.control.folder import iso
from bulkbind.errors import JobHeld, StateError
from bulkbind.host import private_folder
from bulkbind.report.files import sync_folder
from bulkbind.state.facts import operator
from bulkbind.state.folders import StateFolder
from bulkbind.state.ledgers import board_of
from bulkbind.state.place import find_place
from bulkbind.wire import scrub

FORMAT_VERSION = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Who keeps a job from being run, and why."""

    job: str
    holder: str
    """user@host"""
    since: str
    """ISO 8601, UTC."""
    why: str
    undo: str = ""
    """Id of the undo that placed it; empty: a person did."""


def new_hold(job: str, *, now: float, why: str, undo: str = "") -> Hold:
    """Return the hold that this user would place now.

    Args:
        job: The job's name.
        now: Seconds since the epoch.
        why: For the one who meets it.
        undo: Id of the undo that it is for.
    """
    return Hold(
        job=job,
        holder=operator(),
        since=iso(datetime.fromtimestamp(now, UTC)),
        why=why,
        undo=undo,
    )


def place_hold(state: StateFolder, hold: Hold, *, url: str = "") -> Hold:
    """Put a job on hold, durably; a hold that is there already stands.

    Only one of an undo that was killed before it began does not: it says what is not.

    Args:
        state: Where the job's runs are.
        hold: What to place.
        url: The database of the job's ledger; empty: it has none.

    Returns:
        The hold that the job has now.

    Raises:
        StateError: It cannot be written.
    """
    found = find_hold(state, hold.job, url=url)
    if found is not None and not _is_void(found, state, url):
        return found
    document = {"format_version": FORMAT_VERSION, **asdict(hold)}
    text = json.dumps(document, indent=2) + "\n"
    if url:
        with board_of(url, makes=True) as board:
            board.release_hold(hold.job)
            board.place_hold(hold.job, text.encode())
    else:
        _place_file(state, hold.job, text)
    return hold


def find_hold(state: StateFolder, job: str, *, url: str = "") -> Hold | None:
    """Return the hold that a job has; None: it has none.

    Raises:
        StateError: The database does not answer.
    """
    path = state.hold_path(job)
    try:
        return _read(job, path.read_bytes(), str(path))
    except FileNotFoundError:
        pass
    except OSError:
        return _unread(job, str(path))
    if url:
        with board_of(url) as board:
            body = board.hold_of(job)
        if body is not None:
            return _read(job, body, f"the hold of {job} in {url}")
    return None


def release_hold(state: StateFolder, job: str, *, url: str = "") -> Hold | None:
    """Take a job's hold away, durably.

    Returns:
        The hold that it had; None: it had none.

    Raises:
        StateError: It cannot be taken away.
    """
    found = find_hold(state, job, url=url)
    if found is None:
        return None
    if url:
        with board_of(url) as board:
            board.release_hold(job)
    path = state.hold_path(job)
    if not os.path.lexists(path):
        return found
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        message = f"{path} cannot be removed ({error.strerror}); see to its permissions"
        raise StateError(message) from error
    return found


def refuse_held(state: StateFolder, job: str, *, url: str = "") -> None:
    """Send nothing while a job is on hold.

    Raises:
        JobHeld: It is.
        StateError: The database does not answer.
    """
    hold = find_hold(state, job, url=url)
    if hold is not None:
        raise JobHeld(
            job,
            holder=hold.holder,
            since=hold.since,
            why=hold.why,
            release=release_command(state, job),
        )


def _is_void(hold: Hold, state: StateFolder, url: str) -> bool:
    """Tell whether a hold is of an undo that was killed before it began."""
    if not hold.undo or state.has_run(hold.undo):
        return False
    if not url:
        return True
    with board_of(url) as board:
        return hold.undo not in board.runs()


def _read(job: str, text: bytes, where: str) -> Hold:
    try:
        document = json.loads(text)
        return Hold(
            job=job,
            holder=scrub(str(document["holder"])),
            since=scrub(str(document["since"])),
            why=scrub(str(document["why"])),
            undo=scrub(str(document.get("undo", ""))),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return _unread(job, where)


def _unread(job: str, where: str) -> Hold:
    return Hold(job=job, holder="?", since="?", why=f"{where} cannot be read")


def _place_file(state: StateFolder, job: str, text: str) -> None:
    state.prepare()
    path = state.hold_path(job)
    folder = private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(draft, text)
        draft.replace(path)
        sync_folder(folder)
    except OSError as error:
        draft.unlink(missing_ok=True)
        message = (
            f"{path} cannot be written ({error.strerror}), so that the job would not be"
            " on hold; nothing was sent: see to the disk, then give the same command"
            " again"
        )
        raise StateError(message) from error


def release_command(state: StateFolder, job: str) -> str:
    """Return the command that releases a job's hold, as it must be given from here."""
    here = find_place(given=None, environ=os.environ, base=None)
    where = ""
    if here.resolve() != state.path.resolve():
        where = f" --state-dir {shlex.quote(os.path.relpath(state.path))}"
    return f"bulkbind unpause {shlex.quote(job)}{where}"


def _write(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    fd = os.open(path, flags, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(fd)
