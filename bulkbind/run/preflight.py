"""Reading beats searching: after a second refused batch, ask the gateway what it has.

One page of the list of APIs covers 500 ids. What it does not have, or does not show in
the environment, is settled by it in every batch still to come. Clean gateways pay
nothing.
"""

from datetime import UTC, datetime

from bulkbind.model import Record, RecordKind, Target
from bulkbind.run.judging import judge_known
from bulkbind.run.progress import Progress
from bulkbind.run.reading import Reading
from bulkbind.run.tools import Tools
from bulkbind.wire import KnownApi

#: Refused batches after which the list is read.
ENOUGH = 2


class Preflight:
    """What a lane knows of its gateway's APIs; nothing, until it pays.

    Args:
        tools: The lane's.
        reading: Reads the list.
    """

    def __init__(self, tools: Tools, reading: Reading) -> None:
        self._tools = tools
        self._reading = reading
        self._poisoned: set[int] = set()
        self._known: dict[str, KnownApi] | None = None
        self._read_at = ""

    async def poisoned(self, progress: Progress, target: Target) -> None:
        """Hear that a batch holds a bad id; the second such batch has the list read."""
        self._poisoned.add(progress.batch.id)
        if len(self._poisoned) == ENOUGH and self._known is None:
            await self._read(target)
        await self.strike(progress, target)

    async def strike(self, progress: Progress, target: Target) -> None:
        """Settle the ids of a batch that the list rules out."""
        if not self._known:
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
                read_at=self._read_at,
            )
        )
        if records:
            await write_readings(self._tools, progress, records)

    async def _read(self, target: Target) -> None:
        began = self._tools.now()
        listing = await self._reading.apis(target.instance_id)
        if listing is None or not listing.proves_absence:
            return
        self._read_at = datetime.fromtimestamp(began, UTC).strftime("%H:%M:%S UTC")
        self._known = {
            api_id: item
            for api_id, item in listing.items.items()
            if isinstance(item, KnownApi)
        }


async def write_readings(
    tools: Tools, progress: Progress, records: list[Record]
) -> None:
    """Make readings of one batch durable, and count what they settle."""
    bound, failed = progress.bound, progress.failed
    for record in records:
        progress.learn(record)
    await tools.recorder.answer(
        *records,
        settled=not progress.ask(),
        bound=progress.bound,
        failed=progress.failed,
    )
    tools.limits.settle(good=progress.bound - bound, failed=progress.failed - failed)
