"""The story: read -> plan -> ledger -> run -> report, and the ways back into it."""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bulkbind.auth import Credential
from bulkbind.control.hours import Hours
from bulkbind.errors import RefusedForSafety, SettingsError, UnknownRun
from bulkbind.job.connecting import find_credentials
from bulkbind.job.crew import credentials_of, is_for_crew, judge_of
from bulkbind.job.drafting import drafting
from bulkbind.job.errand import Errand, Surroundings
from bulkbind.job.hours import hours_for, within
from bulkbind.job.judging import Reader
from bulkbind.job.keeping import finish_shrinking
from bulkbind.job.planfile import open_plan, save_plan
from bulkbind.job.planning import Plan, draw_plan
from bulkbind.job.refusing import refuse_replacements
from bulkbind.job.reporting import write_run_reports
from bulkbind.job.running import carry_out
from bulkbind.job.signalling import Outcome, telling
from bulkbind.job.unfinished import (
    abandon,
    find_unfinished,
    refuse_stopped,
    same_plan,
    same_sources,
)
from bulkbind.job.walking import sources_of
from bulkbind.ledger import SqliteLedger
from bulkbind.manifest import refuse_missing
from bulkbind.model import RunState
from bulkbind.settings import JobSettings
from bulkbind.state.facts import (
    freeze,
    operator,
    settings_of,
    thaw,
)
from bulkbind.state.folders import RunFolder, StateFolder, UnfinishedRun
from bulkbind.state.holds import refuse_held
from bulkbind.state.ledgers import move_ledger, read_ledger
from bulkbind.state.locking import working_alone

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a command line says of one run."""

    resume: bool = False
    """Finish an unfinished run of this job, if there is one."""
    expect: str = ""
    """The digest that the plan must have; empty: any."""
    progress: Progress | None = None


async def make_plan(
    settings: JobSettings,
    *,
    around: Surroundings,
    live_from: StateFolder | None = None,
    save_as: Path | None = None,
    look: Callable[[RunFolder], None] = lambda _: None,
    progress: Progress | None = None,
) -> Plan:
    """Plan a job, and leave nothing behind but a saved plan if one is wanted.

    Args:
        settings: The job.
        around: Clock, random source, environment.
        live_from: Read what is bound; the sandbox's world is there. None: offline.
        save_as: Where to save the plan.
        look: Shown the plan's folder before it is gone.
        progress: Told of rows as they are read.

    Raises:
        InputError: The manifest or the job is wrong.
    """
    refuse_missing(sources_of(settings))
    reader = None
    if live_from is not None:
        live_from.prepare()
        reader = _reader(settings, live_from, around)
    with tempfile.TemporaryDirectory(prefix="bulkbind-") as name:
        folder = Path(name)
        plan = await draw_plan(
            settings,
            folder,
            run_id="",
            now=around.now(),
            progress=progress,
            to_be_sent=save_as is not None,
            reader=reader,
        )
        if save_as is not None:
            save_plan(RunFolder(folder), save_as, digest=plan.digest)
        look(RunFolder(folder))
    return plan


async def run_job(
    settings: JobSettings,
    *,
    state: StateFolder,
    around: Surroundings,
    options: RunOptions = RunOptions(),
) -> Outcome:
    """Plan a job and carry the plan out; or finish a run of it that is not finished.

    Raises:
        JobBusy: Another process works on the job.
        JobHeld: The job is on hold.
        InputError: Nothing was sent.
        RefusedForSafety: The plan is not the one that was expected.
    """
    work = partial(_run_job, settings, state, around, options)
    return await telling(settings, work, state=state, around=around)


async def _run_job(
    settings: JobSettings,
    state: StateFolder,
    around: Surroundings,
    options: RunOptions,
) -> Outcome:
    refuse_missing(sources_of(settings))
    credentials = credentials_of(settings, around)
    with working_alone(settings, state=state, now=around.now()):
        refuse_held(state, settings.name, url=settings.ledger)
        hours = hours_for(settings, around)
        state.sweep()
        finish_shrinking(state)
        unfinished = find_unfinished(settings, state) if options.resume else None
        if unfinished and same_sources(unfinished, settings):
            refuse_stopped(unfinished)
            return await _resume(
                unfinished.folder, settings, credentials, state, around, hours
            )
        draft = state.new_run(now=around.now())
        try:
            async with within(hours, settings.name, around):
                plan = await draw_plan(
                    settings,
                    draft.draft,
                    run_id=draft.final.name,
                    now=around.now(),
                    progress=options.progress,
                    reader=judge_of(settings, credentials, state, around),
                )
            _expect(plan.digest, options.expect)
            refuse_replacements(settings, plan)
            if unfinished and same_plan(unfinished, RunFolder(draft.draft).facts()):
                refuse_stopped(unfinished)
                return await _resume(
                    unfinished.folder, settings, credentials, state, around, hours
                )
            if not plan.totals.rows:
                return Outcome(reported=None, run=None)
            _move_ledger(draft, settings)
            abandoned = unfinished.folder.id if unfinished else ""
            if unfinished:
                abandon(unfinished, by=draft.final.name)
            run = draft.keep()
        finally:
            draft.drop()
        reported = await carry_out(
            Errand(
                run=run,
                settings=settings,
                command="run",
                credentials=credentials,
                state=state,
                hours=hours,
            ),
            around=around,
        )
        return Outcome(reported=reported, run=run, abandoned=abandoned)


async def run_plan_file(
    path: Path,
    *,
    state: StateFolder,
    around: Surroundings,
    change: Callable[[JobSettings], JobSettings],
    options: RunOptions = RunOptions(),
) -> Outcome:
    """Carry out a saved plan.

    Args:
        path: FILE.plan.
        state: Where the run is kept.
        around: Clock, environment, who listens.
        change: Lays this command line's pace, retries and note over the plan's.
        options: ``expect``; a saved plan is not resumed by ``resume``.
    """
    draft = state.new_run(now=around.now())
    try:
        settings = _adopt(path, draft.draft, run_id=draft.final.name, change=change)
        work = partial(_run_plan, draft, settings, state, around, options)
        return await telling(settings, work, state=state, around=around)
    finally:
        draft.drop()


async def _run_plan(
    draft: UnfinishedRun,
    settings: JobSettings,
    state: StateFolder,
    around: Surroundings,
    options: RunOptions,
) -> Outcome:
    facts = RunFolder(draft.draft).facts()
    if is_for_crew(settings, is_undo=False):
        problem = "cluster.scheduler: a saved plan is carried out by one machine"
        raise SettingsError([problem])
    _expect(facts.meta["digest"], options.expect)
    credentials = find_credentials(settings, around.environ)
    with working_alone(settings, state=state, now=around.now()):
        refuse_held(state, settings.name, url=settings.ledger)
        hours = hours_for(settings, around)
        if not facts.totals.rows:
            return Outcome(reported=None, run=None)
        _move_ledger(draft, settings)
        run = draft.keep()
        reported = await carry_out(
            Errand(
                run=run,
                settings=settings,
                command="run",
                credentials=credentials,
                state=state,
                looks_first=True,
                hours=hours,
            ),
            around=around,
        )
        return Outcome(reported=reported, run=run)


def _adopt(
    path: Path,
    folder: Path,
    *,
    run_id: str,
    change: Callable[[JobSettings], JobSettings],
) -> JobSettings:
    """Unpack a saved plan and make it this run's.

    What the plan saw says what it approves, and nothing else: every row is judged anew,
    also those that had nothing to do then.
    """
    run = open_plan(path, folder)
    with drafting(folder), closing(SqliteLedger.open(run.ledger)) as ledger:
        settings = change(thaw(ledger.meta()["settings"]))
        ledger.begin()
        ledger.put_meta(
            {
                "run_id": run_id,
                "operator": operator(),
                "note": settings.note,
                "settings": freeze(settings),
                "saved_plan": path.name,
                "reads": "0",
                "seconds_reading": "0.0",
            }
        )
        ledger.reopen_judged()
        ledger.commit()
    return settings


async def resume_run(
    run: RunFolder,
    *,
    state: StateFolder,
    around: Surroundings,
    change: Callable[[JobSettings], JobSettings],
    failed: bool = False,
) -> Outcome:
    """Go on with a run: rows that were not sent or are unconfirmed.

    Args:
        run: The run's folder.
        state: The STATE it lives in.
        around: Clock, environment, who listens.
        change: Lays this command line's pace and retries over the run's own.
        failed: Take the failed rows, too.

    Raises:
        JobBusy: Another process works on the job.
        JobHeld: The job is on hold, and this is no undo.
        UnknownRun: The run was closed by a later one.
    """
    settings = change(settings_of(run.facts()))
    work = partial(_resume_run, run, settings, state, around, failed=failed)
    return await telling(settings, work, state=state, around=around)


async def _resume_run(
    run: RunFolder,
    settings: JobSettings,
    state: StateFolder,
    around: Surroundings,
    *,
    failed: bool,
) -> Outcome:
    is_undo = bool(run.facts().undoes)
    credentials = credentials_of(settings, around, is_undo=is_undo)
    with working_alone(settings, state=state, now=around.now()):
        facts = run.facts()
        if not facts.undoes:
            refuse_held(state, settings.name, url=settings.ledger)
        if facts.state is RunState.ABANDONED:
            message = (
                f"run {run.id} was closed by run {facts.meta['abandoned_by']};"
                " resume that one"
            )
            raise UnknownRun(message)
        # a run that was killed after its last answer is still to be ended
        if facts.state is RunState.FINISHED and not _has_work(run, failed=failed):
            reported = write_run_reports(run)
            return Outcome(reported=reported, run=run, nothing_to_do=True)
        hours = Hours() if facts.undoes else hours_for(settings, around)
        return await _resume(
            run, settings, credentials, state, around, hours, failed=failed
        )


async def _resume(
    run: RunFolder,
    settings: JobSettings,
    credentials: Mapping[str, Credential | None],
    state: StateFolder,
    around: Surroundings,
    hours: Hours,
    *,
    failed: bool = False,
) -> Outcome:
    facts = run.facts()
    reported = await carry_out(
        Errand(
            run=run,
            settings=settings,
            command="resume",
            credentials=credentials,
            state=state,
            take_failed=failed,
            looks_first=facts.is_saved_plan,
            looks_anew=bool(facts.undoes),
            hours=hours,
        ),
        around=around,
    )
    return Outcome(reported=reported, run=run)


def _move_ledger(draft: UnfinishedRun, settings: JobSettings) -> None:
    """Put a plan's ledger where the job wants it, before the run has its name."""
    move_ledger(draft.draft, run_id=draft.final.name, url=settings.ledger)


def _has_work(run: RunFolder, *, failed: bool) -> bool:
    ledger = read_ledger(run.path)
    try:
        refused = failed and any(tally.failed for tally in ledger.tally())
        return refused or bool(ledger.open_lanes())
    finally:
        ledger.close()


def _reader(settings: JobSettings, state: StateFolder, around: Surroundings) -> Reader:
    credentials = find_credentials(settings, around.environ)
    return Reader(credentials=credentials, state=state, around=around)


def _expect(digest: str, expected: str) -> None:
    if expected and digest != expected:
        message = (
            f"the plan is {digest}, not {expected}: manifest or settings differ from"
            " what was approved; nothing was sent. Look at `bulkbind plan` again"
        )
        raise RefusedForSafety(message)
