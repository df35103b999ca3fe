"""Fetches what other hosts ask of a run at work, and tells them what it does.

Orders that were left in the run's database become files of its control folder: whoever
asks, there and in the folder, is obeyed by the same code.
"""

from collections.abc import Callable, Sequence

import anyio
import msgspec

from bulkbind.control.folder import ControlFolder
from bulkbind.control.orders import PAUSE, SET, STOP, UNPAUSE, Order
from bulkbind.errors import StateError
from bulkbind.ledger import Ledger
from bulkbind.ledger.enduring import EnduringExecutor
from bulkbind.state.ledgers import board_in

#: Seconds between two looks.
_LOOK_S = 0.5


async def fetch_orders(
    folder: ControlFolder, executor: EnduringExecutor, word: Callable[[], bytes]
) -> None:
    """Fetch, and tell, until cancelled.

    Args:
        folder: The run's.
        executor: Works on the run's ledger.
        word: Says what the run does now.
    """
    await executor.do(lambda ledger: board_in(ledger).clear())
    while True:
        for name, body in await executor.do(_looking(word())):
            _put(folder, name, body)
        await anyio.sleep(_LOOK_S)


def _looking(word: bytes) -> Callable[[Ledger], Sequence[tuple[str, bytes]]]:
    def look(ledger: Ledger) -> Sequence[tuple[str, bytes]]:
        board = board_in(ledger)
        board.tell("", word)
        return board.take()

    return look


def _put(folder: ControlFolder, name: str, body: bytes) -> None:
    """Make a file of an order, unless it is none of ours."""
    if name not in {PAUSE, UNPAUSE, STOP, SET}:
        return
    try:
        order = msgspec.json.decode(body, type=Order)
        if name == UNPAUSE:
            folder.drop(PAUSE)
        else:
            folder.ask(name, order)
    except (msgspec.MsgspecError, StateError):
        return  # whoever asked sees that nothing came of it
