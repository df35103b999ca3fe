"""Undo: what a run was to leave behind, and what was there before -> a run of its own.

For every row that the run sent, whatever its verdict: ``after`` is what it was to leave
in the slot, ``before`` what the last picture before its first request shows. If
``after`` is there now, ``before`` is put back; if ``before`` is there, nothing is done;
anything else was changed since, and is left.

An undo is planned, run, resumed and reported like any other run, with pictures of its
own: it can be undone, too.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bulkbind.job.connecting import find_credentials
from bulkbind.job.drafting import drafting
from bulkbind.job.errand import Errand, Surroundings
from bulkbind.job.judging import Reader
from bulkbind.job.restoring import Restoration, draw_undo
from bulkbind.job.running import carry_out
from bulkbind.job.signalling import Outcome
from bulkbind.job.unfinished import abandon
from bulkbind.model import Action
from bulkbind.plan import OnReplace
from bulkbind.report.choose import Only
from bulkbind.settings import JobSettings
from bulkbind.state.facts import settings_of
from bulkbind.state.folders import RunFacts, RunFolder, StateFolder
from bulkbind.state.holds import Hold, new_hold, place_hold
from bulkbind.state.ledgers import move_ledger
from bulkbind.state.locking import working_alone

_OPPOSITE = {Action.ATTACH: Action.DETACH, Action.DETACH: Action.ATTACH}


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoOptions:
    """What a command line says of one undo."""

    only: Only = ()
    """Report or carried columns of the undone run; empty: every row."""
    dry_run: bool = False
    """Only plan; leave nothing."""
    hold: bool = True
    """Put the job on hold before anything is sent."""
    tell: Callable[[Restoration], None] = lambda _: None
    """Shown the plan before it is carried out."""
    notice: Callable[[str], None] = lambda _: None
    """Told why nothing happens for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What an undo came to."""

    plan: Restoration
    outcome: Outcome | None
    """None: a dry run, or there was nothing to undo."""
    hold: Hold | None = None
    """That the job has now; None: none was placed."""


async def undo_run(
    undone: RunFolder,
    *,
    state: StateFolder,
    around: Surroundings,
    change: Callable[[JobSettings], JobSettings],
    options: UndoOptions = UndoOptions(),
) -> Undone:
    """Put back what a run displaced, and detach what it bound where nothing was.

    Args:
        undone: The run.
        state: The STATE it lives in.
        around: Clock, random source, environment.
        change: Lays this command line's pace, retries and note over the run's own.
        options: Which rows, and whether to do it.

    Raises:
        InputError: No row is chosen, or nothing could be read; nothing was sent.
        JobBusy: Another process works on the job.
        RefusedForSafety: What was there before is not known of any row.
    """
    settings = undo_settings(undone.facts(), change)
    reader = Reader(
        credentials=find_credentials(settings, around.environ),
        state=state,
        around=around,
        looks_behind=True,
    )
    if options.dry_run:
        with tempfile.TemporaryDirectory(prefix="bulkbind-") as name:
            folder = Path(name)
            plan = await _draw(undone, folder, "", settings, reader, options)
        return Undone(plan=plan, outcome=None)
    with working_alone(settings, state=state, now=around.now()):
        state.sweep()
        draft = state.new_run(now=around.now())
        run_id, hold = draft.final.name, None
        try:
            plan = await _draw(undone, draft.draft, run_id, settings, reader, options)
            if not plan.rows:
                return Undone(plan=plan, outcome=None)
            move_ledger(draft.draft, run_id=run_id, url=settings.ledger)
            if options.hold:
                why = f"run {undone.id} was undone by run {run_id}"
                hold = new_hold(settings.name, now=around.now(), why=why, undo=run_id)
                hold = place_hold(state, hold, url=settings.ledger)
            facts = undone.facts()
            if facts.is_unfinished:
                abandon(facts, by=run_id)
            run = draft.keep()
        finally:
            draft.drop()
        errand = Errand(
            run=run,
            settings=settings,
            command="undo",
            credentials=reader.credentials,
            state=state,
            looks_anew=True,
        )
        reported = await carry_out(errand, around=around)
    outcome = Outcome(reported=reported, run=run)
    return Undone(plan=plan, outcome=outcome, hold=hold)


def undo_settings(
    facts: RunFacts, change: Callable[[JobSettings], JobSettings]
) -> JobSettings:
    """Return the settings of the run that undoes a run; no limit of a run applies."""
    own = replace(settings_of(facts), note="")
    return replace(
        change(own),
        action=_OPPOSITE[own.action],
        only=(),
        live=True,
        rebind=False,
        canary=(),
        canary_check=(),
        on_replace=OnReplace.SKIP,
        max_replace=None,
        max_failed=None,
        deadline=None,
        window=None,
        verify=False,
    )


async def _draw(
    undone: RunFolder,
    folder: Path,
    run_id: str,
    settings: JobSettings,
    reader: Reader,
    options: UndoOptions,
) -> Restoration:
    """Plan the undo in a folder, and see that there is something to go by."""
    with drafting(folder):
        plan = await draw_undo(
            undone,
            RunFolder(folder),
            run_id=run_id,
            settings=settings,
            only=options.only,
            reader=reader,
            notice=options.notice,
        )
    options.tell(plan)
    return plan
