"""A target's first batches are its canary: the others go only when it ended well.

Before a target goes on past a step of its canary, the step is judged: by the check
that the job names, or else by its own rows. A step that was accepted is remembered in
the ledger, so that a resume does not ask again, and never forgets to. A step that was
refused parks its target until the next invocation, which asks again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bulkbind.model import Action, Batch, Cause, Lane, OurCode, Scope, Stop, Target
from bulkbind.run.seams import CanaryCheck, CanaryStep
from bulkbind.run.tools import Tools
from bulkbind.run.unbinding import Unbinding
from bulkbind.verdict import stand


@dataclass(frozen=True, slots=True)
class Canaries:
    """The canaries of a run, shared by its lanes."""

    steps: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Target -> its first batches, in order; a target that is not here has none."""
    accepted: dict[int, int] = field(default_factory=dict)
    """Target -> steps that ended well; grows while the run goes on."""
    check: CanaryCheck | None = None
    """None: a step's own rows judge it."""


class Canary:
    """Judges the canaries of one lane's targets.

    Args:
        lane: The lane.
        targets: Every target of the run, by number.
        canaries: The run's.
        tools: The lane's account's.
        unbinding: Reads back what the lane detached.
    """

    def __init__(
        self,
        lane: Lane,
        targets: list[Target],
        canaries: Canaries,
        tools: Tools,
        unbinding: Unbinding,
    ) -> None:
        self._lane = lane
        self._targets = targets
        self._canaries = canaries
        self._tools = tools
        self._unbinding = unbinding
        self._refused: set[int] = set()
        self._held: dict[int, str] = {}
        """Targets that wait for a step some of whose rows have no answer, and why."""

    @property
    def holds(self) -> bool:
        """True: batches were passed over that may go later."""
        return bool(self._held)

    async def admits(self, batch: Batch) -> bool:
        """Tell whether a batch may be sent; asks about the steps before it."""
        target = batch.target
        steps = self._canaries.steps.get(target, ())
        while target not in self._refused:
            accepted = self._canaries.accepted.get(target, 0)
            if batch.id in steps[: accepted + 1] or accepted >= len(steps):
                self._held.pop(target, None)
                return True
            if not await self._passes(target, accepted + 1, steps):
                return False
        return False

    async def conclude(self) -> None:
        """Park targets whose canary never had all its answers."""
        for target, why in self._held.items():
            await self._park(target, why)
        self._held.clear()

    async def _passes(self, target: int, number: int, steps: tuple[int, ...]) -> bool:
        """Judge a step, and write down what came of it."""
        tools = self._tools
        step, open_rows = await self._see(target, number, steps)
        if open_rows:
            self._held[target] = f"{open_rows} of its rows have no answer yet"
            return False
        self._held.pop(target, None)
        refusal = await self._judge(step)
        if refusal is None:  # halted: nobody knows, the next invocation asks
            return False
        if not refusal:
            await tools.recorder.accept_canary(target, number)
            self._canaries.accepted[target] = number
        tools.observer.canary_judged(self._lane, step, refusal)
        if refusal:
            self._refused.add(target)
            await self._park(target, f"step {number} of {len(steps)}: {refusal}")
        return not refusal

    async def _see(
        self, target: int, number: int, steps: tuple[int, ...]
    ) -> tuple[CanaryStep, int]:
        """Return a step as the ledger has it, and its rows without an answer."""
        wanted = steps[number - 1]
        batch, records = await self._tools.recorder.batch_of(target, wanted)
        if batch.action is Action.DETACH and stand(batch, records).open:
            await self._unbinding.conclude()
            batch, records = await self._tools.recorder.batch_of(target, wanted)
        standing = stand(batch, records)
        step = CanaryStep(
            target=self._targets[target],
            number=number,
            of=len(steps),
            action=batch.action,
            api_ids=batch.api_ids,
            failed=len(standing.failed),
        )
        return step, len(standing.open)

    async def _judge(self, step: CanaryStep) -> str | None:
        """Say why a step is refused; empty: it is not; None: the run halts."""
        check = self._canaries.check
        if check is None:
            rows = len(step.api_ids)
            return f"{step.failed} of {rows} rows failed" if step.failed else ""
        self._tools.observer.lane_waits(
            self._lane, why="canary check", seconds=check.timeout_s
        )
        said: list[str] = []
        with self._tools.halt.interruptible(self._lane.account):
            said.append(await check.ask(step))
        return said[0] if said else None

    async def _park(self, target: int, why: str) -> None:
        stop = Stop(
            scope=Scope.CANARY,
            key=str(target),
            cause=Cause.TARGET,
            invocation=self._tools.invocation,
            at=self._tools.now(),
            code=OurCode.CANARY_REFUSED,
            message=f"the target's canary was not accepted: {why}",
        )
        await self._tools.recorder.stop(stop)
        self._tools.observer.stopped(stop)
