"""Passes on what people ask of a run to the machines that work its accounts.

The coordinator obeys the run's control folder and the signals; a fact of the ledger
says so to the others, who look each second, and say what they do on the board.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import anyio
import msgspec

from bulkbind.control.now import Doing, describe
from bulkbind.errors import StateError
from bulkbind.ledger import Ledger, ThreadExecutor
from bulkbind.pace import Pace, Rate
from bulkbind.run import Halt, SlotPool
from bulkbind.state.ledgers import board_in

_ASKED = "accounts_asked"

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


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for everybody who works a run."""

    stop: str = ""
    """Why it ends; empty: it does not."""
    paused: bool = False
    concurrency: int | None = None
    """Requests out at once, of each account; None: as the job has it."""
    rate: tuple[int, float] | None = None
    """Requests and seconds, of each account; None: as the job has it."""


class Leading(Protocol):
    """What the coordinator was asked for."""

    @property
    def halt(self) -> Halt:
        """Stopped, or paused."""
        ...

    @property
    def slots(self) -> SlotPool:
        """How many requests may be out at once, of each account."""
        ...

    @property
    def rate(self) -> Rate | None:
        """What was set; None: as the job has it."""
        ...


async def pass_on(leading: Leading, executor: ThreadExecutor) -> None:
    """Write down what is asked whenever it changes, until cancelled.

    Args:
        leading: The coordinator's.
        executor: Works on the run's ledger.
    """
    before: Asked | None = None
    while True:
        rate = leading.rate
        asked = Asked(
            stop=leading.halt.reason,
            paused=leading.halt.is_paused,
            concurrency=leading.slots.number,
            rate=None if rate is None else (rate.limit, rate.window_s),
        )
        if asked != before:
            await executor.do(_writing(asked))
            before = asked
        await anyio.sleep(_LOOK_S / 4)


def _writing(asked: Asked) -> Callable[[Ledger], None]:
    text = msgspec.json.encode(asked).decode()
    return lambda ledger: ledger.put_meta({_ASKED: text})


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
        try:
            while True:
                self._obey(await executor.do(self._looking(self._word())))
                await anyio.sleep(_LOOK_S)
        finally:
            with anyio.CancelScope(shield=True), suppress(StateError):
                await executor.do(
                    lambda ledger: board_in(ledger).fall_silent(self.account)
                )

    def _looking(self, word: bytes) -> Callable[[Ledger], Asked]:
        def look(ledger: Ledger) -> Asked:
            board_in(ledger).tell(self.account, word)
            return msgspec.json.decode(ledger.meta().get(_ASKED, "{}"), type=Asked)

        return look

    def _obey(self, asked: Asked) -> None:
        halt = self.halt
        if asked.stop and not halt.reason:
            halt.stop(asked.stop)
        if asked.paused != halt.is_paused:
            change = hold_all if asked.paused else let_all_go
            change(halt, self.paces)
        if asked.concurrency is not None and asked.concurrency != self.slots.number:
            self.slots.resize(asked.concurrency)
        for pace in self.paces.values():
            if asked.rate is not None and pace.ceiling != (rate := Rate(*asked.rate)):
                pace.set_rate(rate)

    def _word(self) -> bytes:
        """Say what the account does now, as JSON."""
        word = describe(
            self.doing,
            self.paces,
            paused=self.halt.is_paused,
            stopping=self.halt.reason,
            slots=self.slots.number,
            at=self.now(),
            invocation=self.invocation,
        )
        return msgspec.json.encode(word)
