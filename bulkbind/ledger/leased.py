"""An executor whose every piece of work goes on owning an account, or is refused."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from bulkbind.ledger.executor import Executor
from bulkbind.ledger.lease import Lease
from bulkbind.ledger.store import Ledger

if TYPE_CHECKING:
    from bulkbind.ledger.postgres import PostgresLedger

T = TypeVar("T")


class LeasedExecutor:
    """Renews a lease in the transaction of each piece of work.

    Args:
        executor: Does the work, on a ledger in PostgreSQL.
        lease: Of the account that the work is about.
    """

    def __init__(self, executor: Executor, lease: Lease) -> None:
        self._executor = executor
        self._lease = lease

    async def do(self, work: Callable[[Ledger], T]) -> T:
        """Run the work, if the account is still ours.

        Raises:
            LeaseLost: It is not; nothing of the work was kept.
            LedgerFailed: Nothing of the transaction was kept.
        """

        def leased(ledger: Ledger) -> T:
            self._lease.renew(cast("PostgresLedger", ledger).session)
            return work(ledger)

        return await self._executor.do(leased)
