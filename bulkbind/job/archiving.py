"""A run in one file, which ``report``, ``verify`` and ``undo`` read by its path.

It holds what cannot be made again: ledger, pinned copy, events and summary. Reports are
written from these. The file is opened into a private folder for one command, and
nothing that the command changes there comes back: an archive is evidence.
"""

import os
import zipfile
from contextlib import closing
from pathlib import Path

from bulkbind.errors import LedgerMismatch, StateError, UnknownRun
from bulkbind.host import private_folder
from bulkbind.job.reporting import FORMAT_VERSION, check_pin
from bulkbind.ledger import SqliteLedger
from bulkbind.state.container import UNREADABLE, extract, read_index, write_container
from bulkbind.state.folders import RunFacts, RunFolder, is_run_id
from bulkbind.state.ledgers import read_ledger

#: The ending of an archived run.
SUFFIX = ".run"

_INDEX = "archive.json"
_MUST = ("ledger.db", "manifest.csv.gz")
_MAY = ("events.jsonl", "summary.json", "SHA256SUMS")


def archive_run(run: RunFolder, path: Path) -> None:
    """Write a run into one file; the caller holds the job's lock.

    Raises:
        StateError: It cannot be written, there is a file of that name, or the run's
            ledger is in a database.
    """
    if not run.ledger.exists():
        message = f"run {run.id}: its ledger is in a database, which is its archive"
        raise StateError(message)
    with closing(SqliteLedger.open(run.ledger)) as ledger:
        ledger.prove()  # and closing it brings its journal into the file
    members = [run.path / name for name in _MUST]
    members += [run.path / name for name in _MAY if (run.path / name).exists()]
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.unlink(missing_ok=True)
        number = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w+b") as file:
            facts = {"format_version": FORMAT_VERSION, "run_id": run.id}
            write_container(file, members, index_name=_INDEX, facts=facts)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it replaces nothing
    except FileExistsError as error:
        message = f"{path} is there already; nothing was written: name another with -o"
        raise StateError(message) from error
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror}); see to the disk"
        raise StateError(message) from error
    finally:
        draft.unlink(missing_ok=True)


def open_archive(path: Path, folder: Path) -> RunFolder:
    """Unpack an archived run into an empty private folder, as a run of its own STATE.

    Raises:
        UnknownRun: It is no archived run, or was changed or cut since.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            index = read_index(archive, _INDEX)
            run_id, sums = index["run_id"], index["sha256"]
            if not is_run_id(run_id):
                message = f"{run_id!r} is no run id"
                raise ValueError(message)
            private_folder(folder / "runs")
            run = RunFolder(private_folder(folder / "runs" / run_id), archive=path)
            for name in (*_MUST, *(name for name in _MAY if name in sums)):
                extract(archive, name, run.path / name, expected=sums[name])
    except UNREADABLE as error:
        message = (
            f"{path} is no archived run, or was changed or cut ({error}); make one with"
            " `bulkbind runs archive RUN`"
        )
        raise UnknownRun(message) from error
    if _proven(run, path).meta["run_id"] != run_id:
        message = (
            f"{path} calls itself {run_id} and holds another run; it is not believed"
        )
        raise UnknownRun(message)
    return run


def _proven(run: RunFolder, path: Path) -> RunFacts:
    """Return what an opened run says of itself, after a look at what it will be read of.

    A fault names the archive: the folder that it was opened into is gone with the
    command, and nobody can restore a file in there.

    Raises:
        UnknownRun: A file in it is damaged, not what was planned, or of a newer
            bulkbind.
    """
    member = run.ledger.name
    try:
        with closing(read_ledger(run.path)) as ledger:
            ledger.prove()
        facts = run.facts()
        member = run.pin.name
        check_pin(facts)
    except LedgerMismatch as error:
        message = str(error).replace(f"{run.path}/", f"{path}: ")
        raise UnknownRun(message) from error
    except StateError as error:
        message = (
            f"{path}: {member} in it is damaged, or not what was written; it is not"
            " believed: take another copy of the archive, or make one with `bulkbind"
            " runs archive RUN`"
        )
        raise UnknownRun(message) from error
    return facts


def refuse_archived(run: RunFolder, what: str) -> None:
    """Refuse to change a run that is archived.

    Args:
        run: The run.
        what: What was to be done, as people say it.

    Raises:
        UnknownRun: It is.
    """
    if run.archive is not None:
        message = (
            f"{run.archive} is an archived run: it can be reported, verified and undone,"
            f" and not {what}; name a run of `bulkbind runs`"
        )
        raise UnknownRun(message)
