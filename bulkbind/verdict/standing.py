"""A batch's records folded: where each of its ids stands. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bulkbind.model import Action, Batch, Record, RecordKind, Scope

#: What ``replaced_plugin_id`` says when nobody looked before sending.
UNKNOWN_REPLACED = "unknown"


@dataclass(slots=True)
class Standing:
    """What a batch's records say, position by position."""

    attempts: list[int]
    """Requests that carried the position."""
    bound: dict[int, Record] = field(default_factory=dict)
    """Position -> the answer that named it, in its receipts."""
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
        settled = self.bound.keys() | self.failed.keys() | self.kept.keys()
        if not settled:
            return tuple(range(len(self.attempts)))
        return tuple(p for p in range(len(self.attempts)) if p not in settled)

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
    if len(intent.span) == len(attempts):
        attempts[:] = [number + 1 for number in attempts]
    else:
        for position in intent.span:
            attempts[position] += 1
    _forget(standing.failed, intent.span)
    return before


def _forget(records: dict[int, Record], positions: Sequence[int]) -> None:
    if tuple(records) == positions:  # nearly always: a whole batch in its order
        records.clear()
    elif records:
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
    standing.bound.update(dict.fromkeys(named, answer))
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
        standing.bound.update(dict.fromkeys(named, reading))
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
