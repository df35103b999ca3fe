"""Passes on what people ask of a run to the machines that work its accounts.

The coordinator obeys the run's control folder and the signals; a fact of the ledger
says so to the others, who look each second.
"""

import json
from collections.abc import Callable, Mapping

import anyio

from bulkbind.ledger import Ledger, ThreadExecutor
from bulkbind.pace import Pace
from bulkbind.run import Halt, SlotPool

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


async def pass_on(halt: Halt, slots: SlotPool, executor: ThreadExecutor) -> None:
    """Write down what is asked whenever it changes, until cancelled.

    Args:
        halt: The coordinator's: stopped or paused.
        slots: How many requests may be out at once, of each account.
        executor: Works on the run's ledger.
    """
    before: str | None = None
    while True:
        asked = json.dumps(
            {
                "stop": halt.reason,
                "paused": halt.is_paused,
                "concurrency": slots.number,
            }
        )
        if asked != before:
            await executor.do(_writing(asked))
            before = asked
        await anyio.sleep(_LOOK_S / 4)


def _writing(asked: str) -> Callable[[Ledger], None]:
    def write(ledger: Ledger) -> None:
        ledger.put_meta({_ASKED: asked})

    return write


async def obey_orders(
    halt: Halt, slots: SlotPool, paces: Mapping[str, Pace], executor: ThreadExecutor
) -> None:
    """Do what the coordinator writes down, until cancelled."""
    while True:
        text = await executor.do(lambda ledger: ledger.meta().get(_ASKED, "{}"))
        _obey(json.loads(text), halt, slots, paces)
        await anyio.sleep(_LOOK_S)


def _obey(
    asked: Mapping[str, object],
    halt: Halt,
    slots: SlotPool,
    paces: Mapping[str, Pace],
) -> None:
    if asked.get("stop") and not halt.reason:
        halt.stop(str(asked["stop"]))
    is_paused = bool(asked.get("paused"))
    if is_paused != halt.is_paused:
        if is_paused:
            hold_all(halt, paces)
        else:
            let_all_go(halt, paces)
    number = asked.get("concurrency")
    if isinstance(number, int) and number != slots.number:
        slots.resize(number)
