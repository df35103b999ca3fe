"""How a lane waits: after failures, for its account's pause, for a busy gateway."""

import anyio

from bulkbind.model import Lane, Reply
from bulkbind.retry import backoff, read_limit, read_retry_after
from bulkbind.run.tools import ReadTools


class Waiting:
    """The waits of one lane; a halt ends every one of them at once.

    Args:
        lane: The lane.
        tools: Its account's.
    """

    def __init__(self, lane: Lane, tools: ReadTools) -> None:
        self._lane = lane
        self._tools = tools

    def backoff_s(self, attempt: int, *, busy: bool = False) -> float:
        """Return a wait with full jitter after some failures."""
        return backoff(
            attempt,
            policy=self._tools.settings.retry,
            chance=self._tools.random.random(),
            busy=busy,
        )

    def say(self, why: str, seconds: float) -> None:
        """Say why the lane waits, and how long at least."""
        self._tools.observer.lane_waits(self._lane, why=why, seconds=seconds)

    async def wait(self, why: str, seconds: float) -> None:
        """Wait, and say so."""
        self.say(why, seconds)
        with self._tools.halt.interruptible(self._lane.account):
            await anyio.sleep(seconds)

    def throttled(self, reply: Reply, *, left_at: float, times: int) -> None:
        """Pause the whole account, and let it go on more slowly.

        Args:
            reply: The refusal.
            left_at: When the request left, by the event loop's clock.
            times: How often in a row this batch was refused as too fast.
        """
        asked = read_retry_after(reply.retry_after, now=self._tools.now())
        seconds = asked if asked is not None else self.backoff_s(times)
        self._tools.turns.throttled(
            left_at=left_at, told=read_limit(reply.message), pause_s=seconds
        )
        self._tools.observer.lane_waits(self._lane, why="throttled", seconds=seconds)
