"""Reading beats searching: after a second refused batch, ask the gateway what it has.

One page of the list of APIs covers 500 ids. What it does not have, or does not show in
the environment, is settled by it in every batch still to come. Clean gateways pay
nothing.
"""

from bulkbind.model import Action, Record, RecordKind, Target
from bulkbind.run.judging import judge_known
from bulkbind.run.progress import Progress
from bulkbind.run.reading import Reading
from bulkbind.run.tools import Tools
from bulkbind.wire import KnownApi

#: Refused batches after which the list is read.
ENOUGH = 2


class Preflight:
    """What a lane knows of its gateway's APIs; nothing, until it pays.

    Which batches were refused is in the ledger, so that a resumed lane reads the list
    where an undisturbed one would have: a row's code does not depend on a kill.

    Args:
        tools: The lane's.
        reading: Reads the list.
    """

    def __init__(self, tools: Tools, reading: Reading) -> None:
        self._tools = tools
        self._reading = reading
        self._poisoned: set[int] = set()
        self._is_read = False
        self._known: dict[str, KnownApi] | None = None

    async def restore(self, lane: int) -> None:
        """Take over from the ledger which batches were refused before."""
        self._poisoned |= set(await self._tools.recorder.poisoned(lane, limit=ENOUGH))

    async def poisoned(self, progress: Progress, target: Target) -> None:
        """Hear that a batch holds a bad id."""
        self._poisoned.add(progress.batch.id)
        await self.strike(progress, target)

    async def strike(self, progress: Progress, target: Target) -> None:
        """Settle the ids of a batch that the list rules out.

        A detach is not ruled out by it: an API that is offline keeps its bindings.
        """
        if progress.batch.action is not Action.ATTACH:
            return
        if len(self._poisoned) >= ENOUGH and not self._is_read:
            await self._read(target)
        if self._known is None:
            return
        reading = Record(
            batch=progress.batch.id,
            kind=RecordKind.READING,
            invocation=self._tools.invocation,
            at=self._tools.now(),
            span=(),
        )
        records = list(
            judge_known(
                progress.batch,
                progress.open,
                known=self._known,
                env_id=target.env_id,
                reading=reading,
            )
        )
        if records:
            await write_readings(self._tools, progress, records)

    async def _read(self, target: Target) -> None:
        self._is_read = True
        listing = await self._reading.apis(target.instance_id)
        if listing is None or not listing.proves_absence:
            return
        self._known = {
            api_id: item
            for api_id, item in listing.items.items()
            if isinstance(item, KnownApi)
        }


async def write_readings(
    tools: Tools, progress: Progress, records: list[Record]
) -> None:
    """Make readings of one batch durable, and count what they settle."""
    before = progress.settled
    for record in records:
        progress.learn(record)
    counts = progress.settled
    await tools.recorder.answer(*records, counts=counts, settled=progress.is_settled)
    gained = counts.since(before)
    tools.limits.settle(gained)
    if any(gained):
        tools.observer.rows_read(progress.batch, gained)
