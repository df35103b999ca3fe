"""Fetches what other hosts ask of a run at work, and tells them what it does.

Orders that were left on the board of the run's database become files of its control
folder: whoever asks, there and in the folder, is obeyed by the same code. A pause of the
folder alone goes on the board, for the machines that work the run's accounts.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import msgspec

from bulkbind.control.folder import ControlFolder
from bulkbind.control.now import Now
from bulkbind.control.orders import PAUSE, SET, STOP, UNPAUSE, Order, parse
from bulkbind.errors import StateError
from bulkbind.ledger import Ledger
from bulkbind.ledger.enduring import EnduringExecutor
from bulkbind.state.ledgers import board_in
from bulkbind.state.reaching import standing_of

if TYPE_CHECKING:
    from bulkbind.ledger.board import Asked

#: Seconds between two looks: longer than an order of the folder takes to be obeyed.
_LOOK_S = 0.5


class Fetcher:
    """Stands between the board and the control folder of a run at work.

    Args:
        folder: The run's.
        executor: Works on the run's ledger.
        word: Says what the run does now.
    """

    def __init__(
        self,
        folder: ControlFolder,
        executor: EnduringExecutor,
        word: Callable[[], Now],
    ) -> None:
        self._folder = folder
        self._executor = executor
        self._word = word
        self._obeyed = 0
        """Number of the newest order that the folder has."""

    async def work(self) -> None:
        """Fetch, and tell, until cancelled."""
        while True:
            await anyio.sleep(_LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Fetch, and tell, once."""
        word = msgspec.structs.replace(self._word(), obeyed=self._obeyed)
        asked = await self._executor.do(_looking(msgspec.json.encode(word)))
        if news := [one for one in asked if one.number > self._obeyed]:
            await self._fetch(news)
        else:
            await self._pass_on(is_paused=standing_of(asked).paused)

    async def end(self, *, keeps_pause: bool) -> None:
        """Say no more; forget a pause that ends with the run."""

        def forget(ledger: Ledger) -> None:
            board = board_in(ledger)
            board.fall_silent("")
            if not keeps_pause:
                board.forget(PAUSE, UNPAUSE)

        with suppress(StateError):
            await self._executor.do(forget)

    async def _fetch(self, news: "Sequence[Asked]") -> None:
        """Make files of orders; one that cannot be written is tried again."""
        for one in news:
            try:
                _write(self._folder, one)
            except StateError:
                return
            self._obeyed = one.number
            if one.name == UNPAUSE:
                await self._executor.do(_forgetting_pauses(until=one.number))

    async def _pass_on(self, *, is_paused: bool) -> None:
        """Put on the board what a person did by hand in the folder."""
        is_asked = self._folder.is_asked(PAUSE)
        if is_asked != is_paused:
            name = PAUSE if is_asked else UNPAUSE
            self._obeyed = await self._executor.do(_asking(name))


def _forgetting_pauses(*, until: int) -> Callable[[Ledger], None]:
    return lambda ledger: board_in(ledger).forget(PAUSE, UNPAUSE, until=until)


def _asking(name: str) -> Callable[[Ledger], int]:
    return lambda ledger: board_in(ledger).ask(name, msgspec.json.encode(Order()))


def _looking(word: bytes) -> "Callable[[Ledger], Sequence[Asked]]":
    def look(ledger: Ledger) -> "Sequence[Asked]":
        board = board_in(ledger)
        board.tell("", word)
        return board.asked()

    return look


def _write(folder: ControlFolder, asked: "Asked") -> None:
    """Make a file of an order, unless it is none of ours."""
    order = parse(asked.body)
    if order is None:
        return
    if asked.name == UNPAUSE:
        folder.drop(PAUSE)
    elif asked.name in {PAUSE, STOP, SET}:
        folder.ask(asked.name, order)
