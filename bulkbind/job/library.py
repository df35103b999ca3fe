"""bulkbind as a library: the command line's story in a few calls, sync and async."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from bulkbind import settings
from bulkbind.job import story
from bulkbind.job.errand import Surroundings
from bulkbind.job.keeping import refuse_little
from bulkbind.job.looping import run_async
from bulkbind.job.planning import Plan
from bulkbind.job.reporting import judge_run
from bulkbind.job.signalling import Outcome
from bulkbind.job.story import RunOptions
from bulkbind.report import JudgedRow
from bulkbind.run import Observer
from bulkbind.settings import JobSettings, Overrides, revise
from bulkbind.state.folders import RunFolder, StateFolder, locate_state
from bulkbind.state.ledgers import read_ledger


def load_job(
    source: str | Path,
    *,
    endpoint: str = "",
    only: Mapping[str, Sequence[str]] | None = None,
    defaults: Mapping[str, str] | None = None,
    **keys: object,
) -> JobSettings:
    """Read a job file, or take a manifest as a job.

    Args:
        source: A job file (``.toml``) or a manifest.
        endpoint: URL, or ``sandbox``; empty: the job file's.
        only: Column -> allowed values; every column must allow a row.
        defaults: Column -> value, for columns that the manifest lacks.
        keys: Any key of a job file as ``section__key``: ``pace__rate="100/s"``.

    Raises:
        SettingsError: Every fault found.
    """
    overrides = Overrides(
        values={name.replace("__", "."): str(value) for name, value in keys.items()},
        defaults=defaults or {},
        only=tuple((c, frozenset(values)) for c, values in (only or {}).items()),
        endpoint=endpoint,
    )
    return settings.load_job(Path(source), overrides, environ=os.environ)


def plan_job(
    job: JobSettings, *, live: bool = False, save_as: str | Path | None = None
) -> Plan:
    """Plan a job; sends nothing, and leaves nothing but the saved plan.

    Args:
        job: As ``load_job`` returned it.
        live: Read what is bound, too.
        save_as: Where to save the plan.

    Raises:
        InputError: The manifest or the job is wrong.
        StateError: The plan cannot be saved.
    """
    return run_async(partial(plan_job_async, job, live=live, save_as=save_as))


async def plan_job_async(
    job: JobSettings,
    *,
    live: bool = False,
    save_as: str | Path | None = None,
    state_dir: str | Path | None = None,
) -> Plan:
    """Do as ``plan_job``, from code that is async."""
    return await story.make_plan(
        job,
        around=Surroundings(),
        live_from=_state(state_dir, job.base) if live else None,
        save_as=Path(save_as) if save_as is not None else None,
    )


async def run_job_async(
    job: JobSettings,
    *,
    resume: bool = False,
    expect: str = "",
    observers: Sequence[Observer] = (),
    state_dir: str | Path | None = None,
) -> Outcome:
    """Plan a job and carry the plan out.

    Args:
        job: As ``load_job`` returned it.
        resume: Finish an unfinished run of the same job and manifest, if any.
        expect: Refuse a plan with another digest.
        observers: Hear what happens.
        state_dir: Where runs are kept; else beside the job.

    Raises:
        InputError: Nothing was sent.
        RefusedForSafety: Nothing was sent.
        JobBusy: Another process works on the job.
        RunInterrupted: It broke off, and can be resumed.
        RunUnpublished: It is complete; its report could not be copied.
    """
    return await story.run_job(
        job,
        state=_state(state_dir, job.base),
        around=Surroundings(observers=tuple(observers)),
        options=RunOptions(resume=resume, expect=expect),
    )


def run_job(
    job: JobSettings,
    *,
    resume: bool = False,
    expect: str = "",
    observers: Sequence[Observer] = (),
    state_dir: str | Path | None = None,
) -> Outcome:
    """Do as ``run_job_async``, from code that is not async."""
    return run_async(
        partial(
            run_job_async,
            job,
            resume=resume,
            expect=expect,
            observers=observers,
            state_dir=state_dir,
        )
    )


async def resume_run_async(
    run: str | RunFolder,
    *,
    failed: bool = False,
    observers: Sequence[Observer] = (),
    state_dir: str | Path | None = None,
    **keys: object,
) -> Outcome:
    """Go on with a run: rows that were not sent, or are unconfirmed.

    Args:
        run: Id, unique beginning, job name, path or ``latest``; or its folder.
        failed: Take the failed rows, too.
        observers: Hear what happens.
        state_dir: Where runs are kept; else looked for from here upwards.
        keys: Pace and retries anew, as ``section__key``.

    Raises:
        UnknownRun: No run goes by that name.
        JobBusy: Another process works on the job.
        RunInterrupted: It broke off again.
        RunUnpublished: It is complete; its report could not be copied.
    """
    folder = run if isinstance(run, RunFolder) else _state(state_dir, None).find(run)
    overrides = Overrides(
        values={name.replace("__", "."): str(value) for name, value in keys.items()}
    )
    return await story.resume_run(
        folder,
        state=StateFolder(folder.state_path),
        around=Surroundings(observers=tuple(observers)),
        change=partial(revise, overrides=overrides),
        failed=failed,
    )


def resume_run(
    run: str | RunFolder,
    *,
    failed: bool = False,
    observers: Sequence[Observer] = (),
    state_dir: str | Path | None = None,
    **keys: object,
) -> Outcome:
    """Do as ``resume_run_async``, from code that is not async."""
    return run_async(
        partial(
            resume_run_async,
            run,
            failed=failed,
            observers=observers,
            state_dir=state_dir,
            **keys,
        )
    )


def report_rows(
    run: str | RunFolder, *, state_dir: str | Path | None = None
) -> Iterator[JudgedRow]:
    """Yield every row of a run with its verdict, in manifest order.

    Raises:
        UnknownRun: No run goes by that name, or its rows are not kept: it sent nothing
            (see ``Outcome.has_rows``), or was cleaned.
        ReportWrong: The rows do not add up.
    """
    folder = run if isinstance(run, RunFolder) else _state(state_dir, None).find(run)
    refuse_little(folder)
    ledger = read_ledger(folder.path)
    try:
        yield from judge_run(folder.facts(), ledger)
    finally:
        ledger.close()


def _state(given: str | Path | None, base: Path | None) -> StateFolder:
    return locate_state(
        given=Path(given) if given is not None else None,
        environ=os.environ,
        base=base,
    )
