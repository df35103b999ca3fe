"""Which run a command is about, and whether there is enough of it."""

import tempfile
from pathlib import Path

import click

from bulkbind.cli import options
from bulkbind.job.archiving import SUFFIX, open_archive
from bulkbind.job.keeping import refuse_little
from bulkbind.state.folders import RunFolder, StateFolder


def is_archive(path: Path) -> bool:
    """Tell an archived run from other files, by its name."""
    return path.suffix.lower() == SUFFIX and path.is_file()


def find_run(name: str, state_dir: Path | None) -> RunFolder:
    """Find a run by what names it; the path of an archived one is unpacked.

    What was unpacked is gone when the command ends.

    Raises:
        UnknownRun: No run goes by that name.
    """
    path = Path(name)
    if not is_archive(path):
        return options.runs_state(state_dir).find(name)
    folder = tempfile.TemporaryDirectory(prefix="bulkbind-")
    unpacked = click.get_current_context().with_resource(folder)
    return open_archive(path, Path(unpacked))


def whole_run(name: str, state_dir: Path | None) -> RunFolder:
    """Find a run that has its ledger.

    Raises:
        UnknownRun: No run goes by that name, or only a part of it is kept.
    """
    run = find_run(name, state_dir)
    refuse_little(run)
    return run


def state_for(run: RunFolder, state_dir: Path | None) -> StateFolder:
    """Return where locks, holds and new runs of a run's job are."""
    if run.archive is not None:
        return options.runs_state(state_dir)
    return StateFolder(run.state_path)
