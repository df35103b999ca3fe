"""Manifest -> plan -> ledger, in a folder of its own."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bulkbind.errors import (
    Fault,
    SettingsError,
)
from bulkbind.job.canary import FirstBatches, canary_facts
from bulkbind.job.connecting import sound_rows
from bulkbind.job.drafting import drafting
from bulkbind.job.judging import Drawn, Found, Reader, is_to_be_sent, records_of
from bulkbind.job.projects import settle_projects
from bulkbind.job.walking import Walked, refuse, walk
from bulkbind.ledger import SqliteLedger
from bulkbind.manifest import Manifest
from bulkbind.model import Batch, Lane, PlanTotals, Settled, Target
from bulkbind.plan import Fate, Judged, OnReplace, Planner, What
from bulkbind.settings import (
    JobSettings,
    installed_version,
)
from bulkbind.state.facts import (
    freeze,
    manifest_sha256,
    operator,
    plan_settings_key,
)
from bulkbind.state.folders import RunFolder
from bulkbind.wire import PAGE

#: Rows between two calls of a progress callback.
PROGRESS_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan, as much of it as people and scripts look at."""

    job: str
    digest: str
    totals: PlanTotals
    lanes: tuple[Lane, ...]
    targets: tuple[Target, ...]
    requests_per_target: dict[int, int]
    bindings_per_target: dict[int, int]
    faults: tuple[Fault, ...]
    """Rows set aside as invalid: the first 10,000."""
    files: tuple[str, ...]
    manifest_sha256: str
    rate: tuple[int, float]
    warnings: tuple[str, ...]
    found: Found | None
    """What is bound now; None: it was not read."""
    canary: tuple[int, ...] = ()
    """Ids in the first batches of each target."""
    canary_check: tuple[str, ...] = ()
    """Who is asked before a target goes on; empty: its rows tell."""
    skips: bool = False
    """``on_replace`` is ``skip``: what another plug-in holds is left as it is."""

    @property
    def unread(self) -> Mapping[str, str]:
        """Gateways that could not be read, and why."""
        return self.found.unread if self.found else {}

    @property
    def average_fill(self) -> float:
        """Ids per request, on average."""
        totals = self.totals
        sent = totals.bindings - totals.unchanged - totals.impossible
        return sent / totals.requests if totals.requests else 0

    @property
    def longest_lane(self) -> int:
        """Requests of the gateway that has most; they go one after another."""
        lanes: Counter[int] = Counter()
        for target in self.targets:
            lanes[target.lane] += self.requests_per_target.get(target.no, 0)
        return max(lanes.values(), default=0)

    @property
    def eta_s(self) -> float:
        """Seconds that the pace alone makes the sending take."""
        return self._paced_s(self.totals.requests)

    @property
    def reads(self) -> int:
        """Pages of lists that were read; or, if none was, the fewest a run will read."""
        if self.found is not None:
            return self.found.reads
        own = sum(-(-many // PAGE) for many in self.bindings_per_target.values())
        return own + 2 * len(self.lanes)

    @property
    def reads_eta_s(self) -> float:
        """Seconds that the pace alone makes the reading take."""
        return self._paced_s(self.reads)

    def _paced_s(self, requests: int) -> float:
        limit, window_s = self.rate
        return requests / limit * window_s if limit else 0.0


async def draw_plan(
    settings: JobSettings,
    folder: Path,
    *,
    run_id: str,
    now: float,
    progress: Callable[[int], None] | None = None,
    to_be_sent: bool = True,
    reader: Reader | None = None,
) -> Plan:
    """Read the manifest, plan it, and leave ledger and pinned copy in a folder.

    Args:
        settings: The job.
        folder: Exists and is empty.
        run_id: The run's id; empty for a plan that is not run yet.
        now: Seconds since the epoch.
        progress: Called with the number of rows read so far, now and then.
        to_be_sent: False: only looked at; projects need not be known yet.
        reader: Reads what is bound; None: everything is to be sent, blind.

    Raises:
        CredentialsRejected: Every account was refused while reading.
        ManifestError: Rows that cannot be sent, and ``on_invalid`` says stop.
        PlanConflict: Two plug-ins of one type claim an API.
        SettingsError: No project is known for an account.
        StateError: The folder cannot be written.
    """
    with drafting(folder):
        return await _draw(
            settings,
            RunFolder(folder),
            run_id=run_id,
            now=now,
            progress=progress,
            to_be_sent=to_be_sent,
            reader=reader,
        )


async def _draw(
    settings: JobSettings,
    run: RunFolder,
    *,
    run_id: str,
    now: float,
    progress: Callable[[int], None] | None,
    to_be_sent: bool,
    reader: Reader | None,
) -> Plan:
    walked = await _walk(settings, run, progress, reader, to_be_sent=to_be_sent)
    manifest, planner = walked.manifest, walked.planner
    judge = reader if reader is not None and settings.live else None
    is_bound_for = to_be_sent or judge is not None
    projects = await _projects(settings, planner, reader) if is_bound_for else {}
    counter = _Counting(len(settings.canary))
    found = None
    ledger = SqliteLedger.create(run.ledger, tool=f"bulkbind {installed_version()}")
    try:
        ledger.begin()
        if judge is None:
            ledger.put_batches(counter.count(planner.batches()))
        else:
            found = await _judge(
                settings, run, planner, ledger, counter, judge, projects
            )
        planner.draft.targets[:] = [
            replace(target, project_id=projects.get(target.account, target.project_id))
            for target in planner.draft.targets
        ]
        ledger.put_plan(
            lanes=planner.draft.lanes,
            targets=planner.draft.targets,
            asides=planner.draft.asides,
        )
        unresolved = walked.asked.total()
        planner.draft.totals = replace(planner.draft.totals, unresolved=unresolved)
        plan = _plan(settings, planner, manifest, counter, found)
        ledger.put_meta(
            {
                "run_id": run_id,
                "job": settings.name,
                "created_at": repr(now),
                "digest": plan.digest,
                "plan_settings": plan_settings_key(settings),
                "manifest_sha256": plan.manifest_sha256,
                "pin_sha256": walked.pin_sha256,
                "settings": freeze(settings),
                "totals": json.dumps(asdict(plan.totals)),
                "files": json.dumps(manifest.files),
                "carried": json.dumps(manifest.carried),
                "note": settings.note,
                "operator": operator(),
                "tool": installed_version(),
                "warnings": json.dumps(plan.warnings),
                **canary_facts(counter.canaries),
                "reads": str(found.reads if found else 0),
                "seconds_reading": repr(found.seconds if found else 0.0),
            }
        )
        ledger.commit()
    finally:
        ledger.close()
    return plan


async def _walk(
    settings: JobSettings,
    run: RunFolder,
    progress: Callable[[int], None] | None,
    reader: Reader | None,
    *,
    to_be_sent: bool,
) -> Walked:
    """Read the manifest; if it has names, ask what they mean and read it again."""
    walked = walk(settings, run, progress=progress)
    if walked.asked and reader is None and to_be_sent:
        problem = (
            "the manifest has names or selectors, and only the gateway knows what they"
            " mean: plan with --live"
        )
        raise SettingsError([problem])
    if walked.asked and reader is not None:
        asked = dict.fromkeys(one.account for one in walked.asked)
        projects = await reader.projects(settings, asked, told=walked.planner.projects)
        names = await reader.resolve(settings, walked.asked, projects=projects)
        walked = walk(settings, run, progress=progress, names=names)
    refuse(settings, walked)
    return walked


async def _judge(
    settings: JobSettings,
    run: RunFolder,
    planner: Planner,
    ledger: SqliteLedger,
    counter: "_Counting",
    reader: Reader,
    projects: Mapping[str, str],
) -> Found:
    """Read what is bound, and store every batch with what is known of it."""
    draft = planner.draft
    async with reader.survey(
        settings,
        lanes=draft.lanes,
        projects=projects,
        rows=lambda: sound_rows(run.pin, draft.asides),
    ) as survey:
        await survey.learn_types(planner)
        planner.refuse_conflicts()
        policy = settings.on_replace
        for group in planner.groups():
            for target, claims in group:
                fates, drawn = await survey.judge(
                    target,
                    draft.lanes[target.lane],
                    claims,
                    action=settings.action,
                    policy=OnReplace.ALLOW if policy is OnReplace.STOP else policy,
                )
                for fate, batch in planner.cut(target, fates):
                    counter.add(batch, is_sent=is_to_be_sent(fate))
                    put_judged(ledger, batch, fate, drawn)
    judged = survey.found.totals
    draft.totals = replace(
        draft.totals,
        requests=counter.requests.total(),
        unchanged=judged[Judged.UNCHANGED],
        replaced=judged[Judged.REPLACE],
        impossible=judged[Judged.IMPOSSIBLE],
        unknown=judged[Judged.UNKNOWN],
    )
    return survey.found


def put_judged(ledger: SqliteLedger, batch: Batch, fate: Fate, drawn: Drawn) -> None:
    """Store a batch, and what was judged of it."""
    ledger.put_batches([batch])
    for record in records_of(batch, fate, drawn):
        ledger.put_record(record)
    if not is_to_be_sent(fate):
        ledger.mark(batch.id, _settled(fate, len(batch.api_ids)), settled=True)


def _settled(fate: Fate, many: int) -> Settled:
    match fate.what:
        case What.UNCHANGED:
            return Settled(unchanged=many)
        case What.KEPT:
            return Settled(kept=many)
        case _:
            return Settled(failed=many)


async def _projects(
    settings: JobSettings, planner: Planner, reader: Reader | None
) -> dict[str, str]:
    """See that every account that has rows has a project.

    Raises:
        SettingsError: No project is known for an account.
    """
    names = dict.fromkeys(account for account, _, _ in planner.gateways())
    if reader is not None:
        return await reader.projects(settings, names, told=planner.projects)
    return await settle_projects(
        settings, names, told=planner.projects, credentials={}, environ={}
    )


class _Counting:
    """Counts requests and bindings by target, and knows each target's canary.

    Args:
        steps: Of each canary.
    """

    def __init__(self, steps: int) -> None:
        self.canaries = FirstBatches(steps)
        self.requests: Counter[int] = Counter()
        self.bindings: Counter[int] = Counter()

    def add(self, batch: Batch, *, is_sent: bool = True) -> None:
        """Count a batch."""
        self.canaries.add(batch, is_sent=is_sent)
        self.requests[batch.target] += is_sent
        self.bindings[batch.target] += len(batch.api_ids)

    def count(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass batches on and count them."""
        for batch in batches:
            self.add(batch)
            yield batch


def _plan(
    settings: JobSettings,
    planner: Planner,
    manifest: Manifest,
    counter: _Counting,
    found: Found | None,
) -> Plan:
    draft = planner.draft
    return Plan(
        job=settings.name,
        digest="" if draft.totals.unresolved else draft.digest,
        totals=draft.totals,
        lanes=tuple(draft.lanes),
        targets=tuple(draft.targets),
        requests_per_target=dict(counter.requests),
        bindings_per_target=dict(counter.bindings),
        faults=tuple(draft.faults),
        files=tuple(file.name for file in manifest.files),
        manifest_sha256=manifest_sha256(manifest.files),
        rate=settings.rate,
        found=found,
        canary=settings.canary,
        canary_check=settings.canary_check,
        skips=settings.on_replace is OnReplace.SKIP,
        warnings=tuple(manifest.warnings) + tuple(_warnings(draft.totals)),
    )


def _warnings(totals: PlanTotals) -> Iterator[str]:
    if totals.odd_ids:
        yield (
            f"{totals.odd_ids:,} API ids are not 32 hexadecimal digits; they are sent"
            " as they stand"
        )
    if totals.unresolved:
        yield (
            f"{totals.unresolved:,} rows have names or selectors: only the gateway knows"
            " which ids and how many rows they mean; `plan --live` asks it"
        )
    if totals.untyped:
        yield (
            f"{totals.untyped:,} bindings have no plugin_type, so that two plug-ins of"
            " one type for one API cannot be seen"
        )
