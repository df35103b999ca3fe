"""One walk over a manifest: rows into the planner, and into the pinned copy."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bulkbind.errors import InputError, ManifestError, PlanConflict, SettingsError
from bulkbind.live import Asked, Names, asked, resolve_rows
from bulkbind.manifest import Manifest, PinWriter, Shape, Source
from bulkbind.model import Block, Row
from bulkbind.plan import Planner, PlanSettings, draw
from bulkbind.settings import JobSettings, OnInvalid
from bulkbind.state.facts import fingerprint
from bulkbind.state.folders import RunFolder

#: Rows between two calls of a progress callback.
PROGRESS_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """A manifest that was read once."""

    manifest: Manifest
    planner: Planner
    pin_sha256: str
    """Of the pinned copy."""
    asked: Counter[Asked]
    """Names and selectors that are not resolved, and rows that have them."""


def walk(
    settings: JobSettings,
    run: RunFolder,
    *,
    progress: Callable[[int], None] | None = None,
    names: Names | None = None,
) -> Walked:
    """Read a job's manifest into a fresh planner.

    Args:
        settings: The job.
        run: Where the pinned copy and the planner's temporary files go.
        progress: Called with the number of rows read so far, now and then.
        names: What names and selectors mean; None: nobody asked yet.

    Raises:
        ManifestError: The manifest cannot be read to its end.
        SettingsError: It must be read twice, and is standard input.
    """
    manifest = manifest_of(settings)
    file_names = [source.name for source in sources_of(settings)]
    planner = Planner(
        PlanSettings(
            action=settings.action,
            batch_size=settings.batch_size,
            canary=settings.canary,
            on_conflict=settings.on_conflict,
            fingerprint=fingerprint(settings),
        ),
        gateway_of=lambda account, instance: gateway_of(settings, account, instance),
        file_name=file_names.__getitem__,
        folder=run.path,
    )
    met: Counter[Asked] = Counter()
    rows = _noted(manifest, met, progress)
    if names is not None:
        rows = resolve_rows(rows, names=names, file_name=file_names.__getitem__)
    with PinWriter(run.pin) as pin:
        _read(planner, rows, pin)
        pin_sha256 = pin.close()
    if met and names is None and None in settings.manifest:
        problem = (
            "<stdin>: names and selectors need the manifest twice: save it as a file"
        )
        raise SettingsError([problem])
    return Walked(
        manifest=manifest,
        planner=planner,
        pin_sha256=pin_sha256,
        asked=met if names is None else Counter(),
    )


def _noted(
    manifest: Manifest, met: Counter[Asked], progress: Callable[[int], None] | None
) -> Iterator[Row | Block]:
    """Yield rows; note what has to be resolved, and say how far the reading is."""
    number = told = 0
    for row in manifest.read():
        if progress is not None and number >= told:
            progress(number)
            told = number + PROGRESS_ROWS
        if isinstance(row, Block):
            number += len(row)
            yield row
            continue
        number += 1
        if manifest.has_names and row.fault is None and row.is_named:
            met[asked(row)] += 1
        yield row


def manifest_of(settings: JobSettings) -> Manifest:
    """Return the job's manifest, ready to be read once."""
    return Manifest(sources_of(settings), shape=_shape(settings))


def sources_of(settings: JobSettings) -> list[Source]:
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


def gateway_of(settings: JobSettings, account: str, instance_id: str) -> str:
    """Return what makes a gateway: endpoint host and instance id."""
    return f"{settings.accounts[account].host or account}/{instance_id}"


def _read(planner: Planner, rows: Iterable[Row | Block], pin: PinWriter) -> None:
    try:
        draw(planner, rows, pin=pin)
    except ManifestError as error:
        draft = planner.draft
        faults = [*draft.faults, *error.faults]
        total = draft.fault_count + error.total
        raise ManifestError(faults, total=total) from error


def refuse(settings: JobSettings, walked: Walked) -> None:
    """Refuse a plan with bad rows, unless the job says to skip them.

    Raises:
        ManifestError: Rows cannot be sent, and ``on_invalid`` says stop.
        InputError: ``--only`` matches no row.
    """
    planner, seen = walked.planner, bool(walked.manifest.files)
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
