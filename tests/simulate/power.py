"""What a kill takes away: the ledger's next commit, the wire, everything that is heard.

After the cut nothing that the engine still does has an effect: whoever asks for one
waits for ever, until its task is buried.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import TypeVar

from bulkbind.ledger import InlineExecutor, Ledger, SqliteLedger
from bulkbind.model import Record
from tests.simulate.case import Ending

T = TypeVar("T")


class Cut(BaseException):
    """The power went in the middle of a commit."""


class Power:
    """On, until the life's ending says otherwise.

    Args:
        loop: Is stopped when the power goes.
        ending: When it goes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, ending: Ending) -> None:
        self._loop = loop
        self._ending = ending
        self._commits = 0
        self.is_on = True

    def cut(self) -> None:
        """Let nothing more happen."""
        self.is_on = False
        self._loop.stop()

    async def wanted(self) -> None:
        """Return at once while the power is on, and never when it is off."""
        if not self.is_on:
            await self._loop.create_future()

    def before_commit(self) -> None:
        """Hear that a commit is about to be made."""
        self._commits += 1
        if self._ending.how == "before" and self._commits == self._ending.commits:
            self.cut()
            raise Cut

    def after_commit(self) -> None:
        """Hear that a commit is durable."""
        if self._ending.how == "after" and self._commits == self._ending.commits:
            self.cut()


class WatchedLedger(SqliteLedger):
    """The ledger; says what became durable, and breaks off when the power goes."""

    power: Power
    heard: Callable[[list[Record]], None]
    _new: list[Record]

    def watch(self, power: Power, heard: Callable[[list[Record]], None]) -> None:
        self.power, self.heard, self._new = power, heard, []

    def put_record(self, record: Record) -> None:
        super().put_record(record)
        self._new.append(record)

    def commit(self) -> None:
        self.power.before_commit()
        super().commit()
        new, self._new = self._new, []
        self.heard(new)
        self.power.after_commit()

    def rollback(self) -> None:
        super().rollback()
        self._new = []


class WatchedExecutor:
    """Does the work at once, in some time.

    Args:
        ledger: Where.
        power: Nothing is done without.
        chance: How long it takes.
        longest_s: At most.
    """

    def __init__(
        self, ledger: WatchedLedger, *, power: Power, chance: Random, longest_s: float
    ) -> None:
        self._inline = InlineExecutor(ledger)
        self._power = power
        self._chance = chance
        self._longest_s = longest_s

    async def do(self, work: Callable[[Ledger], T]) -> T:
        await self._pass_time()
        await self._power.wanted()
        try:
            result = await self._inline.do(work)
        except Cut:
            await self._power.wanted()
            raise
        await self._pass_time()
        await self._power.wanted()
        return result

    async def _pass_time(self) -> None:
        if self._longest_s and self._chance.random() < 0.5:
            await asyncio.sleep(self._chance.random() * self._longest_s)
