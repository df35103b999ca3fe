"""Keeps a refused credential from being tried again: five times lock an access key.

Until an account's credential has proved good, one request is out at a time; after a
refusal none leaves any more, in this process and, for ten minutes, in any other one of
this host. Source: apig-contract 4.4.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import anyio

from bulkbind.model import Reply
from bulkbind.retry import refuses_credential


class Memory(Protocol):
    """What the processes of a host remember of refused credentials."""

    def refusal(self, identity: str) -> Reply | None:
        """Return why a credential was refused lately; None: it was not."""
        ...

    def refuse(self, identity: str, reply: Reply) -> None:
        """Remember that a credential was refused."""
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


class Door:
    """One account's way out, before its pace: who waits here uses no turn.

    Args:
        identity: Names the credential without showing it.
        memory: Shared with this host's other processes.
        turns: The account's pace.
    """

    def __init__(self, identity: str, memory: Memory, turns: Turns) -> None:
        self.refusal = memory.refusal(identity)
        """What everything that is not sent any more is answered."""
        self._identity = identity
        self._memory = memory
        self._turns = turns
        self._is_proven = False
        self._first = anyio.Lock()

    @asynccontextmanager
    async def turn(self, slots: Slots) -> AsyncIterator[None]:
        """Wait until a request may leave; hold its slot while the block runs."""
        if self._is_proven or self.refusal is not None:
            async with self._turns.turn(slots):
                yield
            return
        async with self._first, self._turns.turn(slots):
            yield

    @asynccontextmanager
    async def again(self) -> AsyncIterator[None]:
        """Wait for a turn of a request's second sending; it keeps its slot."""
        async with self._turns.turn(anyio.Semaphore(1)):
            yield

    def accepted(self) -> None:
        """Hear that a request was answered, and not for its speed."""
        self._turns.accepted()

    def throttled(
        self, *, left_at: float, told: tuple[int, float] | None, pause_s: float
    ) -> None:
        """Hear that a request was refused as too fast."""
        self._turns.throttled(left_at=left_at, told=told, pause_s=pause_s)

    def answered(self, reply: Reply) -> None:
        """Hear what a request was answered."""
        if refuses_credential(reply):
            self.refusal = self.refusal or _kept(reply)
            self._memory.refuse(self._identity, reply)
        elif reply.status:
            self._is_proven = True


def _kept(reply: Reply) -> Reply:
    message = f"{reply.message or 'no message'} (not asked again with this credential)"
    return Reply(reply.status, reply.code, message, left=False)
