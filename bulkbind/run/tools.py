"""What the lanes of one account work with."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import anyio

from bulkbind.run.breaker import Breaker
from bulkbind.run.halt import Halt
from bulkbind.run.limits import Limits
from bulkbind.run.seams import (
    Attacher,
    GatewayLocks,
    Observer,
    Recorder,
    RunSettings,
    Turns,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every lane of an account works with."""

    attacher: Attacher
    turns: Turns
    recorder: Recorder
    locks: GatewayLocks
    slots: anyio.Semaphore
    halt: Halt
    breaker: Breaker
    """The account's."""
    limits: Limits
    """The run's."""
    observer: Observer
    settings: RunSettings
    invocation: int
    now: Callable[[], float]
    """Seconds since the epoch."""
    random: Random
