"""What the accounts of a run wait for while nobody works them; ``status`` tells it."""

import time
from collections.abc import Callable, Iterable, Mapping

from bulkbind.control.now import WAITING, Doing, LaneNow, PaceNow
from bulkbind.model import Lane


class Waits(Doing):
    """Keeps why accounts wait; what their lanes do is known where they are worked.

    Args:
        lanes: All of the run.
        tell: Hears what an account waits for, each time that it is something else.
    """

    def __init__(self, lanes: Iterable[Lane], tell: Callable[[str, str], None]) -> None:
        super().__init__(time.monotonic)
        self._all = tuple(lanes)
        self._tell = tell
        self._why: dict[str, str] = {}
        self._told: dict[str, str] = {}

    def wait(self, account: str, why: str) -> None:
        """Keep what an account waits for.

        Args:
            account: The account.
            why: For people; empty: it waits no longer.
        """
        self._why.pop(account, None)
        if why:
            self._why[account] = why
        if why and why != self._told.get(account):
            self._told[account] = why
            self._tell(account, why)

    def lanes(
        self, paces: Mapping[str, PaceNow], *, paused: bool, slots: int
    ) -> list[LaneNow]:
        """Return the lanes of the accounts that wait."""
        del paces, paused, slots
        return [
            LaneNow(
                gateway=lane.gateway,
                account=lane.account,
                state=WAITING,
                why=self._why[lane.account],
            )
            for lane in self._all
            if lane.account in self._why
        ]
