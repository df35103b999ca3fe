"""What a client sees of one request: the rules' answer, or what a fault makes of it.

Pure, and the whole of it: ``app.py`` only puts a ``Seen`` on the wire, and a simulator
takes it as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from bulkbind.sandbox import answers, lists, state
from bulkbind.sandbox.answers import Answer, Effect, Page, Rules
from bulkbind.sandbox.counters import posted_ids
from bulkbind.sandbox.faults import BEFORE, Fault, Turn, pick
from bulkbind.sandbox.routes import ChangeRule, ReadRule
from bulkbind.sandbox.weather import Weather
from bulkbind.sandbox.world import World

_CREATED, _REFUSED = 201, 400

#: Codes of the front gateway: their answers carry the request's id.
_FRONT = ("APIGW.", "APIC.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that comes back to the client."""

    status: int
    """0: the connection is cut before anything comes."""
    headers: Mapping[str, str]
    body: bytes
    """What comes of the body before the connection is cut."""
    length: int
    """What ``Content-Length`` promises."""
    pause_s: float = 0.0
    """Passes between the halves of the body."""
    effect: Effect = Effect.NONE
    fault: Fault = Fault.NONE
    """Acted out."""
    said: int = 0
    """The status that the rules gave; 0: they were not asked."""

    @property
    def is_whole(self) -> bool:
        """Whether the client gets an answer, and all of it."""
        return self.status != 0 and len(self.body) == self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a fault is acted out with."""

    turn: Turn
    fault: Fault = Fault.NONE
    weather: Weather = field(default_factory=Weather)
    request_id: str = ""
    now_ns: int = 0
    """Nanoseconds since the epoch, UTC."""


def change_seen(
    world: World, rule: ChangeRule, change: state.Change, *, stage: Stage
) -> Seen:
    """Run one attach or detach, and return what its client sees.

    Args:
        world: Where the effect happens.
        rule: Of ``routes.CHANGE_RULES``.
        change: The request.
        stage: The fault, and what it is acted out with.
    """
    if stage.fault in BEFORE:
        return _instead(stage)
    ruled = _ruled(change, rule, stage)
    answer = rule(world, ruled)
    seen = whole(answer, request_id=stage.request_id)
    if _shows_rules(stage.fault, answer, rule):
        return replace(seen, fault=stage.fault)
    return _spoiled(seen, answer, stage)


def read_seen(world: World, rule: ReadRule, ask: lists.Ask, *, stage: Stage) -> Seen:
    """Answer one reading call, and return what its client sees."""
    if stage.fault in BEFORE:
        return _instead(stage)
    if stage.fault is Fault.REPEATED_PAGE and ask.query.get("offset", "0") != "0":
        first = ask._replace(query={**ask.query, "offset": "0"})
        answer = rule(world, first)
        return replace(
            whole(answer, request_id=stage.request_id), fault=Fault.REPEATED_PAGE
        )
    answer = rule(world, ask)
    seen = whole(answer, request_id=stage.request_id)
    return _spoiled(seen, answer, stage)


def whole(answer: Answer | Page, *, request_id: str) -> Seen:
    """Return what is seen of an answer that nothing happens to."""
    headers = {"X-Request-Id": request_id}
    if isinstance(answer, Page):
        headers["Content-Type"] = answer.content_type
        body = answer.text
        return Seen(status=answer.status, headers=headers, body=body, length=len(body))
    body = b""
    if answer.body is not None:
        headers["Content-Type"] = "application/json"
        fields = dict(answer.body)
        if str(fields.get("error_code", "")).startswith(_FRONT):
            fields["request_id"] = request_id
        body = msgspec.json.encode(fields)
    return Seen(
        status=answer.status,
        headers=headers | dict(answer.headers),
        body=body,
        length=len(body),
        effect=answer.effect,
        said=answer.status,
    )


# --- an answer instead of the rules' --------------------------------------------------

_INSTEAD: Mapping[str, Answer | Page] = {
    "error": answers.SYSTEM_ERROR,
    "dependency": answers.IAM_FAILED,
    "busy": answers.OVERLAP,
    "http_502": answers.BAD_GATEWAY,
    "http_503": answers.IAM_UNAVAILABLE,
    "http_504": answers.BACKEND_TIMEOUT,
    "html_200": answers.SIGN_IN,
    "too_many": answers.TOO_MANY,
    "http_429": answers.throttled(),
    "http_429_seconds": answers.retry_in(answers.throttled(), 1),
    "expired": answers.SESSION_EXPIRED,
    "read_error": answers.SYSTEM_ERROR,
    "read_502": answers.BAD_GATEWAY,
    "read_503": answers.IAM_UNAVAILABLE,
    "read_429": answers.retry_in(answers.throttled(), 1),
    "read_expired": answers.SESSION_EXPIRED,
    "empty_201": Answer(_CREATED, {}),
    "not_json_201": answers.NOT_JSON,
}

_LOST = frozenset({Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.READ_LOST})


def _instead(stage: Stage) -> Seen:
    """Return what is seen instead of what the rules would say, or have said."""
    if stage.fault in _LOST:
        return Seen(status=0, headers={}, body=b"", length=0, fault=stage.fault)
    if stage.fault is Fault.HTTP_429_DATE:
        answer: Answer | Page = answers.retry_at(
            answers.throttled(), seconds=1, now_ns=stage.now_ns
        )
    else:
        base = stage.fault.removesuffix("_before").removesuffix("_after")
        answer = _INSTEAD[base]
    seen = whole(answer, request_id=stage.request_id)
    return replace(seen, fault=stage.fault, said=0)


# --- other rules ----------------------------------------------------------------------

_RULES: Mapping[Fault, Callable[[Rules], Rules]] = {
    Fault.HINT_PRESENT: lambda rules: replace(rules, hint="present"),
    Fault.HINT_ABSENT: lambda rules: replace(rules, hint="absent"),
    Fault.HINT_LYING: lambda rules: replace(rules, hint="lying"),
    Fault.HINT_ALL: lambda rules: replace(rules, hint="all"),
    Fault.HINT_PLUGIN: lambda rules: replace(rules, hint="plugin"),
    Fault.NON_ATOMIC: lambda rules: replace(rules, on_bad="bind_good"),
    Fault.FAIL_FAST: lambda rules: replace(rules, on_bad="bind_until"),
    Fault.PARTIAL_EFFECT: lambda rules: replace(rules, on_bad="omit"),
    Fault.FAILED_BINDINGS: lambda rules: replace(rules, on_bad="bindings"),
    Fault.FAILED_NAMED: lambda rules: replace(rules, on_bad="bindings_named"),
    Fault.FAILURE_LIST: lambda rules: replace(rules, on_bad="lists"),
}

#: Faults in which some of the attach fails though nothing is wrong with it.
_FAILING = frozenset(
    {
        Fault.PARTIAL_EFFECT,
        Fault.FAILED_BINDINGS,
        Fault.FAILED_NAMED,
        Fault.FAILURE_LIST,
    }
)
_ATTACH_ONLY = _FAILING | {Fault.NON_ATOMIC, Fault.FAIL_FAST}

#: Refusals because of an API.
_ITEM_CODES = frozenset({"APIG.3002", "APIG.3707"})


def _ruled(change: state.Change, rule: ChangeRule, stage: Stage) -> state.Change:
    """Give the rules that a fault wants, and say which ids fail."""
    other = _RULES.get(stage.fault)
    is_meant = rule is state.attach_apis or stage.fault not in _ATTACH_ONLY
    if other is None or not is_meant:
        return change
    failing: frozenset[str] = frozenset()
    if stage.fault in _FAILING:
        _, ids = posted_ids(change.body)
        failing = frozenset(pick(list(dict.fromkeys(ids)), stage.turn))
    return change._replace(rules=other(change.rules), failing=failing)


def _shows_rules(fault: Fault, answer: Answer, rule: ChangeRule) -> bool:
    """Say whether other rules made a difference that can be seen."""
    if fault not in _RULES or (fault in _ATTACH_ONLY and rule is not state.attach_apis):
        return False
    if fault in _FAILING:
        return answer.status == _CREATED
    return (answer.body or {}).get("error_code") in _ITEM_CODES


# --- the rules' answer, spoiled -------------------------------------------------------


def _spoiled(seen: Seen, answer: Answer, stage: Stage) -> Seen:
    """Do to an answer what the fault does; nothing, where it does not fit."""
    fault = stage.fault
    if fault in _LOST or (
        fault in _AFTER and answer.status < _REFUSED and _fits(fault, answer)
    ):
        return replace(_instead(stage), effect=seen.effect, said=seen.said)
    if fault in _CUTS and seen.body:
        at = stage.weather.cut_at
        if at is None:
            at = int(stage.turn.chance("cut") * len(seen.body))
        return replace(seen, body=seen.body[: min(at, len(seen.body) - 1)], fault=fault)
    if fault in _PAUSES and seen.body:
        return replace(seen, pause_s=stage.weather.pause_s, fault=fault)
    change_body = _BODIES.get(fault)
    body = change_body(answer, stage.turn) if change_body else None
    if body is None:
        return seen
    changed = whole(replace(answer, body=body), request_id=stage.request_id)
    return replace(changed, fault=fault)


_CUTS = frozenset({Fault.CUT, Fault.READ_CUT})
_PAUSES = frozenset({Fault.SLOW_BODY, Fault.READ_SLOW_BODY})
_CREATED_ONLY = frozenset({Fault.EMPTY_201, Fault.NOT_JSON_201})
_AFTER = _CREATED_ONLY | {fault for fault in Fault if fault.endswith("_after")}


def _fits(fault: Fault, answer: Answer) -> bool:
    return fault not in _CREATED_ONLY or answer.status == _CREATED


def _leave_out(answer: Answer, turn: Turn) -> dict[str, Any] | None:
    """Leave out some records of a receipt."""
    if answer.status != _CREATED or answer.body is None:
        return None
    attached = answer.body["attached_plugins"]
    left_out = set(pick([_key(item) for item in attached], turn))
    kept = [item for item in attached if _key(item) not in left_out]
    return {**answer.body, "attached_plugins": kept}


def _key(item: Mapping[str, Any]) -> str:
    return f"{item['api_id']}:{item['plugin_id']}"


def _shorten(answer: Answer, _turn: Turn) -> dict[str, Any] | None:
    """Keep the first half of a page."""
    listed = _listed(answer)
    if listed is None or len(listed[1]) < 2:  # noqa: PLR2004 - no half of one
        return None
    key, items = listed
    kept = items[: len(items) // 2]
    return {**(answer.body or {}), "size": len(kept), key: kept}


def _move_total(answer: Answer, turn: Turn) -> dict[str, Any] | None:
    """Tell another total than there is: 1 to 3 more or less."""
    if _listed(answer) is None or answer.body is None:
        return None
    by = (-3, -2, -1, 1, 2, 3)[int(turn.chance("total") * 6)]
    total = answer.body["total"]
    return {**answer.body, "total": total + by if total + by >= 0 else total - by}


def _listed(answer: Answer) -> tuple[str, list[Any]] | None:
    """Find the list in a page; None: it is no page."""
    if answer.body is None or "total" not in answer.body:
        return None
    key = next(key for key in answer.body if key not in {"size", "total"})
    return key, answer.body[key]


_BODIES: Mapping[Fault, Callable[[Answer, Turn], dict[str, Any] | None]] = {
    Fault.PARTIAL_RECEIPT: _leave_out,
    Fault.SHORT_PAGE: _shorten,
    Fault.MOVING_TOTAL: _move_total,
}
