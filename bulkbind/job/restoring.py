"""Draws the plan of an undo: the undone run's ledger and live state -> a ledger."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from bulkbind.errors import RefusedForSafety
from bulkbind.job.connecting import sound_rows
from bulkbind.job.images import Restore, Sent, sent_rows
from bulkbind.job.judging import Drawn, Found, Reader, Survey, is_to_be_sent
from bulkbind.job.planning import put_judged
from bulkbind.job.settling import WAITS, News, Slots, settle
from bulkbind.job.walking import gateway_of
from bulkbind.ledger import SqliteLedger
from bulkbind.manifest import PinWriter
from bulkbind.model import Action, Batch, Lane, OurCode, Row, Target, Verdict
from bulkbind.plan import (
    SEND,
    Claims,
    Fate,
    Judged,
    Judgement,
    OnConflict,
    OnReplace,
    Picture,
    Planner,
    PlanSettings,
    What,
    record_of,
)
from bulkbind.report.choose import Only
from bulkbind.settings import JobSettings, installed_version
from bulkbind.state.facts import freeze, operator
from bulkbind.state.folders import RunFacts, RunFolder
from bulkbind.state.ledgers import read_ledger
from bulkbind.verdict import UNKNOWN_REPLACED

NO_PRE_IMAGE = Fate(
    What.KEPT,
    OurCode.NO_PRE_IMAGE,
    "nobody looked what was bound before this row was sent",
)


class Prospect(StrEnum):
    """What an undo will do with a row."""

    ATTACH = "attach"
    DETACH = "detach"
    UNCHANGED = "unchanged"
    CHANGED_SINCE = "changed_since"
    NO_PRE_IMAGE = "no_pre_image"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """The plan of an undo, as much of it as people and scripts look at."""

    undone: str
    """The run's id."""
    job: str
    rows: int
    """Rows that the run sent and that were chosen."""
    requests: int
    targets: tuple[Target, ...]
    prospects: dict[int, Counter[Prospect]]
    """Rows by target and by what will be done with them."""
    found: Found
    rate: tuple[int, float]

    @property
    def totals(self) -> Counter[Prospect]:
        """Rows by what will be done with them."""
        return sum(self.prospects.values(), Counter())


class _Kind(NamedTuple):
    """Rows of one kind share batches."""

    action: Action
    is_known: bool
    fate: Fate

    @property
    def prospect(self) -> Prospect:
        """What will be done with its rows."""
        match self.fate.what:
            case What.SEND:
                is_attach = self.action is Action.ATTACH
                return Prospect.ATTACH if is_attach else Prospect.DETACH
            case What.UNCHANGED:
                return Prospect.UNCHANGED
            case What.FAILED:
                return Prospect.IMPOSSIBLE
            case What.KEPT:
                is_known = self.is_known
                return Prospect.CHANGED_SINCE if is_known else Prospect.NO_PRE_IMAGE
            case _:
                return Prospect.UNKNOWN


@dataclass(slots=True)
class _Draft:
    """The plan of an undo while it is drawn."""

    undone: RunFacts
    settings: JobSettings
    planner: Planner
    restores: list[Restore] = field(default_factory=list)
    """Distinct ones; a claim's place counts them."""
    places: dict[Restore, int] = field(default_factory=dict)
    known: int = 0
    """Rows with a pre-image."""
    news: News = field(default_factory=News)
    prospects: dict[int, Counter[Prospect]] = field(default_factory=dict)
    requests: int = 0


async def draw_undo(
    undone: RunFolder,
    run: RunFolder,
    *,
    run_id: str,
    settings: JobSettings,
    only: Only,
    reader: Reader,
    notice: Callable[[str], None],
) -> Restoration:
    """Plan the undo of a run, and leave ledger and pinned copy in a folder.

    Args:
        undone: The run.
        run: Its folder exists and is empty.
        run_id: The undo's id; empty for a plan that is only looked at.
        settings: The undo's.
        only: Which rows: as ``sent_rows`` takes it.
        reader: Reads what is bound.
        notice: Told why nothing happens for a while.

    Raises:
        CredentialsRejected: Every account was refused while reading.
        InputError: No row is chosen.
        RefusedForSafety: What was there before is not known of any row.
    """
    facts = undone.facts()
    planner = Planner(
        PlanSettings(
            action=settings.action,
            batch_size=settings.batch_size,
            on_conflict=OnConflict.LAST,
            fingerprint=json.dumps(["undo", undone.id]),
        ),
        gateway_of=lambda account, instance: gateway_of(settings, account, instance),
        file_name=lambda _: undone.id,
        folder=run.path,
    )
    draft = _Draft(facts, settings, planner)
    since = reader.around.now() - WAITS * settings.second_look_s
    with PinWriter(run.pin) as pin, closing(read_ledger(undone.path)) as old:
        for sent in sent_rows(facts, old, only=only):
            pin.write(_add(draft, sent, since=since))
        pin_sha256 = pin.close()
    _refuse_blind(draft)
    tool = f"bulkbind {installed_version()}"
    with closing(SqliteLedger.create(run.ledger, tool=tool)) as ledger:
        ledger.begin()
        found = Found()
        if planner.rows:
            found = await _judge(draft, run, ledger, reader, notice)
        ledger.put_plan(
            lanes=planner.draft.lanes,
            targets=planner.draft.targets,
            asides=planner.draft.asides,
        )
        ledger.put_meta(_meta(draft, found, run_id, pin_sha256, reader.around.now()))
        ledger.commit()
    return Restoration(
        undone=undone.id,
        job=settings.name,
        rows=planner.rows,
        requests=draft.requests,
        targets=tuple(planner.draft.targets),
        prospects=draft.prospects,
        found=found,
        rate=settings.rate,
    )


def _add(draft: _Draft, sent: Sent, *, since: float) -> Row:
    """Take a row over, with the plug-in that its request will name."""
    judged, restore = sent
    row = judged.row._replace(
        plugin_id=restore.plugin_id, project_id=judged.shared.project_id
    )
    place = draft.places.setdefault(restore, len(draft.restores))
    if place == len(draft.restores):
        draft.restores.append(restore)
    # A manifest may call a plug-in's type what it likes; the gateway is asked.
    draft.planner.add(row._replace(plugin_type=""), place=place)
    draft.known += restore.is_known
    if judged.shared.verdict is Verdict.BOUND and judged.shared.finished_at > since:
        _expect(draft, judged.row, restore)
    return row


def _expect(draft: _Draft, row: Row, restore: Restore) -> None:
    """Note what lists should say of a row that was answered just now."""
    gateway = gateway_of(draft.settings, row.account, row.instance_id)
    lane = Lane(0, row.account, gateway)
    slots = Slots(lane, row.instance_id, restore.after, row.env_id)
    draft.news.bound[slots].add(row.api_id)
    if restore.action is Action.ATTACH and restore.plugin_id != restore.after:
        slots = slots._replace(plugin_id=restore.plugin_id)
        draft.news.displaced[slots].add(row.api_id)


def _refuse_blind(draft: _Draft) -> None:
    if draft.planner.rows and not draft.known:
        message = (
            f"none of the {draft.planner.rows:,} rows that run"
            f" {draft.undone.folder.id} sent has a picture of what was there before: it"
            " was sent blind (--no-live), and cannot be undone; nothing was sent."
            " Bind what should be there with a manifest of its own"
        )
        raise RefusedForSafety(message)


# --- judging --------------------------------------------------------------------------


async def _judge(
    draft: _Draft,
    run: RunFolder,
    ledger: SqliteLedger,
    reader: Reader,
    notice: Callable[[str], None],
) -> Found:
    """Read what is bound, and store every batch with what is known of it."""
    planner, settings = draft.planner, draft.settings
    async with reader.survey(
        settings,
        lanes=planner.draft.lanes,
        projects=planner.projects,
        rows=lambda: sound_rows(run.pin, ()),
    ) as survey:
        await survey.learn_types(planner)
        draft.news.drop(survey.found.unread)
        await settle(
            survey.lists, draft.news, every_s=settings.second_look_s, notice=notice
        )
        for group in planner.groups():
            for target, claims in group:
                await _judge_target(draft, survey, target, claims, ledger)
    totals = draft.prospects.values()
    counts = sum(totals, Counter())
    planner.draft.totals = replace(
        planner.draft.totals,
        requests=draft.requests,
        unchanged=counts[Prospect.UNCHANGED],
        impossible=counts[Prospect.IMPOSSIBLE],
        unknown=counts[Prospect.UNKNOWN],
    )
    return survey.found


async def _judge_target(
    draft: _Draft,
    survey: Survey,
    target: Target,
    claims: Claims,
    ledger: SqliteLedger,
) -> None:
    """Judge a target's rows, some to be attached and some to be detached."""
    parts: dict[tuple[Action, bool], list[int]] = {}
    for at, place in enumerate(claims.places):
        restore = draft.restores[place]
        parts.setdefault((restore.action, restore.is_known), []).append(at)
    kinds: dict[_Kind, Claims] = {}
    drawn: dict[tuple[Action, bool], Drawn] = {}
    for part, positions in parts.items():
        own = claims.take(positions)
        fates, drawn[part] = await survey.judge(
            target,
            draft.planner.draft.lanes[target.lane],
            own,
            action=part[0],
            policy=OnReplace.KEEP,
            approved=lambda place: draft.restores[place].after,
        )
        if not part[1]:
            fates, drawn[part] = {NO_PRE_IMAGE: own}, _unread_as_unknown(drawn[part])
        kinds |= {_Kind(*part, fate): chosen for fate, chosen in fates.items()}
    counts = draft.prospects.setdefault(target.no, Counter())
    counts.update({kind.prospect: len(kinds[kind]) for kind in kinds})
    places = dict(zip(claims.rows, claims.places, strict=True))
    for kind, batch in draft.planner.cut(
        target, kinds, action_of=lambda kind: kind.action
    ):
        draft.requests += is_to_be_sent(kind.fate)
        put_judged(ledger, batch, kind.fate, drawn[kind.action, kind.is_known])
        if kind.fate.what in {What.UNREAD, What.FAILED}:
            afters = [draft.restores[places[row]].after for row in batch.rows]
            _put_expected(ledger, batch, afters)


def _unread_as_unknown(drawn: Drawn) -> Drawn:
    """Say "unknown", not "nothing", of what could not be read."""
    unknown = Judgement(Judged.UNKNOWN, UNKNOWN_REPLACED)
    return Drawn(
        drawn.picture,
        {
            api_id: unknown if judgement.judged is Judged.UNKNOWN else judgement
            for api_id, judgement in drawn.judgements.items()
        },
    )


def _put_expected(ledger: SqliteLedger, batch: Batch, afters: Sequence[str]) -> None:
    """Store what must be there when ids that cannot be sent now are sent at last.

    It stands as a picture from the beginning of time: whoever sends looks first, and
    finds in it what may be displaced.
    """
    record = record_of(
        SEND,
        range(len(batch.api_ids)),
        afters,
        bindings=[None] * len(batch.api_ids),
        picture=Picture(read_at=0.0),
        batch=batch.id,
        invocation=0,
    )
    if record is not None:
        ledger.put_record(record)


def _meta(
    draft: _Draft, found: Found, run_id: str, pin_sha256: str, now: float
) -> dict[str, str]:
    old, plan = draft.undone.meta, draft.planner.draft
    return {
        "run_id": run_id,
        "undoes": draft.undone.folder.id,
        "job": draft.settings.name,
        "created_at": repr(now),
        "digest": plan.digest,
        "plan_settings": json.dumps(["undo", draft.undone.folder.id]),
        "manifest_sha256": old["manifest_sha256"],
        "pin_sha256": pin_sha256,
        "settings": freeze(draft.settings),
        "totals": json.dumps(asdict(plan.totals)),
        "files": old["files"],
        "carried": old["carried"],
        "note": draft.settings.note,
        "operator": operator(),
        "tool": installed_version(),
        "warnings": "[]",
        "reads": str(found.reads),
        "seconds_reading": repr(found.seconds),
    }
