"""How a lane comes to send: pause, gateway, the account's turn, a slot; in this order."""

from contextlib import AsyncExitStack

from bulkbind.model import Lane
from bulkbind.run.tools import Tools


async def take_turn(held: AsyncExitStack, lane: Lane, tools: Tools) -> bool:
    """Wait until a request of a lane may leave; False: halted before.

    A pause takes back who waits: nobody keeps a gateway meanwhile.

    Args:
        held: Gives gateway and slot back when it is closed.
        lane: The lane.
        tools: Its account's.
    """
    halt = tools.halt
    while not halt.reaches(lane.account):
        await halt.unpaused(lane.account)
        async with AsyncExitStack() as stack:
            with halt.queueing(lane.account):
                await stack.enter_async_context(tools.gates)
                await stack.enter_async_context(tools.locks(lane.gateway))
                await stack.enter_async_context(tools.turns.turn(tools.slots))
                held.push_async_exit(stack.pop_all())
                return not halt.reaches(lane.account)
    return False
