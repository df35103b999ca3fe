"""Where one batch stands while its lane works on it: standing plus search."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from bulkbind.isolate import Search
from bulkbind.model import Action, Batch, Record, RecordKind, Scope, Settled, Why
from bulkbind.verdict import stand


class Progress:
    """A batch, its history, and which of its ids to send next.

    Args:
        batch: 1-500 ids.
        records: Its history so far; the search goes on where it was.
        retry_before: Ids refused before this invocation are open again; 0: none is.
        not_hints: Ids of other things that a refusal may name: the target's plug-in,
            gateway, environment and project.
    """

    def __init__(
        self,
        batch: Batch,
        records: Sequence[Record],
        *,
        retry_before: int = 0,
        not_hints: AbstractSet[str] = frozenset(),
    ) -> None:
        self.batch = batch
        self._not_hints = not_hints
        self._retry_before = retry_before
        self._split = False
        self._shelved: set[int] = set()
        self._again: set[int] = set()
        old = [record for record in records if record.invocation < retry_before]
        self._standing = stand(batch, old)
        self._search = self._search_anew()
        for record in records[len(old) :]:
            if record.kind is not RecordKind.INTENT:
                self.learn(record)
                continue
            self.leave(record)
            if record.span != self._search.ask():  # another search began there
                self._search = self._search_anew()

    def ask(self) -> tuple[int, ...]:
        """Return the positions to send next; empty: there is nothing more to send."""
        return self._search.ask()

    @property
    def is_settled(self) -> bool:
        """True: every id has its own answer, so that nobody need open the batch."""
        if not self._shelved:
            return not self.ask()
        return not self.ask() and self._shelved.isdisjoint(self._standing.open)

    def shelve(self, positions: Sequence[int]) -> None:
        """Send these no more; the others of the batch go on without them."""
        self._shelved.update(positions)
        self._search.drop(positions)

    def why(self, *, failures: int) -> Why:
        """Return why the next request is sent."""
        if failures:
            return Why.RETRY
        return Why.ISOLATION if self._split else Why.FIRST

    def leave(self, intent: Record) -> None:
        """Take note that a request leaves."""
        self._standing.tell(intent, action=self.batch.action)

    def learn(self, answer: Record) -> bool:
        """Take an answer in.

        Returns:
            True: some id has its own answer now, or the search is a step further.
        """
        left, asked = self._search.left, self.ask()
        self._standing.tell(answer, action=self.batch.action)
        self._guide(answer)
        return self._search.left < left or self.ask() != asked

    def unshelve(self) -> None:
        """Take up again what was shelved and still has no answer of its own."""
        self._shelved.clear()
        self._search = self._search_anew()

    @property
    def doubtful(self) -> tuple[int, ...]:
        """Detached positions to be read back: without a yes, or refused just now.

        A gateway may refuse an id because it was not bound any more.
        """
        refused = {
            position
            for position, record in self._standing.failed.items()
            if record.kind is RecordKind.ANSWER
        }
        return tuple(sorted(refused.union(self._standing.unknown)))

    @property
    def unsent(self) -> tuple[int, ...]:
        """Open positions to be judged anew: never sent, or refused and taken again."""
        attempts = self._standing.attempts
        if not any(attempts):
            return self.open
        return tuple(p for p in self.open if not attempts[p] or p in self._again)

    def pictured_at(self, positions: Sequence[int], *, first: int) -> float:
        """Return when the oldest picture of some positions was taken; 0.0: never.

        Args:
            positions: At least one.
            first: Pictures of earlier invocations do not count.
        """
        pictures = self._standing.pictures
        taken = [pictures[p][0] for p in positions if p in pictures]
        if len(taken) < len(positions) or any(one.invocation < first for one in taken):
            return 0.0
        return min(one.at for one in taken)

    def approved(self, position: int) -> str | None:
        """Return what a position may displace: what a picture showed; None: none did."""
        pictures = self._standing.pictures
        return self._standing.other(position) if position in pictures else None

    @property
    def settled(self) -> Settled:
        """Return how many ids have an answer of their own, by what it is."""
        standing = self._standing
        attempts = standing.attempts
        unchanged = 0
        if 0 in attempts:
            unchanged = sum(not attempts[position] for position in standing.bound)
        return Settled(
            done=len(standing.bound) - unchanged,
            unchanged=unchanged,
            kept=len(standing.kept),
            failed=len(standing.failed),
        )

    @property
    def open(self) -> tuple[int, ...]:
        """Positions without an answer of their own, ascending."""
        return self._search.positions

    @property
    def unknown(self) -> tuple[int, ...]:
        """Positions that were sent, and are neither yes nor no; ascending."""
        return tuple(sorted(self._standing.unknown))

    def _guide(self, record: Record) -> None:
        """Tell the search of receipts, refusals and lists; nothing else is of an id."""
        if record.kind is RecordKind.READING:
            is_shown = record.scope is Scope.DONE
            self._search.drop(record.receipts.positions if is_shown else record.span)
        elif record.scope is Scope.ITEM:
            self._search.refuse(record.span, message=record.message)
            self._split = self._split or len(record.span) > 1
        elif record.scope is Scope.DONE and self.batch.action is Action.ATTACH:
            self._search.settle(record.receipts.positions)
        elif record.scope is Scope.DONE and record.kind is RecordKind.ANSWER:
            self._shelved.update(record.span)
            self._search.settle(record.span)

    def _search_anew(self) -> Search:
        self._again = {
            position
            for position, refusal in self._standing.failed.items()
            if refusal.invocation < self._retry_before
        }
        still = self._standing.open
        return Search(
            sorted(self._again.union(still)) if self._again else still,
            api_ids=self.batch.api_ids,
            not_hints=self._not_hints,
        )
