"""Where a run's ledger is: a file in its folder, or a database that the folder names."""

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bulkbind.errors import LedgerMismatch, SettingsError, StateError
from bulkbind.ledger import Ledger, SqliteLedger, ThreadExecutor
from bulkbind.ledger.address import check_address
from bulkbind.settings import installed_version

if TYPE_CHECKING:
    from bulkbind.ledger.board import Board
    from bulkbind.ledger.postgres import PostgresLedger
    from bulkbind.ledger.postgres_session import Session

#: A ledger that is a file.
LEDGER_NAME = "ledger.db"

#: Says in which database the ledger is, if it is no file.
MARKER_NAME = "ledger.json"

#: Either of them makes a folder that of a run.
LEDGER_NAMES = (LEDGER_NAME, MARKER_NAME)

PIN_NAME = "manifest.csv.gz"

FORMAT_VERSION = "1.0"


def database_of(folder: Path) -> tuple[str, str]:
    """Return the database that a run's ledger is in, and the run's id there.

    Raises:
        LedgerMismatch: It is in a file.
    """
    if where := find_database(folder):
        return where
    message = f"the ledger in {folder} is a file; only a database can be shared"
    raise LedgerMismatch(message)


def has_ledger(folder: Path) -> bool:
    """Tell whether a folder is one of a run."""
    return any(is_file(folder / name) for name in LEDGER_NAMES)


def is_file(path: Path) -> bool:
    """Tell whether a path is a file; one that no file can have is none."""
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def read_ledger(folder: Path) -> Ledger:
    """Open the ledger of the run in a folder to read it.

    Raises:
        StateError: It cannot be read.
    """
    if where := find_database(folder):
        return _postgres().read(*where)
    return SqliteLedger.read(folder / LEDGER_NAME)


def open_ledger(folder: Path) -> Ledger:
    """Open the ledger of the run in a folder to write to it; the job is locked.

    Raises:
        JobBusy: A process of another host writes to it.
        StateError: It cannot be opened.
    """
    if where := find_database(folder):
        return _postgres().open(*where)
    return SqliteLedger.open(folder / LEDGER_NAME)


def share_ledger(url: str, run_id: str) -> "PostgresLedger":
    """Open the ledger of a run to write to it beside others that share it.

    Raises:
        JobBusy: A process works on the run alone.
        StateError: It cannot be opened.
    """
    return _postgres().share(url, run_id)


def executor_for(ledger: Ledger) -> ThreadExecutor:
    """Return what does the work on a ledger that is open to be written."""
    if isinstance(ledger, SqliteLedger):
        return ThreadExecutor(ledger)
    from bulkbind.ledger.enduring import EnduringExecutor

    return EnduringExecutor(ledger)  # type: ignore[arg-type]


def move_ledger(folder: Path, *, run_id: str, url: str) -> None:
    """Put the ledger of a planned run where the job wants it.

    Args:
        folder: The run's, before it has its name.
        run_id: The run.
        url: A database; empty: the ledger stays where it is.

    Raises:
        StateError: It cannot be put there, and nothing was sent.
    """
    if not url:
        return
    with _needing_psycopg():
        from bulkbind.ledger.shipping import ship

    ledger = folder / LEDGER_NAME
    ship(ledger, folder / PIN_NAME, url=url, run_id=run_id, tool=_tool())
    _mark(folder, run_id=run_id, url=url)
    ledger.unlink()


def mark_run(folder: Path, *, run_id: str, url: str) -> None:
    """Let a folder stand for a run that was planned on another host.

    Args:
        folder: Empty.
        run_id: The run.
        url: The database that its ledger is in.

    Raises:
        StateError: The database does not answer, or has no such run.
    """
    with board_of(url, run_id):
        _mark(folder, run_id=run_id, url=url)


def fetch_pin(folder: Path) -> None:
    """Put the pinned copy beside the ledger, if it is in the database only.

    Raises:
        StateError: The database does not answer.
    """
    pin, where = folder / PIN_NAME, find_database(folder)
    if where is None or pin.exists():
        return
    with _needing_psycopg():
        from bulkbind.ledger.shipping import fetch_pin
    draft = pin.with_name(f".{PIN_NAME}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            draft.chmod(0o600)
            fetch_pin(*where, file)
        draft.replace(pin)
    except OSError as error:
        message = f"{pin} cannot be written ({error.strerror}); see to the disk"
        raise StateError(message) from error
    finally:
        draft.unlink(missing_ok=True)


def _mark(folder: Path, *, run_id: str, url: str) -> None:
    """Let a folder say where its run's ledger is."""
    marker = {"format_version": FORMAT_VERSION, "ledger": url, "run": run_id}
    path = folder / MARKER_NAME
    try:
        path.touch(mode=0o600)
        path.write_text(json.dumps(marker) + "\n", encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror}); see to the disk"
        raise StateError(message) from error


@contextmanager
def holding_job(job: str, *, url: str) -> Iterator[None]:
    """While the block runs, let no other host that shares a database work on a job.

    Args:
        job: Its name.
        url: The database; empty: there is none to share.

    Raises:
        JobBusy: Another one does.
        StateError: The database does not answer, or is not for us.
    """
    if not url:
        yield
        return
    with closing(_session(url)) as session:
        session.prepare(tool=_tool())
        session.hold_job(job)
        yield


def find_database(folder: Path) -> tuple[str, str] | None:
    """Return the database that a run's ledger is in, and its id; None: it is a file.

    Raises:
        LedgerMismatch: The folder does not say where it is.
    """
    path = folder / MARKER_NAME
    try:
        marker = json.loads(path.read_bytes())
        return check_address(str(marker["ledger"])), str(marker["run"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        message = f"{path} does not say where the ledger is; restore it"
        raise LedgerMismatch(message) from error


@contextmanager
def board_of(url: str, run_id: str = "", *, makes: bool = False) -> Iterator["Board"]:
    """Open the board of a database for a moment.

    Args:
        url: The database.
        run_id: The run that it is about; empty: none.
        makes: Make the tables if they are not there.

    Raises:
        StateError: The database does not answer, or has no such run.
    """
    with closing(_session(url, run_id)) as session:
        from bulkbind.ledger.board import Board

        if makes:
            session.prepare(tool=_tool())
        if run_id:
            session.find_run(locks=False)
        yield Board(session)


def board_in(ledger: Ledger) -> "Board":
    """Return the board of the database that an open ledger is in."""
    from bulkbind.ledger.board import Board

    return Board(cast("PostgresLedger", ledger).session)


def _postgres() -> "type[PostgresLedger]":
    with _needing_psycopg():
        from bulkbind.ledger.postgres import PostgresLedger
    return PostgresLedger


def _session(url: str, run_id: str = "") -> "Session":
    with _needing_psycopg():
        from bulkbind.ledger.postgres_session import Session
    return Session(url, run_id, writes=True)


@contextmanager
def _needing_psycopg() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        problem = (
            "cluster.ledger: a ledger in PostgreSQL needs psycopg: pip install"
            " 'bulkbind[postgres]'"
        )
        raise SettingsError([problem]) from error


def _tool() -> str:
    return f"bulkbind {installed_version()}"
