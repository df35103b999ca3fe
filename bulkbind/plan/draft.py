"""A plan while it is drawn: what decides it, what has come of it, and its name."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from bulkbind.errors import Fault
from bulkbind.model import MAX_API_IDS, Action, Aside, Lane, PlanTotals, Target
from bulkbind.plan.rules import OnConflict


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """What decides a plan, beside its rows."""

    action: Action = Action.ATTACH
    batch_size: int = MAX_API_IDS
    canary: tuple[int, ...] = ()
    """Ids in a target's first batches; the fingerprint has them, too."""
    on_conflict: OnConflict = OnConflict.STOP
    fingerprint: str = ""
    """Every other setting that shapes the rows, as text; part of the digest."""


@dataclass(slots=True)
class Draft:
    """A plan as far as the rows tell; ``batches`` completes it.

    The counts, ``asides``, ``faults`` and ``digest`` are whole once ``groups`` is
    exhausted.
    """

    settings: PlanSettings
    targets: list[Target] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    totals: PlanTotals = field(default_factory=PlanTotals)
    digest: str = ""


def digest_ids(api_ids: Iterable[str]) -> str:
    """Name the APIs of one target, in manifest order."""
    text = "\n".join(api_ids)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_plan(draft: Draft, digests: dict[int, str]) -> str:
    """Name the plan: the same bindings and settings have the same digest.

    By account name, not by project; without row numbers and without targets that
    nothing is sent to, so that a repeat added to the manifest, under whatever account
    name, does not make another plan.
    """
    settings = draft.settings
    digest = hashlib.sha256()
    for part in (
        settings.action,
        str(settings.batch_size),
        settings.on_conflict,
        settings.fingerprint,
    ):
        digest.update(part.encode() + b"\0")
    for target in draft.targets:
        if target.no not in digests:
            continue
        key = (target.account, target.instance_id, target.plugin_id, target.env_id)
        line = "\0".join((*key, digests[target.no]))
        digest.update(line.encode() + b"\n")
    return f"v1:{digest.hexdigest()[:32]}"
