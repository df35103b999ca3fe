"""Runs that other hosts planned: their folders here, the rest in the database."""

from contextlib import suppress

from bulkbind.errors import LedgerMismatch, StateError, UnknownRun
from bulkbind.state.folders import RunFolder, StateFolder, is_run_id
from bulkbind.state.ledgers import board_of, has_ledger, mark_run


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
        mark_run(adopted.draft, run_id=run_id, url=url)
        return adopted.keep()
    except StateError:
        if has_ledger(final):  # another process was faster
            return RunFolder(final)
        raise
    finally:
        adopted.drop()


def adopt_runs(state: StateFolder, *, url: str, job: str | None = None) -> None:
    """Make the folder of every run of a database that is not here.

    Args:
        state: Where they shall be.
        url: The database; empty: there is none.
        job: Only runs of this one; None: of all.

    Raises:
        StateError: The database does not answer.
    """
    if not url:
        return
    with board_of(url) as board:
        ids = board.runs(job)
    for run_id in ids:
        if is_run_id(run_id) and not state.has_run(run_id):
            with suppress(LedgerMismatch):  # it was cleaned away meanwhile
                adopt_run(state, run_id, url=url)
