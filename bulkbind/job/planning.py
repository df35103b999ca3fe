"""Manifest -> plan -> ledger, in a folder of its own."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bulkbind.errors import (
    Fault,
    InputError,
    ManifestError,
    PlanConflict,
    SettingsError,
    StateError,
)
from bulkbind.job.facts import (
    fingerprint,
    freeze,
    manifest_sha256,
    operator,
    plan_settings_key,
)
from bulkbind.job.folders import RunFolder
from bulkbind.ledger import SqliteLedger
from bulkbind.manifest import Manifest, PinWriter, Shape, Source
from bulkbind.model import Batch, Lane, PlanTotals, Row, Target
from bulkbind.plan import Planner, PlanSettings, draw
from bulkbind.settings import (
    SANDBOX,
    SANDBOX_PROJECT,
    JobSettings,
    OnInvalid,
    installed_version,
)

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

    @property
    def average_fill(self) -> float:
        """Ids per request, on average."""
        return (
            self.totals.bindings / self.totals.requests if self.totals.requests else 0
        )

    @property
    def longest_lane(self) -> int:
        """Requests of the gateway that has most; they go one after another."""
        lanes: Counter[int] = Counter()
        for target in self.targets:
            lanes[target.lane] += self.requests_per_target.get(target.no, 0)
        return max(lanes.values(), default=0)

    @property
    def eta_s(self) -> float:
        """Seconds that the pace alone makes it take."""
        limit, window_s = self.rate
        return self.totals.requests / limit * window_s if limit else 0.0


def draw_plan(
    settings: JobSettings,
    folder: Path,
    *,
    run_id: str,
    now: float,
    progress: Callable[[int], None] | None = None,
    to_be_sent: bool = True,
) -> Plan:
    """Read the manifest, plan it, and leave ledger and pinned copy in a folder.

    Args:
        settings: The job.
        folder: Exists and is empty.
        run_id: The run's id; empty for a plan that is not run yet.
        now: Seconds since the epoch.
        progress: Called with the number of rows read so far, now and then.
        to_be_sent: False: only looked at; projects need not be known yet.

    Raises:
        ManifestError: Rows that cannot be sent, and ``on_invalid`` says stop.
        PlanConflict: Two plug-ins of one type claim an API.
        SettingsError: No project is known for an account.
        StateError: The folder cannot be written.
    """
    try:
        return _draw(
            settings,
            RunFolder(folder),
            run_id=run_id,
            now=now,
            progress=progress,
            to_be_sent=to_be_sent,
        )
    except OSError as error:
        message = (
            f"{folder}: the plan cannot be written ({error.strerror or error}); see to"
            " the disk; nothing was sent"
        )
        raise StateError(message) from error


def _draw(
    settings: JobSettings,
    run: RunFolder,
    *,
    run_id: str,
    now: float,
    progress: Callable[[int], None] | None,
    to_be_sent: bool,
) -> Plan:
    manifest = manifest_of(settings)
    names = [source.name for source in _sources(settings)]
    planner = Planner(
        PlanSettings(
            action=settings.action,
            batch_size=settings.batch_size,
            on_conflict=settings.on_conflict,
            fingerprint=fingerprint(settings),
        ),
        gateway_of=lambda account, instance: _gateway(settings, account, instance),
        file_name=names.__getitem__,
        folder=run.path,
    )
    with PinWriter(run.pin) as pin:
        _read(manifest, planner, pin.write, progress)
        pin_sha256 = pin.close()
    _refuse(settings, planner, seen=bool(manifest.files))
    counter = _Counting(planner.batches())
    ledger = SqliteLedger.create(run.ledger, tool=f"bulkbind {installed_version()}")
    try:
        ledger.begin()
        ledger.put_batches(counter)
        if to_be_sent:
            resolved = _resolve_projects(settings, planner.draft.targets)
            planner.draft.targets[:] = resolved
        ledger.put_plan(
            lanes=planner.draft.lanes,
            targets=planner.draft.targets,
            asides=planner.draft.asides,
        )
        plan = _plan(settings, planner, manifest, counter)
        ledger.put_meta(
            {
                "run_id": run_id,
                "job": settings.name,
                "created_at": repr(now),
                "digest": plan.digest,
                "plan_settings": plan_settings_key(settings),
                "manifest_sha256": plan.manifest_sha256,
                "pin_sha256": pin_sha256,
                "settings": freeze(settings),
                "totals": json.dumps(asdict(plan.totals)),
                "files": json.dumps(manifest.files),
                "carried": json.dumps(manifest.carried),
                "note": settings.note,
                "operator": operator(),
                "tool": installed_version(),
                "warnings": json.dumps(plan.warnings),
            }
        )
        ledger.commit()
    finally:
        ledger.close()
    return plan


def manifest_of(settings: JobSettings) -> Manifest:
    """Return the job's manifest, ready to be read once."""
    return Manifest(_sources(settings), shape=_shape(settings))


def _sources(settings: JobSettings) -> list[Source]:
    """Name the manifest's files as their owner would: relative to the job."""
    return [
        Source("<stdin>", None)
        if path is None
        else Source(_short(path, settings.base), path)
        for path in settings.manifest
    ]


def _short(path: Path, base: Path) -> str:
    with suppress(ValueError):
        return str(path.resolve().relative_to(base))
    return str(path)


def _shape(settings: JobSettings) -> Shape:
    return Shape(
        columns=settings.columns,
        defaults=settings.defaults,
        encoding=settings.encoding,
        fill_blank=settings.fill_blank,
        accounts={
            name: account.project_id for name, account in settings.accounts.items()
        },
        only=settings.only,
    )


def _gateway(settings: JobSettings, account: str, instance_id: str) -> str:
    return f"{settings.accounts[account].host or account}/{instance_id}"


def _read(
    manifest: Manifest,
    planner: Planner,
    pin: Callable[[Row], None],
    progress: Callable[[int], None] | None,
) -> None:
    rows = manifest.rows()
    try:
        draw(planner, _counted(rows, progress) if progress else rows, pin=pin)
    except ManifestError as error:
        draft = planner.draft
        faults = [*draft.faults, *error.faults]
        total = draft.fault_count + error.total
        raise ManifestError(faults, total=total) from error


def _counted(rows: Iterable[Row], progress: Callable[[int], None]) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number % PROGRESS_ROWS == 0:
            progress(number)
        yield row


def _refuse(settings: JobSettings, planner: Planner, *, seen: bool) -> None:
    """Refuse a plan with bad rows, unless the job says to skip them."""
    draft = planner.draft
    if draft.fault_count and settings.on_invalid is OnInvalid.STOP:
        faults, total = list(draft.faults), draft.fault_count
        try:
            for _ in planner.batches():
                pass
        except PlanConflict as conflict:
            faults += conflict.faults
            total += conflict.total
        raise ManifestError(faults, total=total)
    if seen and settings.only and not planner.rows:
        filters = " ".join(
            f"--only {column}={','.join(sorted(values))}"
            for column, values in settings.only
        )
        message = f"{filters} matches no row; see to the column and its values"
        raise InputError(message)


def _resolve_projects(settings: JobSettings, targets: list[Target]) -> list[Target]:
    """See that every account has a project; the sandbox takes any."""
    sandboxed = {n for n, a in settings.accounts.items() if a.endpoint == SANDBOX}
    lacking = sorted({t.account for t in targets if not t.project_id} - sandboxed)
    if lacking:
        raise SettingsError(
            [
                f"account {name!r}: no project_id; give it in [account], with"
                " --project-id or in a project_id column"
                for name in lacking
            ]
        )
    return [
        t if t.project_id else replace(t, project_id=SANDBOX_PROJECT) for t in targets
    ]


class _Counting:
    """Passes batches on and counts them by target."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = batches
        self.requests: Counter[int] = Counter()
        self.bindings: Counter[int] = Counter()

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            self.requests[batch.target] += 1
            self.bindings[batch.target] += len(batch.api_ids)
            yield batch


def _plan(
    settings: JobSettings, planner: Planner, manifest: Manifest, counter: _Counting
) -> Plan:
    draft = planner.draft
    return Plan(
        job=settings.name,
        digest=draft.digest,
        totals=draft.totals,
        lanes=tuple(draft.lanes),
        targets=tuple(draft.targets),
        requests_per_target=dict(counter.requests),
        bindings_per_target=dict(counter.bindings),
        faults=tuple(draft.faults),
        files=tuple(file.name for file in manifest.files),
        manifest_sha256=manifest_sha256(manifest.files),
        rate=settings.rate,
        warnings=tuple(manifest.warnings) + tuple(_warnings(draft.totals)),
    )


def _warnings(totals: PlanTotals) -> Iterator[str]:
    if totals.odd_ids:
        yield (
            f"{totals.odd_ids:,} API ids are not 32 hexadecimal digits; they are sent"
            " as they stand"
        )
    if totals.untyped:
        yield (
            f"{totals.untyped:,} bindings have no plugin_type, so that two plug-ins of"
            " one type for one API cannot be seen"
        )
