"""A run that another host planned: its folder here, the rest in the database."""

from bulkbind.errors import UnknownRun
from bulkbind.job.folders import RunFolder, StateFolder, is_run_id
from bulkbind.job.ledgers import fetch_run, has_ledger


def adopt_run(state: StateFolder, run_id: str, *, url: str) -> RunFolder:
    """Make the folder of a run that another host planned, if it is not here.

    Args:
        state: Where it shall be.
        run_id: Its whole id.
        url: The database that its ledger is in.

    Raises:
        StateError: The database does not answer, or has no such run.
        UnknownRun: That is no id.
    """
    if not is_run_id(run_id):
        message = f"{run_id!r} is no run id; write it whole, as its host lists it"
        raise UnknownRun(message)
    final = state.runs_path / run_id
    if has_ledger(final):
        return RunFolder(final)
    adopted = state.begin(run_id)
    try:
        fetch_run(adopted.draft, run_id=run_id, url=url)
        return adopted.keep()
    finally:
        adopted.drop()
