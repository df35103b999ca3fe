"""``verify``: is what a run did still so? Is what a manifest asks for so?"""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from bulkbind.errors import CredentialsRejected, SettingsError
from bulkbind.job.checked import (
    CLAIMS_NOTHING,
    MAX_DRIFTED,
    Checked,
    Drifted,
    TargetCheck,
)
from bulkbind.job.checking import CheckErrand, read_back
from bulkbind.job.connecting import find_credentials
from bulkbind.job.errand import Surroundings
from bulkbind.job.planning import Plan
from bulkbind.job.planrows import planned_rows
from bulkbind.job.reporting import judge_run, layout_of, write_run_reports
from bulkbind.job.story import make_plan
from bulkbind.plan import Judged
from bulkbind.report.choose import Only, cell_reader
from bulkbind.settings import JobSettings
from bulkbind.state.facts import settings_of
from bulkbind.state.folders import RunFolder, StateFolder
from bulkbind.state.ledgers import read_ledger
from bulkbind.state.locking import working_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a verification found, and what it is of."""

    job: str
    checked: Checked
    run: RunFolder | None = None
    """None: a manifest was held against what is bound."""
    files: tuple[Path, ...] = ()
    """The run's reports, written again."""
    warnings: tuple[str, ...] = ()


async def verify_run(
    run: RunFolder,
    *,
    state: StateFolder,
    around: Surroundings,
    change: Callable[[JobSettings], JobSettings],
    only: Only = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Verified:
    """Read back every row of a run that is bound, unchanged or unbound.

    Args:
        run: The run's folder.
        state: The STATE it lives in.
        around: Clock, random source, environment.
        change: Lays this command line's pace and retries over the run's own.
        only: Columns of the report with the values that are wanted; empty: all rows.
        tell: Told why it takes longer.

    Raises:
        JobBusy: Another process works on the job.
        CredentialsRejected: Nothing could be read.
        SettingsError: ``only`` names no column, or matches no row.
    """
    settings = change(settings_of(run.facts()))
    credentials = find_credentials(settings, around.environ)
    with working_on(settings.name, state=state, now=around.now()):
        chosen = _choose(run, only) if only else None
        errand = CheckErrand(
            run=run,
            settings=settings,
            credentials=credentials,
            state=state,
            wanted=chosen.marks if chosen else None,
            tell=tell,
        )
        checked = await read_back(errand, around=around)
        reported = write_run_reports(run)
        verdicts = chosen.verdicts if chosen else reported.summary.verdicts
        checked.left = {v.value: verdicts[v] for v in CLAIMS_NOTHING if verdicts[v]}
    if checked.refusal and not checked.same and not checked.drift:
        message = f"the credential is refused, and nothing was read: {checked.refusal}"
        raise CredentialsRejected(message)
    return Verified(job=settings.name, checked=checked, run=run, files=reported.files)


class _Chosen(NamedTuple):
    """Rows of a run that are wanted."""

    marks: bytearray
    """By row number, 0: not wanted."""
    verdicts: Counter[str]
    """Theirs."""


def _choose(run: RunFolder, only: Only) -> _Chosen:
    """Choose the rows of a run that have one of the values in each column named."""
    facts = run.facts()
    layout = layout_of(facts)
    wanted = [
        (cell_reader(column, layout=layout, option="--only"), frozenset(values))
        for column, values in only
    ]
    with closing(read_ledger(run.path)) as ledger:
        marks, verdicts = bytearray(), Counter[str]()
        for judged in judge_run(facts, ledger):
            marks.append(all(read(judged) in values for read, values in wanted))
            verdicts[judged.shared.verdict] += marks[-1]
    if not any(marks):
        asked = " ".join(f"{name}={','.join(values)}" for name, values in only)
        raise SettingsError([f"--only {asked}: no row of the run matches"])
    return _Chosen(marks, verdicts)


async def verify_source(
    settings: JobSettings,
    *,
    state: StateFolder,
    around: Surroundings,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Hold a job against what is bound; writes nothing.

    Whatever is not unchanged has drifted: to bind, to unbind, to replace, impossible.

    Args:
        settings: The job.
        state: Where the sandbox's world is.
        around: Clock, random source, environment.
        progress: Told of rows as they are read.

    Raises:
        InputError: The manifest or the job is wrong, or nothing could be read.
    """
    rows = _Rows()
    plan = await make_plan(
        replace(settings, live=True),
        around=around,
        live_from=state,
        look=rows.take,
        progress=progress,
    )
    return Verified(
        job=settings.name, checked=_checked(plan, rows), warnings=plan.warnings
    )


@dataclass(slots=True)
class _Rows:
    """The first rows of a plan that are not as they should be."""

    found: list[tuple[tuple[str, ...], str, str, str]] = field(default_factory=list)

    def take(self, run: RunFolder) -> None:
        """Look through a plan's folder."""
        for row in planned_rows(run):
            if len(self.found) == MAX_DRIFTED:
                return
            if row["judged"] not in _DRIFTED:
                continue
            target = tuple(str(row[name]) for name in _TARGET)
            seen, code = str(row["replaces"]), str(row["error_code"])
            if row["judged"] is Judged.UNBIND:
                seen = str(row["plugin_id"])
            self.found.append((target, str(row["api_id"]), seen, code))


_TARGET = ("account", "instance_id", "plugin_id", "env_id")
_MISSING = (Judged.BIND, Judged.IMPOSSIBLE)
_OTHER = (Judged.REPLACE, Judged.UNBIND)
_DRIFTED = frozenset({*_MISSING, *_OTHER})


def _checked(plan: Plan, rows: _Rows) -> Checked:
    assert plan.found is not None  # noqa: S101 - it was read
    found = plan.found
    numbers = {
        tuple(getattr(target, name) for name in _TARGET): target.no
        for target in plan.targets
    }
    checks = []
    for target in plan.targets:
        judged = found.judged.get(target.no, Counter())
        checks.append(
            TargetCheck(
                target,
                same=judged[Judged.UNCHANGED],
                missing=sum(judged[what] for what in _MISSING),
                other=sum(judged[what] for what in _OTHER),
                unread=judged[Judged.UNKNOWN],
            )
        )
    return Checked(
        targets=checks,
        drifted=[
            Drifted(numbers[target], api_id, seen, code)
            for target, api_id, seen, code in rows.found
        ],
        unread=found.unread,
        reads=found.reads,
        seconds=found.seconds,
    )
