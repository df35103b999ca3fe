"""An executor that outlives its connection: a lost one is mended and work done again.

A group whose connection was lost is never half kept: after connecting anew the server
says whether its transaction was committed. If it was, everybody is told so; if not, the
group's work is done again. Meanwhile nobody's write is durable, so nothing is sent.
"""

import time
from collections.abc import Callable
from typing import Protocol

from bulkbind.errors import JobBusy, LeaseLost, LedgerUnreachable, StateError
from bulkbind.ledger.executor import ThreadExecutor, _Task
from bulkbind.ledger.store import Ledger

#: How long a lost server may stay away before the run breaks off and can be resumed.
PATIENCE_S = 60.0

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0


class MendableLedger(Ledger, Protocol):
    """A ledger that is reached by a connection."""

    def mend(self) -> bool:
        """Connect anew; once.

        Returns:
            Whether the last transaction was kept after all.

        Raises:
            JobBusy: The lost connection still holds the run.
            LedgerFailed: Another one wrote to the run in between.
            LedgerUnreachable: Nobody answers.
        """
        ...


class EnduringExecutor(ThreadExecutor):
    """Does the work in one thread, whatever becomes of its connection.

    Args:
        ledger: Open.
        patience_s: How long to try to connect anew.
        clock: Seconds.
        sleep: Waits some seconds; in the ledger's thread.
    """

    def __init__(
        self,
        ledger: MendableLedger,
        *,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(ledger)
        self._mendable = ledger
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        #: How often the connection was mended so far.
        self.mends = 0

    def _commit(self, group: list[_Task]) -> None:
        self._commit_all(group)
        if isinstance(group[0].error, LeaseLost) and len(group) > 1:
            for task in group:  # an account that is lost is no other's fault
                task.error = None
                self._commit_all([task])

    def _commit_all(self, group: list[_Task]) -> None:
        super()._commit(group)
        give_up_at = self._clock() + self._patience_s
        while isinstance(group[0].error, LedgerUnreachable):
            try:
                was_kept = self._mend(give_up_at)
            except StateError as error:
                for task in group:
                    task.error = error
                return
            for task in group:
                task.error = None
            if not was_kept:
                super()._commit(group)

    def _mend(self, give_up_at: float) -> bool:
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                was_kept = self._mendable.mend()
            except (JobBusy, LedgerUnreachable):  # anything else is final
                if self._clock() + wait_s > give_up_at:
                    raise
                self._sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                self.mends += 1
                return was_kept
