"""What the lanes of one account work with: to read, and to send."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

import anyio

from bulkbind.run.breaker import Breaker
from bulkbind.run.halt import Halt
from bulkbind.run.leave import Leave
from bulkbind.run.limits import Limits
from bulkbind.run.seams import (
    Attacher,
    GatewayLocks,
    Observer,
    Pictures,
    Recorder,
    RunSettings,
    Slots,
    Turns,
)


@dataclass(frozen=True, kw_only=True)
class ReadTools:
    """What reading the lists of an account's gateways takes."""

    attacher: Attacher
    turns: Turns
    slots: Slots
    halt: Halt
    observer: Observer
    settings: RunSettings
    count_read: Callable[[], Awaitable[None]]
    """Told of every page that was asked for."""
    now: Callable[[], float]
    """Seconds since the epoch."""
    random: Random


@dataclass(frozen=True, kw_only=True)
class Tools(ReadTools):
    """What every lane of an account works with."""

    recorder: Recorder
    locks: GatewayLocks
    gates: anyio.Semaphore
    """The account's lanes that may hold a gateway, or wait for one: each keeps a file
    open."""
    breaker: Breaker
    """The account's."""
    limits: Limits
    """The run's."""
    leave: Leave
    """The run's."""
    pictures: Pictures | None
    """None: the run sends blind."""
    invocation: int
