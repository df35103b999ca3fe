"""Where one batch stands while its lane works on it: standing plus search."""

from collections.abc import Sequence

from bulkbind.isolate import Search
from bulkbind.model import Batch, Record, RecordKind, Scope, Why
from bulkbind.verdict import stand


class Progress:
    """A batch, its history, and which of its ids to send next.

    Args:
        batch: 1-500 ids.
        records: Its history so far; the search goes on where it was.
        retry_before: Ids refused before this invocation are open again; 0: none is.
    """

    def __init__(
        self, batch: Batch, records: Sequence[Record], *, retry_before: int = 0
    ) -> None:
        self.batch = batch
        self._retry_before = retry_before
        self._split = False
        old = [record for record in records if record.invocation < retry_before]
        self._standing = stand(batch, old)
        self._search = Search(self._open())
        for record in records[len(old) :]:
            self._standing.tell(record, action=batch.action)
            if record.kind is RecordKind.ANSWER:
                self._guide(record)
            elif record.span != self._search.ask():  # another search began there
                self._search = Search(self._open())

    def ask(self) -> tuple[int, ...]:
        """Return the positions to send next; empty: the batch is settled."""
        return self._search.ask()

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
        open_before, ask_before = len(self._open()), self.ask()
        self._standing.tell(answer, action=self.batch.action)
        self._guide(answer)
        return len(self._open()) < open_before or self.ask() != ask_before

    @property
    def bound(self) -> int:
        """Rows that a receipt names."""
        return len(self._standing.bound)

    @property
    def failed(self) -> int:
        """Rows that were refused on their own."""
        return len(self._standing.failed)

    def _guide(self, answer: Record) -> None:
        if answer.scope is Scope.ITEM and len(answer.span) > 1:
            self._search.refuse(answer.span)
            self._split = True
        settled = set(range(len(self.batch.api_ids))).difference(self._open())
        self._search.settle(settled)

    def _open(self) -> tuple[int, ...]:
        again = {
            position
            for position, refusal in self._standing.failed.items()
            if refusal.invocation < self._retry_before
        }
        if not again:
            return self._standing.open
        return tuple(sorted(again.union(self._standing.open)))
