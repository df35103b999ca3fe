"""All that a sandbox does to its clients on purpose: frozen values. Pure.

Times are seconds since the sandbox started.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from bulkbind.sandbox import answers
from bulkbind.sandbox.answers import Answer
from bulkbind.sandbox.faults import NO_FAULTS, Fault, Plan, Turn, chance, make_plan


class Where(NamedTuple):
    """Which gateways a condition holds for: one by id, or a seeded share of all."""

    share: float = 1.0
    instance_id: str = ""

    def holds(self, gateway: str, *, seed: int, what: str) -> bool:
        """Say whether a gateway is one of them."""
        if self.instance_id:
            return gateway == self.instance_id
        return chance(f"{seed}:{gateway}:{what}") < self.share


class Outage(NamedTuple):
    """A time in which gateways cannot be used."""

    kind: Literal["away", "locked", "upgrading"]
    """``away``: they do not exist. ``locked``: 409 APIC.7712. ``upgrading``: 409
    APIC.7701. The last two refuse attaches and detaches only."""
    begin_s: float
    end_s: float
    where: Where = Where()

    def refuses(
        self, gateway: str, *, is_change: bool, now_s: float, seed: int
    ) -> bool:
        """Say whether a request meets it."""
        return (
            self.begin_s <= now_s < self.end_s
            and (is_change or self.kind == "away")
            and self.where.holds(gateway, seed=seed, what=self.kind)
        )

    def answer(self, gateway: str) -> Answer:
        """Return the refusal."""
        if self.kind == "away":
            return answers.no_instance(gateway)
        return answers.LOCKED if self.kind == "locked" else answers.UPGRADING


class Ceiling(NamedTuple):
    """A rate limit of every project: N requests in any W seconds."""

    limit: int
    seconds: float
    since_s: float = 0.0
    """It holds from here on, until another one does."""
    is_told: bool = True
    """Whether a refusal says N and W."""


class Slow(NamedTuple):
    """Gateways that take longer for everything."""

    seconds: float
    where: Where = Where()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Faults by share, and conditions that last."""

    changes: Plan = NO_FAULTS
    """Faults of attaches and detaches."""
    reads: Plan = NO_FAULTS
    """Faults of reading calls."""
    lag_s: float = 0.0
    """A binding shows in the lists only so long after its attach, and after its
    detach as long; lost when the sandbox ends."""
    page_limit: int = 500
    """Most items in a page, whatever is asked for."""
    jitter_s: float = 0.0
    """Up to so much is added to the latency, by seed, gateway and request."""
    slow: Slow | None = None
    pause_s: float = 2.0
    """In the middle of a ``slow_body``."""
    cut_at: int | None = None
    """Bytes of a body that come before a ``cut``; None: by seed."""
    outages: tuple[Outage, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()
    """Rate limits that begin later than the first one."""
    counts_refused: bool = False
    """Whether a request refused by the rate limit counts against it. Source:
    apig-contract.md section 5, OBS (a claim)."""
    retry_after: Literal["none", "seconds", "date"] = "none"
    """What a refusal by the rate limit says in ``Retry-After``."""
    token_life_s: float = 0.0
    """A token is refused for good so long after its first use; 0: never."""

    def plan(self, kind: Literal["change", "read"]) -> Plan:
        """Return the plan for one kind of request."""
        return self.reads if kind == "read" else self.changes

    def wait_s(self, turn: Turn, *, latency_s: float) -> float:
        """Return how long a request takes: latency, jitter, and a slow gateway's."""
        seconds = latency_s
        if self.jitter_s:
            seconds += self.jitter_s * turn.chance("jitter")
        slow = self.slow
        if slow and slow.where.holds(turn.gateway, seed=turn.seed, what="slow"):
            seconds += slow.seconds
        return seconds


def add_shares(weather: Weather, shares: dict[Fault, float]) -> Weather:
    """Put further faults of attaches and detaches beside those of a weather.

    Raises:
        ValueError: Together they are more than 1.
    """
    given = {fault: share for fault, share in shares.items() if share}
    if not given:
        return weather
    together = dict(weather.changes.shares)
    for fault, share in given.items():
        together[fault] = together.get(fault, 0.0) + share
    plan = make_plan(together, longest_run=weather.changes.longest_run)
    return replace(weather, changes=plan)
