"""A detach is answered without receipts: what became of it is read, not believed.

An id is ``unbound`` when a whole list, read after its request, does not show it. One
list serves a target: it is read when the lane leaves the target, and again later for
what it still shows, since lists lag. An id whose answer was lost is read before it is
sent again: nobody knows what a gateway says to an id that is not bound any more.
"""

from collections.abc import Iterable

from bulkbind.model import Action, Lane, Target
from bulkbind.run.judging import judge_gone
from bulkbind.run.preflight import write_readings
from bulkbind.run.progress import Progress
from bulkbind.run.reading import Reading
from bulkbind.run.tools import Tools
from bulkbind.run.waiting import Waiting

#: Looks at the lane's end, some seconds apart; after them an id is ``unconfirmed``.
LOOKS = 3


class Unbinding:
    """What a lane has detached and not read back.

    Args:
        lane: The lane.
        targets: Every target of the run, by number.
        tools: Its account's.
        reading: Reads lists.
        waiting: Its waits.
    """

    def __init__(
        self,
        lane: Lane,
        targets: list[Target],
        tools: Tools,
        reading: Reading,
        waiting: Waiting,
    ) -> None:
        self._lane = lane
        self._targets = targets
        self._tools = tools
        self._reading = reading
        self._waiting = waiting
        self._open: list[Progress] = []
        """Batches of the target at hand."""
        self._shown: list[Progress] = []
        """Batches some of whose ids a list still showed after they were detached."""

    async def look(self, progress: Progress) -> bool:
        """Read back what was sent, before it is sent again.

        Returns:
            False: the list cannot be read, and nothing of the batch may be sent.
        """
        return await self._read([progress])

    async def leave(self, progress: Progress) -> None:
        """Take note that a batch is over for now; read back the target before it."""
        batch = progress.batch
        if batch.action is not Action.DETACH:
            return
        if self._open and self._open[0].batch.target != batch.target:
            await self._read_open()
        if progress.doubtful:
            self._open.append(progress)

    async def conclude(self) -> None:
        """Read back what is left; and again, later, what lists still showed."""
        await self._read_open()
        for _ in range(LOOKS - 1):
            if not self._shown or self._tools.halt.reaches(self._lane.account):
                return
            seconds = self._tools.settings.retry.second_look_s
            await self._waiting.wait("reading back", seconds)
            shown, self._shown = self._shown, []
            for target in {progress.batch.target: None for progress in shown}:
                of_target = [p for p in shown if p.batch.target == target]
                await self._read(of_target)
                self._keep(of_target)

    async def _read_open(self) -> None:
        opened, self._open = self._open, []
        if opened:
            await self._read(opened)
            self._keep(opened)

    def _keep(self, read: Iterable[Progress]) -> None:
        self._shown += [progress for progress in read if progress.doubtful]

    async def _read(self, batches: list[Progress]) -> bool:
        """Read one target's list, and settle what it does not show any more."""
        target = self._targets[batches[0].batch.target]
        listing = await self._reading.attached(target)
        if listing is None or not listing.proves_absence:
            return False
        for progress in batches:
            ids = progress.batch.api_ids
            gone = [p for p in progress.doubtful if ids[p] not in listing.items]
            if gone:
                record = judge_gone(
                    progress.batch,
                    gone,
                    invocation=self._tools.invocation,
                    at=self._tools.now(),
                )
                await write_readings(self._tools, progress, [record])
        return True
