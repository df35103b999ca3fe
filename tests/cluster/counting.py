"""What faults did to a run on many machines: who owned what, what was sent again."""

import subprocess
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence

import psycopg

from bulkbind.sandbox import Entry
from tests.cluster.accounts import name_of
from tests.factories import hex_id

_LEASES = "SELECT account, owner, expires > 0 FROM bulkbind.lease"


def gateway_of(account: str) -> str:
    """Return the gateway that ``rows_of_accounts`` gives an account."""
    return hex_id("gateway", int(account.removeprefix("team")))


def owners(database: str) -> dict[str, int]:
    """Return the process that owns each account; one that ended may be among them."""
    return {account: pid for account, pid, holds in _leases(database) if holds}


def workers_of(database: str) -> dict[str, int]:
    """Return the process that owned each account last."""
    return {account: pid for account, pid, _ in _leases(database)}


def _leases(database: str) -> list[tuple[str, int, bool]]:
    with psycopg.connect(database, autocommit=True) as connection:
        rows = connection.execute(_LEASES).fetchall()
    return [(_account(at), int(owner.split()[2]), holds) for at, owner, holds in rows]


def _account(place: str) -> str:
    """Return the job's name of ENDPOINT/PROJECT, as ``write_accounts`` gives projects."""
    return name_of(int(place.rpartition("/")[2], 16) - 1)


def owned_by(worker: subprocess.Popen[bytes], database: str) -> set[str]:
    """Return the accounts that a worker owns; it should stand still."""
    found = owners(database).items()
    return {account for account, pid in found if pid == worker.pid}


def repeats(journal: Iterable[Entry]) -> Counter[str]:
    """Count the attaches that sent a batch once more, by gateway."""
    seen, again = set[tuple[str, ...]](), Counter[str]()
    for entry in journal:
        again[entry.path["instance_id"]] += entry.ids in seen
        seen.add(entry.ids)
    return +again


def pauses_s(
    journal: Sequence[Entry], accounts: Iterable[str], at: float
) -> list[float]:
    """Return how long nothing came for accounts that were interrupted.

    Args:
        journal: All attaches.
        accounts: Which were interrupted; those that had nothing left to send count not.
        at: When; seconds since the epoch.
    """
    first: dict[str, float] = {}
    for entry in journal:
        if entry.at > at:
            first.setdefault(entry.path["instance_id"], entry.at)
    gateways = map(gateway_of, accounts)
    return [first[one] - at for one in gateways if one in first]


def most_within(journal: Iterable[Entry], window_s: float) -> dict[str, int]:
    """Return the most attaches that came within a window of time, by gateway."""
    recent: dict[str, deque[float]] = defaultdict(deque)
    most: dict[str, int] = defaultdict(int)
    for entry in journal:
        gateway = entry.path["instance_id"]
        recent[gateway].append(entry.at)
        while recent[gateway][0] <= entry.at - window_s:
            recent[gateway].popleft()
        most[gateway] = max(most[gateway], len(recent[gateway]))
    return most
