"""What the engine needs from others, and what it tells them."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from bulkbind.model import (
    Action,
    Batch,
    Lane,
    LaneTally,
    Record,
    Reply,
    Settled,
    Stop,
    Target,
)
from bulkbind.plan import Picture
from bulkbind.retry import RetryPolicy
from bulkbind.run.limits import MaxFailed
from bulkbind.wire import ListPath, Page


class Attacher(Protocol):
    """The gateways of one account."""

    async def apply(
        self, action: Action, target: Target, api_ids: Sequence[str]
    ) -> Reply:
        """Send one request, once; what went wrong is in the reply."""
        ...

    async def page(self, wanted: ListPath, offset: int) -> Page:
        """Read the page of a list that begins at an offset, once."""
        ...


class Pictures(Protocol):
    """What the gateways of all accounts hold now."""

    async def look(
        self, target: Target, api_ids: Sequence[str], *, action: Action, since: float
    ) -> Picture | Reply | None:
        """Take a picture for some ids of a target from lists not older than a time.

        Returns:
            The picture, or why it cannot be had; None: the run halts.
        """
        ...


class Slots(Protocol):
    """Requests that may be out at once."""

    async def acquire(self) -> None:
        """Wait for a slot."""
        ...

    def release(self) -> None:
        """Give a slot back."""
        ...


class Turns(Protocol):
    """The pace of one account."""

    def turn(self, slots: Slots) -> AbstractAsyncContextManager[None]:
        """Wait for a turn and a slot; hold the slot while the block runs."""
        ...

    def accepted(self) -> None:
        """Hear that a request was answered, and not for its speed."""
        ...

    def throttled(
        self, *, left_at: float, told: tuple[int, float] | None, pause_s: float
    ) -> None:
        """Hear that a request was refused as too fast."""
        ...


class GatewayLocks(Protocol):
    """One attach or detach at a time per gateway, over all processes of a host."""

    def __call__(self, gateway: str) -> AbstractAsyncContextManager[None]:
        """Hold the gateway while the block runs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStep:
    """A step of a target's canary, all of whose rows have an answer."""

    target: Target
    number: int
    """From 1."""
    of: int
    """Steps of the target."""
    action: Action
    api_ids: tuple[str, ...]
    failed: int
    """Rows that were refused."""


class CanaryCheck(Protocol):
    """Judges a step of a canary, from outside of the run."""

    @property
    def timeout_s(self) -> float:
        """How long it may take, in seconds."""
        ...

    async def ask(self, step: CanaryStep) -> str:
        """Return why the target must not go on; empty: it may."""
        ...


class Recorder(Protocol):
    """The ledger; when a call returns, its effect is durable."""

    async def open_batches(
        self, lane: int, *, after: int, limit: int
    ) -> list[tuple[Batch, list[Record]]]:
        """Return the lane's next unsettled batches, with their records."""
        ...

    async def batch_of(self, target: int, batch: int) -> tuple[Batch, list[Record]]:
        """Return a batch of a target, settled or not, with its records."""
        ...

    async def accept_canary(self, target: int, steps: int) -> None:
        """Write down that the first steps of a target's canary ended well."""
        ...

    async def poisoned(self, lane: int, *, limit: int) -> list[int]:
        """Return some batches of the lane that were refused as a whole."""
        ...

    async def intend(self, intent: Record) -> None:
        """Write down that a request is about to leave."""
        ...

    async def answer(self, *records: Record, counts: Settled, settled: bool) -> None:
        """Write down what came back or was read, and where the batch stands now."""
        ...

    async def count_read(self, invocation: int) -> None:
        """Count a page of a list that was read."""
        ...

    async def mark(self, batch: int, counts: Settled) -> None:
        """Write down that a batch was settled already."""
        ...

    async def stop(self, stop: Stop) -> None:
        """Write down why rows will have no answer of their own."""
        ...


class GaugedRate(Protocol):
    """How fast requests go, as one reads it off."""

    @property
    def per_second(self) -> float:
        """Requests per second; infinite: as fast as one can."""
        ...


class Gauge(Protocol):
    """The pace of one account, to be read off at any time, from any thread."""

    @property
    def rate(self) -> GaugedRate:
        """How fast requests go out now."""
        ...

    @property
    def ceiling(self) -> GaugedRate:
        """What the job allows."""
        ...


class Observer:
    """Hears what happens; every method may be left out. None may raise or wait."""

    def run_started(self, run_id: str, tallies: Sequence[LaneTally]) -> None:
        """An invocation begins; the tallies say how far its lanes are already."""

    def tallied(self, tallies: Sequence[LaneTally], requests: int) -> None:
        """How far the lanes are that other machines work; and requests so far."""

    def paced(self, gauges: Mapping[str, Gauge]) -> None:
        """The paces of the run's accounts, by name, from now on."""

    def lane_started(self, lane: Lane) -> None:
        """A worker begins; once per lane that has something to do."""

    def request_left(self, lane: Lane, batch: Batch, intent: Record) -> None:
        """The intent is durable and the request goes out."""

    def request_settled(
        self, lane: Lane, batch: Batch, answer: Record, *, seconds: float
    ) -> None:
        """The answer is durable; ``seconds`` is how long it took to come."""

    def page_read(self) -> None:
        """A page of a list of what is there was asked for."""

    def rows_read(self, batch: Batch, gained: Settled) -> None:
        """Rows have an answer of their own by what a list says of them; durable."""

    def lane_waits(self, lane: Lane, *, why: str, seconds: float) -> None:
        """The lane will not send for some seconds."""

    def noticed(self, text: str) -> None:
        """People should know of this: what was asked of the run, or cannot be."""

    def held(self, why: str) -> None:
        """A person has paused the run; empty: it goes on."""

    def canary_judged(self, lane: Lane, step: CanaryStep, refusal: str) -> None:
        """A target's canary step was judged; empty: accepted, which is durable."""

    def stopped(self, stop: Stop) -> None:
        """A target, lane, account or the run stops; its reason is durable."""

    def draining(self, reason: str) -> None:
        """A person stops the run: what is out is awaited, nothing more leaves."""

    def lane_done(self, lane: Lane) -> None:
        """A worker ends, for whatever reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How the engine behaves."""

    concurrency: int = 8
    """Requests that may be out at once, over all accounts."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    take_failed: bool = False
    """Also send rows that an earlier invocation saw refused."""
    max_failed: MaxFailed | None = None
    """Rows that may be refused before the run stops; None: all may."""
    live_max_age_s: float = math.inf
    """How old a picture may be when its rows are sent."""
    looks_first: bool = False
    """Pictures of the plan only say what it approves; look before anything is sent."""
    looks_anew: bool = False
    """Also look when the lane comes to a target, however young the picture is."""
    rebind: bool = False
    """Send what is already so, too."""
