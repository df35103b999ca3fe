"""What is bound now and what is wanted -> what to do with each row. Pure.

Three steps: a *picture* of a target says what its ids' slots hold; ``judge`` says what
that means for each id; ``Leave`` says which of them may be displaced. What comes out
is a *fate* for each id, and a ledger record for each batch of one fate.

Source: APIG, "Binding a Plug-in to APIs": only published APIs can be bound; a slot
holds one plug-in of a type, and attaching another replaces it without a word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from bulkbind.model import (
    Action,
    OurCode,
    Receipts,
    Record,
    RecordKind,
    Scope,
    Target,
)


class Judged(StrEnum):
    """What a row comes to, given what is bound now."""

    BIND = "bind"
    UNBIND = "unbind"
    UNCHANGED = "unchanged"
    REPLACE = "replace"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"
    """The gateway is missing or cannot be read."""


class Judgement(NamedTuple):
    """What one id comes to."""

    judged: Judged
    other: str = ""
    """The plug-in in its slot that is not as wanted; empty: none."""
    code: str = ""
    """Of ours; why it is impossible."""


class Binding(NamedTuple):
    """What a list says of a binding that is there."""

    plugin_attach_id: str
    attached_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a target's slots hold, as far as its ids need it."""

    read_at: float
    """When the reading began; seconds since the epoch."""
    mine: Mapping[str, Binding] = field(default_factory=dict)
    """Ids that the target's plug-in is attached to in its environment."""
    apis: Mapping[str, frozenset[str]] | None = None
    """Every API of the gateway and the environments it is published in; None: nobody
    needed to know."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Ids that another plug-in of the type is attached to -> that plug-in."""
    missing: OurCode | None = None
    """The plug-in or the environment is not there."""
    plugin_name: str = ""
    env_name: str = ""


def judge(
    picture: Picture,
    api_ids: Sequence[str],
    *,
    target: Target,
    action: Action,
    rebind: bool = False,
) -> list[Judgement]:
    """Say what each id of a target comes to.

    Args:
        picture: Read for these ids.
        api_ids: Of the target, in any order.
        target: The target.
        action: What a row asks for.
        rebind: Send what is already so, too.

    Returns:
        One judgement for each id, in their order.
    """
    if action is Action.DETACH:
        return [_judge_detach(picture, api_id, target) for api_id in api_ids]
    if picture.missing is not None:
        gone = Judgement(Judged.IMPOSSIBLE, code=picture.missing)
        return [gone] * len(api_ids)
    return [_judge_attach(picture, api_id, target, rebind=rebind) for api_id in api_ids]


def _judge_detach(picture: Picture, api_id: str, target: Target) -> Judgement:
    if api_id in picture.mine:
        return Judgement(Judged.UNBIND, target.plugin_id)
    return Judgement(Judged.UNCHANGED, picture.others.get(api_id, ""))


_UNCHANGED = Judgement(Judged.UNCHANGED)
_BIND = Judgement(Judged.BIND)
_NO_API = Judgement(Judged.IMPOSSIBLE, code=OurCode.API_UNKNOWN)
_UNPUBLISHED = Judgement(Judged.IMPOSSIBLE, code=OurCode.API_UNPUBLISHED)


def _judge_attach(
    picture: Picture, api_id: str, target: Target, *, rebind: bool
) -> Judgement:
    if api_id in picture.mine:
        return Judgement(Judged.BIND, target.plugin_id) if rebind else _UNCHANGED
    if picture.apis is not None:
        published = picture.apis.get(api_id)
        if published is None:
            return _NO_API
        if target.env_id not in published:
            return _UNPUBLISHED
    other = picture.others.get(api_id, "")
    return Judgement(Judged.REPLACE, other) if other else _BIND


# --- what may be displaced ------------------------------------------------------------


class OnReplace(StrEnum):
    """What to do with rows that would displace another plug-in."""

    STOP = "stop"
    SKIP = "skip"
    ALLOW = "allow"
    KEEP = "keep"
    """An undo's: whatever is not as the plan saw it was changed since, and is left."""


class What(StrEnum):
    """What happens to rows of one fate."""

    SEND = "send"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    FAILED = "failed"
    UNREAD = "unread"
    """Judged later, before they are sent."""
    HELD = "held"
    """Would displace another plug-in, and nobody gave leave."""


class Fate(NamedTuple):
    """What happens to a row, and why: rows of one fate share batches."""

    what: What
    code: str = ""
    message: str = ""


SEND = Fate(What.SEND)
UNCHANGED = Fate(What.UNCHANGED)
UNREAD = Fate(What.UNREAD)
HELD = Fate(What.HELD)
OTHER_BOUND = Fate(
    What.KEPT,
    OurCode.OTHER_BOUND,
    "another plug-in of the type is bound, and this run may not displace it",
)
CHANGED_SINCE = Fate(
    What.KEPT, OurCode.CHANGED_SINCE, "what is bound was changed since, and is left"
)

_IMPOSSIBLE = {
    OurCode.API_UNKNOWN: "the gateway's list of APIs does not have this API",
    OurCode.API_UNPUBLISHED: (
        "the gateway's list of APIs shows it as not published in this environment"
    ),
    OurCode.PLUGIN_UNKNOWN: "the gateway's list of plug-ins does not have this plug-in",
    OurCode.ENV_UNKNOWN: "the gateway's list of environments does not have this one",
}


def decide(
    judgement: Judgement, *, policy: OnReplace, approved: str | None = None
) -> Fate:
    """Say what happens to an id.

    Args:
        judgement: What it comes to.
        policy: What may be displaced.
        approved: The plug-in that an earlier picture showed there, empty: none; None:
            there was no such picture.
    """
    match judgement.judged:
        case Judged.UNCHANGED:
            is_left = policy is OnReplace.KEEP and judgement.other
            return CHANGED_SINCE if is_left else UNCHANGED
        case Judged.UNKNOWN:
            return UNREAD
        case Judged.IMPOSSIBLE:
            code = OurCode(judgement.code)
            return Fate(What.FAILED, code, _IMPOSSIBLE[code])
        case _:
            return _leave(judgement, policy=policy, approved=approved)


def _leave(judgement: Judgement, *, policy: OnReplace, approved: str | None) -> Fate:
    if judgement.other == approved:
        return SEND
    if policy is OnReplace.KEEP:
        return SEND if approved is None else CHANGED_SINCE
    if judgement.judged is not Judged.REPLACE:
        return SEND
    return {OnReplace.ALLOW: SEND, OnReplace.SKIP: OTHER_BOUND}.get(policy, HELD)


# --- what is written down -------------------------------------------------------------


def record_of(
    fate: Fate,
    positions: Sequence[int],
    others: Sequence[str],
    *,
    bindings: Sequence[Binding | None],
    picture: Picture,
    batch: int,
    invocation: int,
) -> Record | None:
    """Return the record that gives positions of a batch their fate.

    Args:
        fate: One for all of them.
        positions: Ascending.
        others: The plug-in in each one's slot; empty: none.
        bindings: What the target's list says of each; None: it is not there.
        picture: What was read.
        batch: Its id.
        invocation: Who read it, from 1; 0: the plan.

    Returns:
        None: nothing is known of them.
    """
    if fate.what in {What.UNREAD, What.HELD}:
        return None
    scope, receipts = Scope.KEPT, Receipts((), (), ())
    if fate.what is What.UNCHANGED:
        scope, receipts = Scope.DONE, _receipts(positions, bindings)
    elif fate.what is What.FAILED:
        is_target = fate.code in {OurCode.PLUGIN_UNKNOWN, OurCode.ENV_UNKNOWN}
        scope = Scope.TARGET if is_target else Scope.ITEM
    tells_others = fate.what in {What.SEND, What.KEPT}
    return Record(
        batch=batch,
        kind=RecordKind.PICTURE if fate.what is What.SEND else RecordKind.READING,
        invocation=invocation,
        at=picture.read_at,
        span=tuple(positions),
        scope=scope,
        code=fate.code,
        message=fate.message,
        receipts=receipts,
        plugin_name=picture.plugin_name,
        env_name=picture.env_name,
        others=tuple(others) if tells_others else (),
    )


def _receipts(positions: Sequence[int], bindings: Sequence[Binding | None]) -> Receipts:
    known = [binding or Binding("", "") for binding in bindings]
    return Receipts(
        tuple(positions),
        tuple(binding.plugin_attach_id for binding in known),
        tuple(binding.attached_time for binding in known),
    )
