"""A job planned into its database, for whoever works its accounts from there."""

from functools import partial

from bulkbind.errors import SettingsError
from bulkbind.job.accounts import SharedRun
from bulkbind.job.errand import Surroundings
from bulkbind.job.looping import run_async
from bulkbind.job.planning import draw_plan
from bulkbind.settings import JobSettings
from bulkbind.state.folders import StateFolder
from bulkbind.state.holds import refuse_held
from bulkbind.state.ledgers import move_ledger
from bulkbind.state.locking import working_alone


def share_run(
    settings: JobSettings, state: StateFolder, *, around: Surroundings | None = None
) -> SharedRun:
    """Plan a job offline and put the run into its database; nothing is sent.

    Args:
        settings: The job; says which database.
        state: Where the run's folder is made.
        around: Clock; None: the real one.

    Raises:
        InputError: The manifest or the job is wrong, or has names that only the
            gateway knows.
        JobBusy: Another process works on the job.
        JobHeld: The job is on hold.
        StateError: The database or the disk is in the way.
    """
    if not settings.ledger:
        problem = (
            "cluster.ledger: machines share a ledger: give the URL of a PostgreSQL"
            " database"
        )
        raise SettingsError([problem])
    around = around or Surroundings()
    with working_alone(settings, state=state, now=around.now()):
        refuse_held(state, settings.name, url=settings.ledger)
        state.sweep()
        draft = state.new_run(now=around.now())
        try:
            run_async(
                partial(
                    draw_plan,
                    settings,
                    draft.draft,
                    run_id=draft.final.name,
                    now=around.now(),
                )
            )
            move_ledger(draft.draft, run_id=draft.final.name, url=settings.ledger)
            return SharedRun(settings.ledger, draft.keep().id)
        finally:
            draft.drop()
