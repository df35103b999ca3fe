"""Before a batch's first request: what is there now, and may it be displaced?

A picture older than the run allows is taken again, for rows that were never sent: one
that was sent keeps its pre-image. What a saved plan saw only says what it approves,
however young it is. Rows that have become so by themselves, or cannot be
bound any more, leave their batch; batches are not cut again.
"""

from bulkbind.model import Cause, Lane, OurCode, Record, Reply, Scope, Stop, Target
from bulkbind.plan import (
    Fate,
    Picture,
    What,
    judge,
    record_of,
)
from bulkbind.retry import cause_of, classify
from bulkbind.run.preflight import write_readings
from bulkbind.run.progress import Progress
from bulkbind.run.tools import Tools

#: Why a run stops that met a plug-in which it may not displace.
ON_REPLACE = "on_replace"


#: Batches that are read from the ledger at once.
AHEAD = 16


async def look_ahead(lane: Lane, *, targets: list[Target], tools: Tools) -> None:
    """Look at every open batch of a lane before anything is sent.

    A plug-in that may not be displaced stops the run; a gateway that cannot be read
    is left to its lane.
    """
    looking, after = Looking(lane, tools), 0
    while not tools.halt.reaches(lane.account):
        batches = await tools.recorder.open_batches(lane.no, after=after, limit=AHEAD)
        for batch, records in batches:
            after = batch.id
            progress = Progress(batch, records)
            stop = await looking.look(progress, targets[batch.target])
            if stop is not None:
                if stop.scope is Scope.DONE:
                    tools.halt.stop(ON_REPLACE, detail=stop.message)
                return
        if not batches:
            return


class Looking:
    """Looks for one lane.

    Args:
        lane: The lane.
        tools: Its account's.
    """

    def __init__(self, lane: Lane, tools: Tools) -> None:
        self._lane = lane
        self._tools = tools
        self._since: dict[int, float] = {}
        """When the lane first came to a target."""

    async def look(self, progress: Progress, target: Target) -> Stop | None:
        """Look at what a batch would displace, if nobody has lately.

        Returns:
            None: the batch may go on, if anything is left of it. Else why its lane
            is parked; or why the run stops, with the scope ``done``.
        """
        tools = self._tools
        positions = progress.unsent
        if tools.pictures is None or not positions:
            return None
        since = self._oldest(target)
        first = 1 if tools.settings.looks_first else 0
        if progress.pictured_at(positions, first=first) >= since:
            return None
        batch = progress.batch
        ids = [batch.api_ids[position] for position in positions]
        picture = await tools.pictures.look(
            target, ids, action=batch.action, since=since
        )
        if isinstance(picture, Picture):
            return await self._judge(progress, target, positions, picture)
        return None if picture is None else self._park(picture)

    def _oldest(self, target: Target) -> float:
        """Return since when a picture of the target is young enough."""
        tools = self._tools
        now = tools.now()
        came = self._since.setdefault(target.no, now)
        if tools.settings.looks_anew:
            return came
        return now - tools.settings.live_max_age_s

    async def _judge(
        self,
        progress: Progress,
        target: Target,
        positions: tuple[int, ...],
        picture: Picture,
    ) -> Stop | None:
        tools, batch = self._tools, progress.batch
        judgements = judge(
            picture,
            [batch.api_ids[position] for position in positions],
            target=target,
            action=batch.action,
            rebind=tools.settings.rebind,
        )
        fates: dict[Fate, list[tuple[int, str]]] = {}
        for position, judgement in zip(positions, judgements, strict=True):
            fate = tools.leave.fate(judgement, progress.approved(position))
            fates.setdefault(fate, []).append((position, judgement.other))
        held = [p for fate, ids in fates.items() if fate.what is What.HELD for p in ids]
        if held:
            return self._stop(batch.api_ids[held[0][0]], held[0][1])
        made = [self._record(progress, fate, fates[fate], picture) for fate in fates]
        if records := [record for record in made if record is not None]:
            await write_readings(tools, progress, records)
        return None

    def _record(
        self,
        progress: Progress,
        fate: Fate,
        ids: list[tuple[int, str]],
        picture: Picture,
    ) -> Record | None:
        batch = progress.batch
        positions = [position for position, _ in ids]
        return record_of(
            fate,
            positions,
            [other for _, other in ids],
            bindings=[picture.mine.get(batch.api_ids[p]) for p in positions],
            picture=picture,
            batch=batch.id,
            invocation=self._tools.invocation,
        )

    def _stop(self, api_id: str, other: str) -> Stop:
        return Stop(
            scope=Scope.DONE,
            key="",
            cause=Cause.STOP,
            invocation=self._tools.invocation,
            at=self._tools.now(),
            code=OurCode.OTHER_BOUND,
            message=(
                f"API {api_id} has plug-in {other} now, which this run may not displace"
            ),
        )

    def _park(self, refusal: Reply) -> Stop:
        scope = classify(refusal)
        return Stop(
            scope=Scope.ACCOUNT if scope is Scope.ACCOUNT else Scope.GATEWAY,
            key=self._lane.account if scope is Scope.ACCOUNT else str(self._lane.no),
            cause=cause_of(scope),
            invocation=self._tools.invocation,
            at=self._tools.now(),
            status=refusal.status,
            code=refusal.code or OurCode.NOT_READ,
            message=f"what is bound cannot be read: {refusal.message or 'no message'}",
            request_id=refusal.request_id,
        )
