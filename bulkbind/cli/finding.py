"""Which run a command is about, and whether there is enough of it."""

from pathlib import Path

from bulkbind.cli import options
from bulkbind.job.folders import RunFolder
from bulkbind.job.keeping import refuse_little


def whole_run(name: str, state_dir: Path | None) -> RunFolder:
    """Find a run that has its ledger.

    Raises:
        UnknownRun: No run goes by that name, or only a part of it is kept.
    """
    run = options.runs_state(state_dir).find(name)
    refuse_little(run)
    return run
