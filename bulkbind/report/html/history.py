"""When requests went out, and what came back: taken along while the ledger is read."""

from array import array
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from bulkbind.model import Aside, Batch, Record, RecordKind, Scope, Stop, Target
from bulkbind.report.judged import Source


class Outcome(IntEnum):
    """What a request came to, the better first."""

    DONE = 0
    HELD_BACK = 1
    """Too fast, or the gateway was busy: not an attempt."""
    REFUSED = 2
    LOST = 3
    """Neither yes nor no came back, or nothing went out."""

    @property
    def words(self) -> str:
        """The outcome as a reader sees it."""
        return self.name.lower().replace("_", " ")


_OUTCOMES = {
    Scope.DONE: Outcome.DONE,
    Scope.THROTTLE: Outcome.HELD_BACK,
    Scope.BUSY: Outcome.HELD_BACK,
    Scope.AMBIGUOUS: Outcome.LOST,
    Scope.TRANSIENT: Outcome.LOST,
}


class Sent(NamedTuple):
    """One request."""

    invocation: int
    left: float
    """Seconds since the epoch."""
    answered: float
    """As ``left`` when no answer was written."""
    lane: int
    outcome: Outcome


class History:
    """Every request of a run, 33 bytes each."""

    def __init__(self) -> None:
        self._invocations = array("L")
        self._left = array("d")
        self._answered = array("d")
        self._lanes = array("L")
        self._outcomes = array("B")

    def __len__(self) -> int:
        return len(self._left)

    def __iter__(self) -> Iterator[Sent]:
        columns = (
            self._invocations,
            self._left,
            self._answered,
            self._lanes,
            map(Outcome, self._outcomes),
        )
        return map(Sent._make, zip(*columns, strict=True))

    def tell(self, lane: int, records: Sequence[Record]) -> None:
        """Take in the records of a batch, in the order they were written."""
        out: Record | None = None
        for record in records:
            if record.kind is RecordKind.INTENT:
                self._add(lane, out, None)
                out = record
            elif record.kind is RecordKind.ANSWER:
                self._add(lane, out, record)
                out = None
        self._add(lane, out, None)

    def _add(self, lane: int, intent: Record | None, answer: Record | None) -> None:
        if intent is None:
            return
        outcome = Outcome.LOST
        if answer is not None:
            outcome = _OUTCOMES.get(answer.scope, Outcome.REFUSED)
        self._invocations.append(intent.invocation)
        self._left.append(intent.at)
        self._answered.append(max(intent.at, answer.at if answer else intent.at))
        self._lanes.append(lane)
        self._outcomes.append(outcome)


class Watched:
    """A source whose records are also told to a history.

    Args:
        source: The run's ledger.
        history: Complete when every batch was read.
    """

    def __init__(self, source: Source, history: History) -> None:
        self._source = source
        self._history = history

    @property
    def invocation(self) -> int:
        """The newest one, from 1."""
        return self._source.invocation

    def targets(self) -> Sequence[Target]:
        """Return every target of the run."""
        return self._source.targets()

    def batches(self, target: int) -> Iterator[tuple[Batch, Sequence[Record]]]:
        """Read a target's batches, and remember their requests."""
        for batch, records in self._source.batches(target):
            self._history.tell(batch.lane, records)
            yield batch, records

    def asides(self) -> Iterator[Aside]:
        """Read the rows that the plan set aside."""
        return self._source.asides()

    def stops(self) -> Sequence[Stop]:
        """Return why rows without an answer of their own have none."""
        return self._source.stops()
