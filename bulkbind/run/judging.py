"""What a reply or a list means for the ids of a batch: records and stops. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from bulkbind.model import (
    NO_RECEIPTS,
    Action,
    Batch,
    Cause,
    OurCode,
    Receipts,
    Record,
    RecordKind,
    Refusal,
    Reply,
    Scope,
    Stop,
)
from bulkbind.retry import cause_of, classify
from bulkbind.wire import Attached, KnownApi, Listing


def judge_reply(batch: Batch, intent: Record, reply: Reply, *, at: float) -> Record:
    """Say what a reply means for the ids that were sent."""
    receipts = _match(batch, intent.span, reply)
    scope = classify(reply)
    unnamed = len(intent.span) - len(receipts.positions)
    code, message = reply.code, reply.message
    is_attach = batch.action is Action.ATTACH  # a detach has no receipts
    if is_attach and scope is Scope.DONE and unnamed and not code:
        code = OurCode.NOT_NAMED
        message = f"the receipt leaves out {unnamed} of {len(intent.span)} APIs"
    return Record(
        batch=batch.id,
        kind=RecordKind.ANSWER,
        invocation=intent.invocation,
        at=at,
        span=intent.span,
        why=intent.why,
        scope=scope,
        status=reply.status,
        code=code,
        message=message,
        request_id=reply.request_id,
        receipts=receipts,
        plugin_name=reply.plugin_name,
        env_name=reply.env_name,
    )


#: A code of these, told of one id, is not the id's fault: the next request may do.
_NOT_FINAL = frozenset(
    {Scope.BUSY, Scope.AMBIGUOUS, Scope.THROTTLE, Scope.TRANSIENT, Scope.ACCOUNT}
)


def judge_refusals(batch: Batch, answer: Record, reply: Reply) -> Iterator[Record]:
    """Say which ids an otherwise good answer refuses, one record for each reason.

    An id that is refused for what passes, or that has a receipt as well, is neither
    yes nor no.
    """
    if not reply.refusals:
        return
    places = {batch.api_ids[position]: position for position in answer.span}
    received = set(reply.named.api_ids)
    reasons: dict[tuple[str, str], list[int]] = {}
    for refusal in reply.refusals:
        position = places.get(refusal.api_id)
        if position is None or refusal.api_id in received:
            continue
        if classify(Reply(reply.status, refusal.code)) not in _NOT_FINAL:
            reasons.setdefault(_reason(refusal), []).append(position)
    for (code, message), positions in reasons.items():
        yield _reading(answer, positions, scope=Scope.ITEM, code=code, message=message)


def _reason(refusal: Refusal) -> tuple[str, str]:
    return refusal.code, refusal.message


def judge_presence(
    batch: Batch, answer: Record, unknown: Iterable[int], listing: Listing
) -> Record | None:
    """Say which unknown ids a target's attached list shows; None: not one."""
    found: list[tuple[int, Attached]] = []
    for position in unknown:
        item = listing.items.get(batch.api_ids[position])
        if isinstance(item, Attached):
            found.append((position, item))
    if not found:
        return None
    receipts = Receipts(
        tuple(position for position, _ in found),
        tuple(item.plugin_attach_id for _, item in found),
        tuple(item.attached_time for _, item in found),
    )
    return _reading(answer, receipts.positions, scope=Scope.DONE, receipts=receipts)


def judge_gone(
    batch: Batch, positions: Iterable[int], *, invocation: int, at: float
) -> Record:
    """Say that a list does not show detached ids any more."""
    gone = tuple(positions)
    blanks = ("",) * len(gone)
    return Record(
        batch=batch.id,
        kind=RecordKind.READING,
        invocation=invocation,
        at=at,
        span=gone,
        scope=Scope.DONE,
        receipts=Receipts(gone, blanks, blanks),
    )


def judge_absence(answer: Record, positions: Iterable[int]) -> Record:
    """End ids that two lists did not show, with the 5xx that was their last answer."""
    return _reading(
        answer,
        positions,
        scope=Scope.GATEWAY,
        status=answer.status,
        code=answer.code,
        message=f"{answer.message or 'no message'}; then read twice as not bound",
    )


def judge_known(
    batch: Batch,
    positions: Iterable[int],
    *,
    known: Mapping[str, KnownApi],
    env_id: str,
    reading: Record,
) -> Iterator[Record]:
    """End ids that the gateway's list of APIs does not have, or not in the environment.

    Args:
        batch: The batch.
        positions: Those without an answer of their own.
        known: The whole list, by API id.
        env_id: The target's environment.
        reading: Batch, invocation and time for the records.
    """
    unknown, unpublished = [], []
    for position in positions:
        api = known.get(batch.api_ids[position])
        if api is None:
            unknown.append(position)
        elif env_id not in api.env_ids:
            unpublished.append(position)
    words = {
        OurCode.API_UNKNOWN: (unknown, "does not have this API"),
        OurCode.API_UNPUBLISHED: (
            unpublished,
            "shows it as not published in this environment",
        ),
    }
    for code, (ended, text) in words.items():
        if ended:
            message = f"the gateway's list of APIs {text}"
            yield _reading(reading, ended, scope=Scope.ITEM, code=code, message=message)


def _reading(
    answer: Record,
    positions: Iterable[int],
    *,
    scope: Scope,
    status: int = 0,
    code: str = "",
    message: str = "",
    receipts: Receipts = NO_RECEIPTS,
) -> Record:
    return Record(
        batch=answer.batch,
        kind=RecordKind.READING,
        invocation=answer.invocation,
        at=answer.at,
        span=tuple(positions),
        scope=scope,
        status=status,
        code=code,
        message=message,
        request_id=answer.request_id,
        receipts=receipts,
    )


def _match(batch: Batch, span: tuple[int, ...], reply: Reply) -> Receipts:
    """Match receipts to positions by API id, never by order.

    One that the same answer contradicts counts for nothing.
    """
    api_ids, attach_ids, times = reply.named
    if not api_ids:
        return NO_RECEIPTS
    if api_ids == batch.ids_at(span) and not reply.refusals:
        return Receipts(span, attach_ids, times)
    place_of = dict(zip(api_ids, range(len(api_ids)), strict=True))
    for refusal in reply.refusals:
        place_of.pop(refusal.api_id, None)
    places = list(map(place_of.get, batch.ids_at(span)))
    if None in places:
        span = tuple(p for p, at in zip(span, places, strict=True) if at is not None)
    found = [place for place in places if place is not None]
    return Receipts(
        span,
        tuple(map(attach_ids.__getitem__, found)),
        tuple(map(times.__getitem__, found)),
    )


def stop_of(answer: Record, *, scope: Scope, key: str) -> Stop:
    """Return the stop that an answer leads to, in the answer's own words."""
    return Stop(
        scope=scope,
        key=key,
        cause=cause_of(scope),
        invocation=answer.invocation,
        at=answer.at,
        status=answer.status,
        code=answer.code,
        message=answer.message,
        request_id=answer.request_id,
    )


def park_of(answer: Record, *, scope: Scope, key: str, code: str, cause: Cause) -> Stop:
    """Return the stop of a lane or account that failed as a whole."""
    return Stop(
        scope=scope,
        key=key,
        cause=cause,
        invocation=answer.invocation,
        at=answer.at,
        status=answer.status,
        code=code,
        message=answer.message or answer.code,
        request_id=answer.request_id,
    )
