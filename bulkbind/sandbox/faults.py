"""Which fault a request meets: decided here, acted out in ``app.py``. Pure."""

import hashlib
from enum import StrEnum

from bulkbind.sandbox.options import SandboxOptions


class Fault(StrEnum):
    """What happens to one attach or detach."""

    NONE = "none"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"


#: Faults that keep the request from having its effect.
BEFORE = frozenset({Fault.ERROR_BEFORE, Fault.LOST_BEFORE})


def decide(options: SandboxOptions, *, gateway: str, number: int) -> Fault:
    """Decide the fate of a gateway's ``number``-th change.

    One seed, one fate: it depends on nothing else, above all not on what other
    gateways are doing meanwhile.

    Args:
        options: The shares, and the seed.
        gateway: The instance id.
        number: How many changes came before on this gateway.
    """
    chance = _chance(f"{options.seed}:{gateway}:{number}")
    for fault, share in (
        (Fault.ERROR_BEFORE, options.error_before),
        (Fault.ERROR_AFTER, options.error_after),
        (Fault.LOST_BEFORE, options.lost_before),
        (Fault.LOST_AFTER, options.lost_after),
    ):
        if chance < share:
            return fault
        chance -= share
    return Fault.NONE


def _chance(key: str) -> float:
    """Return a number from 0 up to 1 that depends on the key alone."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
