"""What the engine sees of the ledger: calls that return when they are durable."""

from bulkbind.ledger.executor import Executor
from bulkbind.ledger.store import Ledger
from bulkbind.model import Batch, Record, Settled, Stop

#: The fact of a ledger that says which batches are canaries; with ``/TARGET`` behind
#: it, how many of the target's ended well.
CANARY = "canary"


class LedgerRecorder:
    """Hands the engine's reads and writes to an executor.

    Args:
        executor: Runs the work; decides which writes share a commit.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def open_batches(
        self, lane: int, *, after: int, limit: int
    ) -> list[tuple[Batch, list[Record]]]:
        """Return the lane's next unsettled batches, with their records."""
        return await self._executor.do(
            lambda ledger: ledger.open_batches(lane, after=after, limit=limit)
        )

    async def batch_of(self, target: int, batch: int) -> tuple[Batch, list[Record]]:
        """Return a batch of a target, settled or not, with its records."""
        return await self._executor.do(
            lambda ledger: next(
                found for found in ledger.batches(target) if found[0].id == batch
            )
        )

    async def accept_canary(self, target: int, steps: int) -> None:
        """Write down that the first steps of a target's canary ended well."""
        fact = {f"{CANARY}/{target}": str(steps)}
        await self._executor.do(lambda ledger: ledger.put_meta(fact))

    async def poisoned(self, lane: int, *, limit: int) -> list[int]:
        """Return some batches of the lane that were refused as a whole."""
        return await self._executor.do(
            lambda ledger: ledger.poisoned(lane, limit=limit)
        )

    async def intend(self, intent: Record) -> None:
        """Write down that a request is about to leave."""
        await self._executor.do(lambda ledger: ledger.put_record(intent))

    async def answer(self, *records: Record, counts: Settled, settled: bool) -> None:
        """Write down what came back or was read, and where the batch stands now."""

        def write(ledger: Ledger) -> None:
            for record in records:
                ledger.put_record(record)
            batch = records[0].batch
            ledger.mark(batch, counts, settled=settled)

        await self._executor.do(write)

    async def mark(self, batch: int, counts: Settled) -> None:
        """Write down that a batch was settled already."""
        await self._executor.do(lambda ledger: ledger.mark(batch, counts, settled=True))

    async def stop(self, stop: Stop) -> None:
        """Write down why rows will have no answer of their own."""
        await self._executor.do(lambda ledger: ledger.put_stop(stop))

    async def count_read(self, invocation: int) -> None:
        """Count a page of a list that was read."""
        await self._executor.do(lambda ledger: ledger.add_reads(invocation, 1))
