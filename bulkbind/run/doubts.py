"""Batches whose attempts are spent and whose ids are neither yes nor no: read them back.

Presence in a list proves ``bound``. Absence counts only when two whole lists, some
seconds apart and both after the last request, miss an id: lists may lag. Even then
only a whole 5xx ends an id as ``failed``; without any whole answer it stays
``unconfirmed``, and a resume sends it again.
"""

from dataclasses import dataclass
from typing import NamedTuple

import anyio

from bulkbind.model import Action, Lane, Record, Scope, Target
from bulkbind.run.judging import judge_absence, judge_presence
from bulkbind.run.preflight import write_readings
from bulkbind.run.progress import Progress
from bulkbind.run.reading import Reading
from bulkbind.run.tools import Tools
from bulkbind.run.waiting import Waiting
from bulkbind.wire import Listing

_SERVER_ERROR = 500


class PutOff(NamedTuple):
    """A batch that spent its attempts, as it was then."""

    good: int
    """Good answers of the lane."""
    span: frozenset[int]
    """Positions that the request carried whose attempts were spent."""

    def is_blamed(self, span: tuple[int, ...], *, good: int) -> bool:
        """Tell whether positions failed before and after others went well."""
        return good > self.good and self.span.issuperset(span)


@dataclass(frozen=True, slots=True)
class _Doubt:
    progress: Progress
    answer: Record
    """The last one; its words end the ids that are not there."""
    looked_at: float
    """When the first list had been read, by the event loop's clock."""
    may_end: bool
    """True: other requests went well, so that absence and a 5xx end its ids."""


class Doubts:
    """The doubtful batches of one lane.

    Args:
        lane: The lane.
        tools: Its account's.
        reading: Reads lists.
        waiting: Its waits.
    """

    def __init__(
        self, lane: Lane, tools: Tools, reading: Reading, waiting: Waiting
    ) -> None:
        self._lane = lane
        self._tools = tools
        self._reading = reading
        self._waiting = waiting
        self._doubts: list[_Doubt] = []

    async def first_look(
        self, progress: Progress, answer: Record, target: Target, *, may_end: bool
    ) -> None:
        """Read a batch back; what is not there is looked for once more at the end.

        Args:
            progress: The batch.
            answer: Its last answer.
            target: Its target.
            may_end: Absence and a 5xx may end its ids: this is no outage.
        """
        is_out = not may_end and self._tools.breaker.is_open(self._lane.no)
        if progress.batch.action is not Action.ATTACH or is_out:
            return
        listing = await self._reading.attached(target)
        if listing is None:
            return
        await self._prove(progress, answer, listing)
        if progress.unknown and listing.proves_absence:
            looked_at = anyio.current_time()
            self._doubts.append(_Doubt(progress, answer, looked_at, may_end))

    async def second_look(self, targets: list[Target]) -> None:
        """Look again for what the first lists missed; one list serves a target."""
        for target in {d.progress.batch.target: d for d in self._doubts}:
            doubts = [d for d in self._doubts if d.progress.batch.target == target]
            apart = self._tools.settings.retry.second_look_s
            due = max(doubt.looked_at for doubt in doubts) + apart
            seconds = due - anyio.current_time()
            if seconds > 0:
                await self._waiting.wait("second look", seconds)
            if self._tools.halt.reaches(self._lane.account):
                return
            listing = await self._reading.attached(targets[target])
            if listing is not None:
                for doubt in doubts:
                    await self._conclude(doubt, listing)

    async def _conclude(self, doubt: _Doubt, listing: Listing) -> None:
        progress, answer = doubt.progress, doubt.answer
        await self._prove(progress, answer, listing)
        refused = answer.scope is Scope.AMBIGUOUS and answer.status >= _SERVER_ERROR
        absent = [place for place in progress.unknown if place in answer.span]
        if absent and listing.proves_absence and refused and doubt.may_end:
            record = judge_absence(answer, absent)
            await write_readings(self._tools, progress, [record])

    async def _prove(
        self, progress: Progress, answer: Record, listing: Listing
    ) -> None:
        record = judge_presence(progress.batch, answer, progress.unknown, listing)
        if record is not None:
            await write_readings(self._tools, progress, [record])
