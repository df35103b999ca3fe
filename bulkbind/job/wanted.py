"""How an invocation wants the accounts of a shared run worked: a fact of its ledger."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from bulkbind.errors import LedgerMismatch, RefusedForSafety
from bulkbind.ledger import Ledger
from bulkbind.settings import JobSettings, installed_version
from bulkbind.state.facts import freeze, thaw

_WANTED = "accounts"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an invocation wants its accounts worked."""

    invocation: int
    settings: JobSettings
    command: str
    take_failed: bool
    leave: float = 0
    """Plug-ins that each account may displace beyond what its pictures showed."""
    is_approved: bool = False
    """What all accounts would displace was added up, and is allowed."""


def keep_wanted(ledger: Ledger, wanted: Wanted) -> None:
    """Write it down, in the transaction that is open."""
    fact = {
        "invocation": wanted.invocation,
        "settings": freeze(wanted.settings),
        "command": wanted.command,
        "take_failed": wanted.take_failed,
        "leave": None if math.isinf(wanted.leave) else wanted.leave,
        "is_approved": wanted.is_approved,
    }
    ledger.put_meta({_WANTED: json.dumps(fact)})


def read_wanted(ledger: Ledger) -> Wanted:
    """Read what the newest invocation wants.

    Raises:
        LedgerMismatch: There is none.
    """
    try:
        fact = json.loads(ledger.meta()[_WANTED])
    except KeyError:
        message = "nobody has begun to work on this run: call list_accounts first"
        raise LedgerMismatch(message) from None
    leave = math.inf if fact["leave"] is None else fact["leave"]
    return Wanted(**{**fact, "settings": thaw(fact["settings"]), "leave": leave})


def refuse_unapproved(wanted: Wanted) -> None:
    """Send nothing before everything was judged.

    Raises:
        RefusedForSafety: It was not.
    """
    if not wanted.is_approved:
        message = (
            "what this run would displace was not approved; nothing was sent: call"
            " approve after every account was judged"
        )
        raise RefusedForSafety(message)


def refuse_version(facts: Mapping[str, str]) -> None:
    """Let only the version that planned a run work its accounts."""
    if facts["tool"] != installed_version():
        message = (
            f"the run was planned by bulkbind {facts['tool']}, and this machine has"
            f" {installed_version()}; install the same version on every machine"
        )
        raise LedgerMismatch(message)
