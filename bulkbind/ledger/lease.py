"""One owner at a time for an account: a row that every write renews, by its epoch.

The row's epoch rises with each owner, and a write of an older one is refused within the
transaction that it belongs to: an owner that was frozen is fenced at its first write,
before anything leaves. A lease is free when it was released, when it has expired, or as
soon as the server knows that its owner's connection has ended: each epoch has an
advisory lock of that connection's session.

All lanes of an account are worked by its owner, so its pace is exact without asking
anybody. A new owner on another host counts the last window as full: it waits until the
last renewal, before which the last request left, is one window old.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from bulkbind.errors import JobBusy, LeaseLost, LedgerFailed
from bulkbind.ledger import postgres_schema as schema
from bulkbind.ledger.postgres_session import Session

#: How long an owner may be silent; it renews three times as often.
TTL_S = 15.0


class Terms(NamedTuple):
    """How leases are given."""

    ttl_s: float = TTL_S
    """Seconds that a lease holds after each renewal."""
    now: float | None = None
    """Seconds since 1970, for tests; None: the server's clock."""


USUAL = Terms()


@dataclass(slots=True)
class Lease:
    """An account that a session owns, as far as it knows."""

    account: str
    """Where it is, and its project: what a pace is counted by."""
    owner: str
    epoch: int
    """From 1; higher than that of every earlier owner."""
    before: str
    """Who owned the account before; empty: nobody."""
    silent_s: float
    """Seconds since the earlier owner's last renewal or release."""
    _link: int
    """The session's connection that holds the lock of the epoch."""

    def renew(self, session: Session, terms: Terms = USUAL) -> None:
        """Go on owning the account; in the transaction of what is written.

        Raises:
            LeaseLost: Somebody else owns it, or it was released; the transaction must
                not be kept.
        """
        if self._link != session.links:
            session.do(_never_idle(terms))
            session.one(schema.HOLD_EPOCH, _key(self.account, self.epoch))
            self._link = session.links
        place = (self.account, self.owner, self.epoch)
        if not session.one(
            schema.RENEW_LEASE, terms.now, terms.now, terms.ttl_s, *place
        ):
            raise LeaseLost(self.account)

    def release(self, session: Session, terms: Terms = USUAL) -> None:
        """Let the next owner take the account at once; does nothing to another's."""
        place = (self.account, self.owner, self.epoch)
        session.do(schema.RELEASE_LEASE, terms.now, *place)
        session.do(schema.DROP_EPOCH, _key(self.account, self.epoch))

    def pause_s(self, window_s: float) -> float:
        """Return how long nothing may be sent, so that the last window counts as full.

        Args:
            window_s: The window of the account's pace, in seconds.
        """
        return max(0.0, window_s - self.silent_s) if self.before else 0.0


def take(session: Session, account: str, *, owner: str, terms: Terms = USUAL) -> Lease:
    """Own an account from now on.

    Args:
        session: Connected; its connection stands for the owner being alive.
        account: Where the account is, and its project.
        owner: Names this process, for people and against mistakes.
        terms: How long the lease holds.

    Raises:
        JobBusy: Somebody owns it, is connected, and has renewed it in time.
        LedgerFailed: The database cannot be used.
    """
    session.do(_never_idle(terms))
    session.do(schema.SHORTLY)
    session.begin()
    try:
        lease = _take(session, account, owner, terms)
        session.commit()
    except (JobBusy, LedgerFailed) as error:
        session.rollback()
        if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            _cut_off(session, account, terms)
            raise JobBusy(account, "its owner, who writes just now") from error
        raise
    session.do(schema.NO_HURRY)
    return lease


def _take(session: Session, account: str, owner: str, terms: Terms) -> Lease:
    session.do(schema.NEW_LEASE, account)
    before, epoch, expires, renewed, now = session.one(
        schema.GET_LEASE, terms.now, account
    )
    if expires > now:
        (is_free,) = session.one(schema.IS_EPOCH_FREE, _key(account, epoch))
        if not is_free:
            raise JobBusy(account, before)
    new = epoch + 1
    values = (owner, new, now + terms.ttl_s, now, account)
    session.do(schema.TAKE_LEASE, *values)
    session.one(schema.HOLD_EPOCH, _key(account, new))
    return Lease(account, owner, new, before, now - renewed, session.links)


def _cut_off(session: Session, account: str, terms: Terms) -> None:
    """End the connection of an owner who stands still in a transaction, and is late.

    The server does so, too, but not everywhere in a transaction (``do_each``).
    """
    found = session.one(schema.IS_LEASE_OVER, terms.now, account)
    if found and found[1]:
        with suppress(LedgerFailed):  # of another role: the server ends it
            session.do(schema.CUT_OFF, _key(account, found[0]))


def _never_idle(terms: Terms) -> str:
    return schema.NEVER_IDLE.format(milliseconds=int(1000 * terms.ttl_s))


def _key(account: str, epoch: int) -> int:
    """Return the number of the advisory lock of an epoch; 63 bits never meet."""
    text = f"bulkbind lease {epoch} {account}".encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
