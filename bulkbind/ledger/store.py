"""The ledger's Protocol: what a store must do, whatever database it uses.

Calls are synchronous and hold within the transaction an executor opened; see
``executor``. ``tests/contract/test_ledger.py`` is the suite every store passes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from bulkbind.model import (
    Aside,
    Batch,
    Invocation,
    Lane,
    LaneTally,
    Record,
    RunState,
    Settled,
    Stop,
    Target,
    Verdict,
    Why,
)


class Ledger(Protocol):
    """One run: its plan, and what became of it."""

    # --- the transaction an executor opens -------------------------------------------

    def begin(self) -> None:
        """Open a transaction."""
        ...

    def commit(self) -> None:
        """Make everything since ``begin`` durable.

        Raises:
            LedgerFailed: The disk is full or failing; nothing of it is kept.
        """
        ...

    def rollback(self) -> None:
        """Forget everything since ``begin``."""
        ...

    def close(self) -> None:
        """Let go of the files; the ledger is then one whole file."""
        ...

    # --- the plan, written once ------------------------------------------------------

    def put_batches(self, batches: Iterable[Batch]) -> None:
        """Store batches; ids must be new."""
        ...

    def put_plan(
        self,
        *,
        lanes: Sequence[Lane],
        targets: Sequence[Target],
        asides: Iterable[Aside],
    ) -> None:
        """Store everything of a plan but its batches."""
        ...

    def put_meta(self, facts: Mapping[str, str]) -> None:
        """Store facts about the run; a name given again replaces its fact."""
        ...

    def meta(self) -> dict[str, str]:
        """Return every fact about the run."""
        ...

    # --- reading ---------------------------------------------------------------------

    def prove(self) -> None:
        """See that nothing is missing; reads everything once.

        Raises:
            LedgerDamaged: Something is.
        """
        ...

    def lanes(self) -> list[Lane]:
        """Return every lane, by number."""
        ...

    def targets(self) -> list[Target]:
        """Return every target, by number."""
        ...

    def batches(self, target: int) -> Iterator[tuple[Batch, list[Record]]]:
        """Yield a target's batches with their records, by id; lazily."""
        ...

    def asides(self) -> Iterator[Aside]:
        """Yield what the plan set aside, by row; lazily."""
        ...

    def stops(self) -> list[Stop]:
        """Return the stops that have not been lifted, oldest first."""
        ...

    def invocations(self) -> list[Invocation]:
        """Return every start of the run, oldest first."""
        ...

    def tally(self) -> list[LaneTally]:
        """Return how far each lane is."""
        ...

    def aside_counts(self) -> dict[Verdict, int]:
        """Return how many rows the plan set aside, by verdict."""
        ...

    def requests_by_reason(self) -> dict[Why, int]:
        """Return how many requests were sent, by why."""
        ...

    def reads(self) -> int:
        """Return how many pages of lists were read."""
        ...

    def last_record_at(self) -> float:
        """Return when the last record was written; 0.0 when there is none."""
        ...

    # --- running ---------------------------------------------------------------------

    def open_lanes(self) -> list[int]:
        """Return the lanes that have batches left, by number."""
        ...

    def open_batches(
        self, lane: int, *, after: int, limit: int
    ) -> list[tuple[Batch, list[Record]]]:
        """Return the lane's next batches that are not settled, with their records."""
        ...

    def poisoned(self, lane: int, *, limit: int) -> list[int]:
        """Return some batches of the lane that were refused as a whole, by id."""
        ...

    def start(self, *, command: str, operator: str, pid: int, at: float) -> int:
        """Note that a run or resume begins; return its number, from 1."""
        ...

    def end(
        self, invocation: int, *, at: float, state: RunState, stopped_by: str
    ) -> None:
        """Note that a run or resume ends."""
        ...

    def add_reads(self, invocation: int, pages: int) -> None:
        """Count pages of lists that an invocation read."""
        ...

    def put_record(self, record: Record) -> None:
        """Append to a batch's history.

        An intent marks the batch as started, a refusal of several ids as poisoned.
        """
        ...

    def mark(self, batch: int, counts: Settled, *, settled: bool) -> None:
        """Note where a batch stands; a settled one is not opened again."""
        ...

    def put_stop(self, stop: Stop) -> None:
        """Append a stop; a target's fails its batches that were never sent."""
        ...

    def reopen_judged(self) -> None:
        """Forget what a plan that was never run settled by what it read."""
        ...

    def reopen_failed(self) -> int:
        """Open batches with failed rows again, lift targets' stops; return how many."""
        ...
