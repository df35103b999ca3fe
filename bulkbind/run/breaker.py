"""The outage breaker: per lane, then for the whole account, with half-open probes.

After some failures in a row a lane is *open*: it waits, then sends one probe. A good
answer closes it, a failed probe doubles the wait. When every lane of an account is
open (two or more), the account is out: one lane probes for all, the others wait for
its news. Probes that all fail give the lane up, or the account.
"""

from dataclasses import dataclass
from enum import Enum

import anyio

from bulkbind.retry import RetryPolicy


class Given(Enum):
    """What is given up when the probes are spent."""

    NOTHING = "nothing"
    LANE = "lane"
    ACCOUNT = "account"


@dataclass(slots=True)
class _Lane:
    failures: int = 0
    probes: int = 0


class Breaker:
    """The breaker of one account and its lanes.

    Args:
        policy: When to open, how to probe.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._lanes: dict[int, _Lane] = {}
        self._prober: int | None = None
        self._news = anyio.Event()

    def join(self, lane: int) -> None:
        """A lane begins to work."""
        self._lanes[lane] = _Lane()

    def leave(self, lane: int) -> None:
        """A lane has ended; if it probed for all, another one does from now on."""
        self._lanes.pop(lane, None)
        if self._prober == lane:
            self._prober = None
            self._tell()

    def succeed(self, lane: int) -> None:
        """A request of the lane was answered: it is closed, and an account, too."""
        if self._prober is not None:
            self._prober = None
            for other in self._lanes.values():
                other.failures = other.probes = 0
            self._tell()
        state = self._lanes[lane]
        state.failures = state.probes = 0

    def fail(self, lane: int) -> Given:
        """A request of the lane failed; say what is given up for it, if anything."""
        state = self._lanes[lane]
        if self.is_open(lane):
            state.probes += 1
        state.failures += 1
        if state.probes < self._policy.breaker_probes:
            return Given.NOTHING
        return Given.ACCOUNT if self._is_out() else Given.LANE

    def is_open(self, lane: int) -> bool:
        """Tell whether the lane may only probe."""
        return self._lanes[lane].failures >= self._policy.breaker_failures

    def wait_s(self, lane: int) -> float:
        """Return the seconds to wait before the lane's next probe."""
        policy = self._policy
        doubled = policy.probe_wait_s * 2.0 ** self._lanes[lane].probes
        return min(policy.longest_probe_wait_s, doubled)

    def must_listen(self, lane: int) -> bool:
        """Tell whether another lane probes for this one."""
        if not self._is_out():
            return False
        if self._prober is None:
            self._prober = lane
        return self._prober != lane

    async def listen(self) -> None:
        """Wait until the lane that probes for all has news, or is gone."""
        await self._news.wait()

    def _is_out(self) -> bool:
        return len(self._lanes) > 1 and all(self.is_open(lane) for lane in self._lanes)

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()
