"""Passes on what people ask of a run to the machines that work its accounts.

Each looks at the board once a second, and says there what it does; so it obeys also while
nobody coordinates. What stops the coordinator itself (a signal, a deadline) is a fact of
the ledger.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
import msgspec

from bulkbind.control.now import Doing, describe
from bulkbind.control.orders import Standing
from bulkbind.control.watcher import STOPPED
from bulkbind.errors import StateError
from bulkbind.ledger import Ledger, ThreadExecutor
from bulkbind.pace import Pace, Rate
from bulkbind.run import Halt, SlotPool
from bulkbind.state.ledgers import board_in
from bulkbind.state.reaching import standing_of

if TYPE_CHECKING:
    from bulkbind.ledger.board import Asked

_HALTED = "accounts_halted"

#: Seconds between two looks.
_LOOK_S = 1.0


def hold_all(halt: Halt, paces: Mapping[str, Pace]) -> None:
    """Send nothing more until ``let_all_go``; reads wait, too."""
    halt.pause()
    for pace in paces.values():
        pace.hold()


def let_all_go(halt: Halt, paces: Mapping[str, Pace]) -> None:
    """Send again."""
    halt.go_on()
    for pace in paces.values():
        pace.let_go()


class Halted(msgspec.Struct, frozen=True, kw_only=True):
    """How the coordinator was stopped: by a signal, a rule, a deadline, a person."""

    reason: str = ""
    """Empty: it was not."""
    now: bool = False
    """Do not even wait for answers."""


async def pass_on(halt: Halt, executor: ThreadExecutor) -> None:
    """Write down that the coordinator is stopped, until cancelled.

    Args:
        halt: The coordinator's.
        executor: Works on the run's ledger.
    """
    before = Halted()
    while True:
        halted = Halted(reason=halt.reason, now=halt.is_now)
        if halted != before:
            await executor.do(partial(keep_halted, halted=halted))
            before = halted
        await anyio.sleep(_LOOK_S / 4)


def keep_halted(ledger: Ledger, halted: Halted) -> None:
    """Write down how a run is stopped, in the transaction that is open."""
    ledger.put_meta({_HALTED: msgspec.json.encode(halted).decode()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What works one account of a run, and does what the coordinator writes down."""

    account: str
    halt: Halt
    slots: SlotPool
    paces: Mapping[str, Pace]
    doing: Doing
    invocation: int
    now: Callable[[], float]

    async def obey(self, executor: ThreadExecutor) -> None:
        """Look each second, and tell what the account does, until cancelled."""
        obeyed = 0
        try:
            while True:
                halted, asked = await executor.do(self._looking(self._word(obeyed)))
                self._obey(halted, standing_of(asked))
                obeyed = max((one.number for one in asked), default=obeyed)
                await anyio.sleep(_LOOK_S)
        finally:
            with anyio.CancelScope(shield=True), suppress(StateError):
                await executor.do(
                    lambda ledger: board_in(ledger).fall_silent(self.account)
                )

    def _looking(
        self, word: bytes
    ) -> "Callable[[Ledger], tuple[Halted, Sequence[Asked]]]":
        def look(ledger: Ledger) -> "tuple[Halted, Sequence[Asked]]":
            board = board_in(ledger)
            board.tell(self.account, word)
            halted = ledger.meta().get(_HALTED, "{}")
            return msgspec.json.decode(halted, type=Halted), board.asked()

        return look

    def _obey(self, halted: Halted, standing: Standing) -> None:
        halt, stop = self.halt, standing.stop
        if halted.reason:
            halt.stop(halted.reason, now=halted.now)
        if stop is not None:
            halt.stop(STOPPED, now=stop.now)
        if standing.paused != halt.is_paused:
            change = hold_all if standing.paused else let_all_go
            change(halt, self.paces)
        if standing.concurrency and standing.concurrency != self.slots.number:
            self.slots.resize(standing.concurrency)
        for pace in self.paces.values():
            rate = standing.rate
            if rate is not None and pace.ceiling != Rate(*rate):
                pace.set_rate(Rate(*rate))

    def _word(self, obeyed: int) -> bytes:
        """Say what the account does now, as JSON."""
        word = describe(
            self.doing,
            self.paces,
            halt=self.halt,
            slots=self.slots,
            at=self.now(),
            invocation=self.invocation,
        )
        paused_by = "paused: nothing is sent until `unpause`"
        return msgspec.json.encode(
            msgspec.structs.replace(
                word,
                obeyed=obeyed,
                paused_by=paused_by if self.halt.is_paused else "",
            )
        )
