"""Plans and runs as a whole: counts and states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from bulkbind.model.words import Action


class Invocation(NamedTuple):
    """One start of ``run`` or ``resume`` on a run."""

    no: int
    """From 1."""
    command: str
    """``run`` or ``resume``."""
    operator: str
    """user@host"""
    pid: int
    started_at: float
    ended_at: float | None
    """None: still at work, or killed."""
    state: "RunState"
    stopped_by: str
    """Empty: nothing stopped it."""


class Settled(NamedTuple):
    """How many rows of a batch have an answer of their own, by what it is."""

    done: int = 0
    """Bound, or unbound if that was asked, by a request."""
    unchanged: int = 0
    kept: int = 0
    failed: int = 0

    def since(self, before: "Settled") -> "Settled":
        """Return what came on top of an earlier count."""
        return Settled(*(now - then for now, then in zip(self, before, strict=True)))


class LaneTally(NamedTuple):
    """How far a lane is. Counts are of rows unless they say otherwise."""

    lane: int
    batches: int
    settled_batches: int
    rows: int
    bound: int = 0
    unbound: int = 0
    unchanged: int = 0
    kept: int = 0
    failed: int = 0

    @property
    def settled(self) -> int:
        """Rows that have an answer of their own."""
        return self.bound + self.unbound + self.unchanged + self.kept + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTotals:
    """What a plan amounts to. Every count is of rows unless it says otherwise."""

    rows: int = 0
    bindings: int = 0
    """Distinct bindings to send: rows less those set aside."""
    duplicates: int = 0
    superseded: int = 0
    invalid: int = 0
    untyped: int = 0
    """Bindings whose plug-in type is not known: conflicts cannot be seen."""
    odd_ids: int = 0
    """Ids that are not 32 hexadecimal digits: allowed, and worth a look."""
    targets: int = 0
    gateways: int = 0
    accounts: int = 0
    requests: int = 0
    unresolved: int = 0
    """Rows with a name or a selector that nobody asked the gateway about."""
    unchanged: int = 0
    """Bindings that are so already; like those below, known only if it was read."""
    replaced: int = 0
    """Bindings that displace another plug-in."""
    impossible: int = 0
    unknown: int = 0
    """Bindings on gateways that could not be read."""


class RunState(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    RUNNING = "running"
    """Being worked on, or killed while it was."""
    STOPPED = "stopped"
    """Resumable."""
    FINISHED = "finished"
    ABANDONED = "abandoned"
    """Closed by a later run of the same job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """How many requests a run has sent, over all its invocations."""

    sent: int = 0
    isolation: int = 0
    """Of these: sent to find the bad ids of a refused batch."""
    retries: int = 0
    """Of these: sent again after a failure or a lost answer."""
    reads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What reading a whole run back came to. Counts are of rows."""

    at: float
    """When it ended; seconds since the epoch."""
    invocation: int
    """The newest one then: a later one makes this old news."""
    rows: int
    """Those that are bound, unchanged or unbound."""
    same: int
    drift: int
    unread: int
    belongs_to_run: bool
    """The run did it itself, at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in a page: what ``summary.json`` holds."""

    format_version: str
    run_id: str
    job: str
    state: RunState
    exit_code: int
    action: Action
    rows: int
    verdicts: Mapping[str, int]
    """Every verdict, also those with 0 rows."""
    codes: Mapping[str, int]
    """Rows by ``error_code``, those that have one."""
    requests: Requests
    seconds_reading: float
    seconds_sending: float
    rate_reached: float
    """Requests per second while sending."""
    manifest_sha256: str
    plan_digest: str
    note: str
    operator: str
    """user@host"""
    tool_version: str
    credential: str
    """Where the credential came from; never the credential."""
    stopped_by: str
    """Empty when the run finished."""
    started_at: str
    finished_at: str
    endpoint: str = ""
    warnings: Sequence[str] = field(default_factory=tuple)
    verification: Verification | None = None
    """The last one since the last invocation; None: nobody has looked."""
    trouble: str = ""
    """Equal for runs in which the same rows need somebody for the same causes; empty:
    no row does."""
