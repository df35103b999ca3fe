"""Where a batch's ids stand -> the verdict of each. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

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
from bulkbind.verdict.standing import UNKNOWN_REPLACED, Standing, stand
from bulkbind.verdict.stops import Stops

#: Of rows that an answer or a list ends.
_CAUSES = {Scope.ITEM: Cause.ITEM, Scope.TARGET: Cause.TARGET}

#: Why an answer that says yes proves nothing of a row: code and message.
_UNPROVEN = {
    Action.ATTACH: (OurCode.NOT_NAMED.value, "the receipt does not name this API"),
    Action.DETACH: (OurCode.NOT_READ_BACK.value, "detached, and not read back as gone"),
}


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
    taken = _taken_whole(batch, records)
    if taken is not None:
        return taken
    standing = stand(batch, records)
    common = [_unanswered(stops.reaching(target))] * len(batch.api_ids)
    blanks = [""] * len(common)
    found = Findings(common, blanks, [*blanks], standing.attempts, [*blanks])
    _fill_all(common, standing, action=batch.action)
    for answer in {id(answer): answer for answer in standing.bound.values()}.values():
        for position, attach_id, time in zip(*answer.receipts, strict=True):
            if standing.bound.get(position) is answer:
                found.attach_ids[position], found.times[position] = attach_id, time
    for position, (check, place) in standing.checks.items():
        found.verified[position] = _verified(
            check.others[place], target.plugin_id, action=batch.action
        )
    return found


def _taken_whole(batch: Batch, records: Sequence[Record]) -> Findings | None:
    """Judge a batch that one answer settled whole, as nearly all are; else None."""
    if batch.action is not Action.ATTACH or len(records) < 2:  # noqa: PLR2004 - a pair
        return None
    *pictures, intent, answer = records
    everyone = tuple(range(len(batch.api_ids)))
    if not _answers_all(intent, answer, everyone):
        return None
    others = (UNKNOWN_REPLACED,) * len(everyone)
    for picture in pictures:
        if picture.kind is not RecordKind.PICTURE or picture.span != everyone:
            return None
        others = picture.others
    if len(others) != len(everyone):
        return None
    verdicts = {
        other: _done(answer, other, action=batch.action) for other in set(others)
    }
    _, attach_ids, times = answer.receipts
    return Findings(
        [verdicts[other] for other in others],
        list(attach_ids),
        list(times),
        [1] * len(everyone),
        [""] * len(everyone),
    )


def _answers_all(intent: Record, answer: Record, everyone: tuple[int, ...]) -> bool:
    """Tell whether a request for all ids got a receipt for each of them."""
    positions, attach_ids, times = answer.receipts
    return (
        intent.kind is RecordKind.INTENT
        and answer.kind is RecordKind.ANSWER
        and answer.scope is Scope.DONE
        and intent.span == everyone == positions
        and len(attach_ids) == len(times) == len(everyone)
    )


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
    for position, answer in standing.bound.items():
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
