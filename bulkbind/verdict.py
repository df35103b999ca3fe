"""A row's ledger records -> its verdict. Report, status and resume all use it.

The rules, in order of strength:

1. A receipt that names the row, or a list that shows it as wanted after it was sent:
   ``bound`` or ``unbound``. Shown so and never sent: ``unchanged``.
2. A whole refusal of a request that carried this row alone, or a list that says why
   it cannot be bound: ``failed``. Another plug-in that may not be displaced: ``kept``.
3. A request that carried the row left, and neither yes nor no came: ``unconfirmed``,
   unless a later receipt or refusal settled it.
4. The row's target was refused as a whole: ``failed``, cause ``target``.
5. Otherwise ``not_sent``, with the reason why the run stopped.

A detach is answered without receipts; until its effect is read back its rows are
``unconfirmed``. What a row displaced is what the last picture before its first
request shows; later pictures do not count.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count, repeat

from bulkbind.model import (
    Action,
    Batch,
    Cause,
    OurCode,
    Record,
    RecordKind,
    RowVerdict,
    Scope,
    Stop,
    Target,
    Verdict,
)

#: What ``replaced_plugin_id`` says when nobody looked before sending.
UNKNOWN_REPLACED = "unknown"

#: Of rows that an answer or a list ends.
_CAUSES = {Scope.ITEM: Cause.ITEM, Scope.TARGET: Cause.TARGET}

#: Why an answer that says yes proves nothing of a row: code and message.
_UNPROVEN = {
    Action.ATTACH: (OurCode.NOT_NAMED.value, "the receipt does not name this API"),
    Action.DETACH: (OurCode.NOT_READ_BACK.value, "detached, and not read back as gone"),
}


@dataclass(slots=True)
class Standing:
    """What a batch's records say, position by position."""

    attempts: list[int]
    """Requests that carried the position."""
    bound: dict[int, tuple[Record, int]] = field(default_factory=dict)
    """Position -> the answer that named it, and where in its receipts."""
    failed: dict[int, Record] = field(default_factory=dict)
    """Position -> the answer that refused it alone."""
    kept: dict[int, tuple[Record, int]] = field(default_factory=dict)
    """Position -> the list that shows another plug-in there, and where in its span."""
    pictures: dict[int, tuple[Record, int]] = field(default_factory=dict)
    """Position -> the picture that is its pre-image, and where in its span."""
    checks: dict[int, tuple[Record, int]] = field(default_factory=dict)
    """Position -> the last verification, and where in its span."""
    unknown: dict[int, Record] = field(default_factory=dict)
    """Position -> the last record after which its state is neither yes nor no."""
    before: dict[int, Record] = field(default_factory=dict)
    """``unknown`` as it was before the request that is out."""

    def tell(self, record: Record, *, action: Action) -> None:
        """Take the next record of the batch in."""
        if record.kind is RecordKind.INTENT:
            self.before = _leave(self, record)
        elif record.kind is RecordKind.READING:
            _read(self, record)
        elif record.kind is RecordKind.PICTURE:
            _picture(self, record)
        elif record.kind is RecordKind.CHECK:
            _check(self, record)
        else:
            _answer(self, record, before=self.before, action=action)

    @property
    def open(self) -> tuple[int, ...]:
        """Positions that have no answer of their own yet, ascending."""
        return tuple(
            position
            for position in range(len(self.attempts))
            if position not in self.bound
            and position not in self.failed
            and position not in self.kept
        )

    def other(self, position: int) -> str:
        """Return the plug-in that a position displaces; empty: none."""
        if position not in self.pictures:
            return UNKNOWN_REPLACED
        record, place = self.pictures[position]
        return record.others[place]


def stand(batch: Batch, records: Iterable[Record]) -> Standing:
    """Tell where each id of a batch stands after its records.

    Args:
        batch: 1-500 ids.
        records: The batch's records, in the order they were written.

    Returns:
        A fresh value; nothing else refers to it.
    """
    standing = Standing(attempts=[0] * len(batch.api_ids))
    for record in records:
        standing.tell(record, action=batch.action)
    return standing


def _leave(standing: Standing, intent: Record) -> dict[int, Record]:
    """Count the request; until it is answered its ids are neither yes nor no."""
    unknown, attempts = standing.unknown, standing.attempts
    before = {p: unknown[p] for p in intent.span if p in unknown} if unknown else {}
    unknown.update(dict.fromkeys(intent.span, intent))
    for position in intent.span:
        attempts[position] += 1
    _forget(standing.failed, intent.span)
    return before


def _forget(records: dict[int, Record], positions: Iterable[int]) -> None:
    if records:
        for position in positions:
            records.pop(position, None)


def _answer(
    standing: Standing, answer: Record, *, before: Mapping[int, Record], action: Action
) -> None:
    if answer.scope is Scope.DONE and action is Action.ATTACH:
        _take_receipts(standing, answer)
    elif answer.scope in _NEITHER_YES_NOR_NO:
        standing.unknown.update(dict.fromkeys(answer.span, answer))
    else:
        _refuse(standing, answer, before=before)


#: After these the gateway may hold the effect or not. A busy gateway says so with a
#: 500 while it stores the rows (APIG.3500), so that is no refusal either.
_NEITHER_YES_NOR_NO = frozenset({Scope.DONE, Scope.AMBIGUOUS, Scope.BUSY})


def _take_receipts(standing: Standing, answer: Record) -> None:
    named = answer.receipts.positions
    standing.bound.update(
        zip(named, zip(repeat(answer), count(), strict=False), strict=False)
    )
    _forget(standing.unknown, named)
    if standing.unknown:
        for position in answer.span:
            if position in standing.unknown:
                standing.unknown[position] = answer


def _check(standing: Standing, check: Record) -> None:
    """A check that saw nothing could not read: what an earlier one saw is no news."""
    if check.others:
        standing.checks.update((p, (check, at)) for at, p in enumerate(check.span))
        return
    for position in check.span:
        standing.checks.pop(position, None)


def _picture(standing: Standing, picture: Record) -> None:
    """The first request freezes what its ids displace."""
    standing.pictures.update(
        (position, (picture, place))
        for place, position in enumerate(picture.span)
        if not standing.attempts[position]
    )


def _read(standing: Standing, reading: Record) -> None:
    """Presence in a list proves; what it says otherwise is the end of its ids."""
    if reading.scope is Scope.KEPT:
        standing.kept.update((p, (reading, at)) for at, p in enumerate(reading.span))
        _forget(standing.failed, reading.span)
    elif reading.scope is Scope.DONE:
        named = reading.receipts.positions
        standing.bound.update((p, (reading, place)) for place, p in enumerate(named))
        _forget(standing.unknown, named)
        _forget(standing.failed, named)
    else:
        standing.failed.update(dict.fromkeys(reading.span, reading))
        _forget(standing.unknown, reading.span)


def _refuse(
    standing: Standing, answer: Record, *, before: Mapping[int, Record]
) -> None:
    """A refusal changes nothing at the gateway: what was unknown before still is."""
    _forget(standing.unknown, answer.span)
    if answer.scope is Scope.ITEM and len(answer.span) == 1:
        standing.failed[answer.span[0]] = answer
        return
    for position in answer.span:
        if position in before:
            standing.unknown[position] = before[position]


@dataclass(frozen=True, slots=True)
class Stops:
    """Why rows without an answer of their own have none, looked up by reach."""

    by_reach: Mapping[tuple[Scope, str], Stop] = field(default_factory=dict)

    @classmethod
    def of(cls, stops: Iterable[Stop], *, invocation: int) -> "Stops":
        """Keep the stops that count: a target's always, others for one invocation."""
        return cls(
            {
                (stop.scope, stop.key): stop
                for stop in stops
                if stop.scope is Scope.TARGET or stop.invocation == invocation
            }
        )

    def reaching(self, target: Target) -> Stop | None:
        """Return the stop that explains the target's unanswered rows, if any."""
        reaches = (
            (Scope.TARGET, str(target.no)),
            (Scope.ACCOUNT, target.account),
            (Scope.GATEWAY, str(target.lane)),
            (Scope.DONE, ""),
        )
        met = (self.by_reach[reach] for reach in reaches if reach in self.by_reach)
        return next(met, None)


@dataclass(frozen=True, slots=True)
class Findings:
    """What became of a batch's ids, as columns: one entry for each id.

    Ids that one answer settled alike refer to one and the same ``common``, so that a
    report of millions of rows can work each out once.
    """

    common: list[RowVerdict]
    """The verdicts, without the three facts below."""
    attach_ids: list[str]
    times: list[str]
    """``attached_time``"""
    attempts: list[int]
    verified: list[str]
    """``yes``, ``missing``, the other plug-in's id; empty: not read."""


def judge(
    batch: Batch, records: Sequence[Record], *, target: Target, stops: Stops
) -> list[RowVerdict]:
    """Give every id of a batch its verdict.

    Args:
        batch: 1-500 ids.
        records: The batch's records, in the order they were written.
        target: The batch's target.
        stops: Why rows without an answer of their own have none.

    Returns:
        One verdict for each id, in the batch's order.
    """
    found = find(batch, records, target=target, stops=stops)
    return [
        common._replace(
            plugin_attach_id=attach_id, attached_time=time, attempts=attempts
        )
        for common, attach_id, time, attempts in zip(
            found.common, found.attach_ids, found.times, found.attempts, strict=True
        )
    ]


def find(
    batch: Batch, records: Sequence[Record], *, target: Target, stops: Stops
) -> Findings:
    """Judge a batch as :func:`judge` does, in columns: made for millions of rows."""
    standing = stand(batch, records)
    common = [_unanswered(stops.reaching(target))] * len(batch.api_ids)
    blanks = [""] * len(common)
    found = Findings(common, blanks, [*blanks], standing.attempts, [*blanks])
    _fill_all(common, standing, action=batch.action)
    for position, (answer, place) in standing.bound.items():
        found.attach_ids[position] = answer.receipts.attach_ids[place]
        found.times[position] = answer.receipts.times[place]
    for position, (check, place) in standing.checks.items():
        found.verified[position] = _verified(
            check.others[place], target.plugin_id, action=batch.action
        )
    return found


def _verified(seen: str, plugin_id: str, *, action: Action) -> str:
    """Say how what is there now agrees with what the batch was to do."""
    if (seen == plugin_id) is (action is Action.ATTACH):
        return "yes"
    return seen or "missing"


def _fill_all(common: list[RowVerdict], standing: Standing, *, action: Action) -> None:
    """Judge every position that has a record of its own."""
    other = standing.other
    unknown = {p: (record, other(p)) for p, record in standing.unknown.items()}
    _fill(common, unknown, judge_one=partial(_unconfirmed, action=action))
    failed = {p: (record, "") for p, record in standing.failed.items()}
    _fill(common, failed, judge_one=_failed)
    kept = {p: (record, record.others[at]) for p, (record, at) in standing.kept.items()}
    _fill(common, kept, judge_one=_kept)
    sent, unsent = {}, {}
    for position, (answer, _) in standing.bound.items():
        if standing.attempts[position]:
            sent[position] = answer, other(position)
        else:
            unsent[position] = answer, ""
    _fill(common, sent, judge_one=partial(_done, action=action))
    _fill(common, unsent, judge_one=_unchanged)


def _fill(
    common: list[RowVerdict],
    settled: Mapping[int, tuple[Record, str]],
    *,
    judge_one: Callable[[Record, str], RowVerdict],
) -> None:
    """Let positions with one record and one other plug-in share a verdict."""
    known: dict[tuple[int, str], RowVerdict] = {}
    for position, (record, other) in settled.items():
        key = id(record), other
        verdict = known.get(key)
        if verdict is None:
            verdict = known[key] = judge_one(record, other)
        common[position] = verdict


def _done(answer: Record, other: str, *, action: Action) -> RowVerdict:
    is_bound = action is Action.ATTACH
    return RowVerdict(
        Verdict.BOUND if is_bound else Verdict.UNBOUND,
        replaced_plugin_id=other if is_bound else "",
        http_status=answer.status,
        request_id=answer.request_id,
        finished_at=answer.at,
        plugin_name=answer.plugin_name,
        env_name=answer.env_name,
    )


def _unchanged(reading: Record, _: str) -> RowVerdict:
    return RowVerdict(
        Verdict.UNCHANGED,
        finished_at=reading.at,
        plugin_name=reading.plugin_name,
        env_name=reading.env_name,
    )


def _kept(reading: Record, other: str) -> RowVerdict:
    return RowVerdict(
        Verdict.KEPT,
        Cause.ITEM,
        replaced_plugin_id=other,
        error_code=reading.code,
        error_msg=reading.message,
        finished_at=reading.at,
    )


def _failed(answer: Record, _: str) -> RowVerdict:
    return RowVerdict(
        Verdict.FAILED,
        _CAUSES.get(answer.scope, Cause.GATEWAY),
        http_status=answer.status,
        error_code=answer.code,
        error_msg=answer.message,
        request_id=answer.request_id,
        finished_at=answer.at,
    )


def _unconfirmed(record: Record, other: str, *, action: Action) -> RowVerdict:
    if record.kind is RecordKind.INTENT:
        return RowVerdict(
            Verdict.UNCONFIRMED,
            Cause.STOP,
            replaced_plugin_id=other,
            error_code=OurCode.INTERRUPTED.value,
            error_msg="the run ended while the request was out",
        )
    code, message = record.code, record.message
    if record.scope is Scope.DONE and not code:
        code, message = _UNPROVEN[action]
    return RowVerdict(
        Verdict.UNCONFIRMED,
        Cause.ITEM if record.scope is Scope.DONE else Cause.OUTAGE,
        replaced_plugin_id=other,
        http_status=record.status,
        error_code=code,
        error_msg=message,
        request_id=record.request_id,
        finished_at=record.at,
    )


def _unanswered(stop: Stop | None) -> RowVerdict:
    if stop is None:
        return RowVerdict(
            Verdict.NOT_SENT,
            Cause.STOP,
            error_code=OurCode.INTERRUPTED.value,
            error_msg="the run ended before this row's turn",
        )
    return RowVerdict(
        Verdict.FAILED if stop.scope is Scope.TARGET else Verdict.NOT_SENT,
        stop.cause,
        http_status=stop.status,
        error_code=stop.code,
        error_msg=stop.message,
        request_id=stop.request_id,
        finished_at=stop.at if stop.scope is Scope.TARGET else 0.0,
    )
