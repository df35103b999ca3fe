"""The accounts of a run whose ledger is shared: owned from first request to last.

A run whose ledger is a file shares its accounts with processes of this host only; the
host folder sees to that, and no lease is needed.
"""

import os
import platform
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio

from bulkbind.errors import StateError
from bulkbind.host import HostFolder
from bulkbind.job.connecting import Connections
from bulkbind.ledger import Executor, Ledger, LedgerRecorder, SqliteLedger
from bulkbind.model import Lane

if TYPE_CHECKING:
    from bulkbind.ledger.lease import Lease


@dataclass(frozen=True, slots=True)
class Owned:
    """The leases of a run, by the job's name of the account; none: not shared."""

    leases: "Mapping[str, Lease]" = field(default_factory=dict)

    def recorders(self, executor: Executor) -> dict[str, LedgerRecorder]:
        """Return what writes for each account, as long as it is ours."""
        return {
            account: LedgerRecorder(leased)
            for account, leased in self.executors(executor).items()
        }

    def executors(self, executor: Executor) -> dict[str, Executor]:
        """Return what works on the ledger for each account, as long as it is ours."""
        if not self.leases:
            return {}
        from bulkbind.ledger.leased import LeasedExecutor

        return {
            account: LeasedExecutor(executor, lease)
            for account, lease in self.leases.items()
        }

    def keepers(self, executor: Executor) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return what goes on owning each account while nothing is written."""
        return {
            account: partial(_keep, leased)
            for account, leased in self.executors(executor).items()
        }


@contextmanager
def owning(
    ledger: Ledger, lanes: Sequence[Lane], connections: Connections
) -> Iterator[Owned]:
    """Own the accounts of some lanes while the block runs.

    Args:
        ledger: The run's, open to be written, in no transaction.
        lanes: All of the run.
        connections: Open; an account that another host worked last is paused until
            its last window is over.

    Raises:
        JobBusy: Another process owns an account.
    """
    if isinstance(ledger, SqliteLedger):
        yield Owned()
        return
    owner = _owner(connections.host)
    leases: dict[str, Lease] = {}
    try:
        for account in sorted({lane.account for lane in lanes}):
            leases[account] = _take(ledger, account, leases, connections, owner)
        yield Owned(leases)
    finally:
        with suppress(StateError):  # it will expire
            for lease in leases.values():
                lease.release(ledger.session)  # type: ignore[attr-defined]


def _take(
    ledger: Ledger,
    account: str,
    leases: "Mapping[str, Lease]",
    connections: Connections,
    owner: str,
) -> "Lease":
    from bulkbind.ledger.lease import take

    counted = connections.counted[account]
    for lease in leases.values():
        if lease.account == counted:  # two names of a job for one account
            return lease
    lease = take(ledger.session, counted, owner=owner)  # type: ignore[attr-defined]
    pace = connections.paces[account]
    is_new_here = lease.before.partition(" ")[0] != owner.partition(" ")[0]
    if is_new_here and (seconds := lease.pause_s(pace.ceiling.window_s)):
        pace.pause(seconds)
    return lease


def _owner(host: HostFolder) -> str:
    """Name this process; processes that share a release log begin alike."""
    shared = f"{platform.node()}:{host.path}".replace(" ", "_")
    return f"{shared} pid {os.getpid()} {secrets.token_hex(4)}"


async def _keep(executor: Executor) -> None:
    """Renew a lease three times as often as it must be.

    Raises:
        LeaseLost: Somebody else owns the account.
    """
    from bulkbind.ledger.lease import TTL_S

    while True:
        await anyio.sleep(TTL_S / 3)
        await executor.do(lambda _: None)  # the lease is renewed with any work
