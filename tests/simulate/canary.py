"""Canaries of a simulated run: a check of its own mind, and who watches over it."""

import asyncio
from dataclasses import dataclass, field
from random import Random

from bulkbind.run import CanaryStep
from tests.simulate.case import Case, seeded
from tests.simulate.witness import Witness


@dataclass(slots=True)
class Check:
    """Takes a while, and refuses now and then; sees that it is asked in time.

    Args:
        case: How often it refuses.
        witness: Knows what is durable.
        chance: Decides.
    """

    case: Case
    witness: Witness
    chance: Random
    timeout_s: float = field(default=60.0, init=False)

    @classmethod
    def of(cls, case: Case, witness: Witness, *, now: float) -> "Check":
        """Return one for a life that begins now."""
        return cls(case, witness, seeded(case.seed, "check", now))

    async def ask(self, step: CanaryStep) -> str:
        """Say why a target must not go on; empty: it may."""
        self.witness.asked(step.target.no, step.number)
        await asyncio.sleep(self.chance.random() * 3.0)
        if self.chance.random() < self.case.refusals:
            return "it is not well"
        self.witness.passed.add((step.target.no, step.number))
        return ""
