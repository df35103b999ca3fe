"""Which fault a request meets: decided here, acted out in ``acts.py``. Pure.

A fate depends on the seed, the gateway and how many requests of its kind came before
on that gateway, and on nothing else: above all not on what other gateways are doing
meanwhile.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, NamedTuple


class Fault(StrEnum):
    """What happens to one request.

    ``…_before``: the request has no effect. ``…_after``: it has had all of it, and
    only the answer is wrong; a refusal stays the refusal it is.
    """

    NONE = "none"

    # attach and detach: an answer that says nothing of what happened
    ERROR_BEFORE = "error_before"  # 500 APIG.9999
    ERROR_AFTER = "error_after"
    LOST_BEFORE = "lost_before"  # the connection is cut before any answer
    LOST_AFTER = "lost_after"
    DEPENDENCY_BEFORE = "dependency_before"  # 500 APIG.9004
    DEPENDENCY_AFTER = "dependency_after"
    BUSY_BEFORE = "busy_before"  # 500 APIG.3500, though nothing else is under way
    BUSY_AFTER = "busy_after"
    HTTP_502_BEFORE = "http_502_before"  # a web page
    HTTP_502_AFTER = "http_502_after"
    HTTP_503_BEFORE = "http_503_before"  # APIGW.0613
    HTTP_503_AFTER = "http_503_after"
    HTTP_504_BEFORE = "http_504_before"  # APIGW.0201
    HTTP_504_AFTER = "http_504_after"
    HTML_200_BEFORE = "html_200_before"  # a web page that looks like success
    HTML_200_AFTER = "html_200_after"

    # attach and detach: refused by the front gateway, without effect
    TOO_MANY = "too_many"  # 500 APIG.9008
    HTTP_429 = "http_429"  # APIGW.0308, without Retry-After
    HTTP_429_SECONDS = "http_429_seconds"  # Retry-After: 1
    HTTP_429_DATE = "http_429_date"  # Retry-After: an HTTP date
    EXPIRED = "expired"  # 401 APIG.1001; the same token is good afterwards

    # attach and detach: the whole effect, and a body that takes time or ends early
    CUT = "cut"  # Content-Length is true, and fewer bytes come
    SLOW_BODY = "slow_body"  # half the body, a pause, the rest

    # attach: the whole effect, and a 201 that does not say so
    EMPTY_201 = "empty_201"  # {}
    NOT_JSON_201 = "not_json_201"
    PARTIAL_RECEIPT = "partial_receipt"  # about a third of the records left out

    # attach: a 201, and part of the effect. Source: apig-contract.md 3.4
    PARTIAL_EFFECT = "partial_effect"  # what is not bound has no record
    FAILED_BINDINGS = "failed_bindings"  # bindings[].binding_result.status FAILED
    FAILED_NAMED = "failed_named"  # the same, and attached_plugins names them too
    FAILURE_LIST = "failure_list"  # {success, failure}, as in BatchPublish

    # attach and detach, if an API is refused: how it is told, and what became of others
    HINT_PRESENT = "hint_present"  # names the first API at fault
    HINT_ABSENT = "hint_absent"
    HINT_LYING = "hint_lying"  # names a good API of the request
    HINT_ALL = "hint_all"  # names every API at fault
    HINT_PLUGIN = "hint_plugin"  # names the plug-in
    NON_ATOMIC = "non_atomic"  # every good API of the attach is bound
    FAIL_FAST = "fail_fast"  # those before the first bad one are bound

    # reading calls
    READ_ERROR = "read_error"  # 500 APIG.9999
    READ_LOST = "read_lost"
    READ_502 = "read_502"
    READ_503 = "read_503"
    READ_429 = "read_429"  # Retry-After: 1
    READ_EXPIRED = "read_expired"
    READ_CUT = "read_cut"
    READ_SLOW_BODY = "read_slow_body"
    SHORT_PAGE = "short_page"  # the first half of what the page should hold
    REPEATED_PAGE = "repeated_page"  # the first page, whatever offset was asked for
    MOVING_TOTAL = "moving_total"  # total is up to 3 more or less


#: Faults of reading calls; the others are of attaches and detaches.
READS = frozenset(
    fault
    for fault in Fault
    if fault.startswith("read_")
    or fault in {Fault.SHORT_PAGE, Fault.REPEATED_PAGE, Fault.MOVING_TOTAL}
)

#: Faults that keep a request from its effect, and its rules from being asked.
BEFORE = frozenset(
    fault
    for fault in Fault
    if fault.endswith("_before")
    or fault.startswith("http_429")
    or fault
    in {
        Fault.TOO_MANY,
        Fault.EXPIRED,
        Fault.READ_ERROR,
        Fault.READ_LOST,
        Fault.READ_502,
        Fault.READ_503,
        Fault.READ_429,
        Fault.READ_EXPIRED,
    }
)


class Turn(NamedTuple):
    """Whose fate is decided: the ``number``-th request of a kind on a gateway."""

    seed: int
    gateway: str
    """The instance id; empty for the list of gateways."""
    number: int
    """How many of this kind came before on this gateway."""
    kind: Literal["change", "read"] = "change"

    def chance(self, what: str = "") -> float:
        """Return a number from 0 up to 1: the same for the same turn and ``what``."""
        parts = [f"{self.seed}:{self.gateway}:{self.number}"]
        parts += ["read"] if self.kind == "read" else []
        parts += [what] if what else []
        return chance(":".join(parts))


class Plan(NamedTuple):
    """Shares of faults among the requests of one kind; made by ``make_plan``."""

    shares: tuple[tuple[Fault, float], ...] = ()
    longest_run: int = 0
    """After so many faults in a row on a gateway comes a request without; 0: no
    bound."""


#: Nothing goes wrong.
NO_FAULTS = Plan()


def make_plan(shares: Mapping[Fault, float], *, longest_run: int = 0) -> Plan:
    """Put shares in the one order that fates are decided in.

    Raises:
        ValueError: A share is not from 0 to 1, or all together are more than 1.
    """
    given = tuple((fault, shares[fault]) for fault in Fault if shares.get(fault))
    wrong = [fault for fault, share in given if not 0 <= share <= 1]
    if wrong:
        message = f"{', '.join(wrong)}: a share is from 0 to 1"
        raise ValueError(message)
    total = sum(share for _, share in given)
    if total > 1 + 1e-9:
        names = ", ".join(fault for fault, _ in given)
        message = f"{names}: the shares are {total:g} together, and at most 1"
        raise ValueError(message)
    return Plan(given, longest_run)


def decide(plan: Plan, turn: Turn) -> Fault:
    """Decide the fate of a request."""
    fault = _draw(plan, turn)
    if fault is Fault.NONE or not plan.longest_run:
        return fault
    before = 0
    while before < turn.number and _hits(plan, turn, number=turn.number - before - 1):
        before += 1
    spared = before % (plan.longest_run + 1) == plan.longest_run
    return Fault.NONE if spared else fault


def _hits(plan: Plan, turn: Turn, *, number: int) -> bool:
    return _draw(plan, turn._replace(number=number)) is not Fault.NONE


def _draw(plan: Plan, turn: Turn) -> Fault:
    if not plan.shares:
        return Fault.NONE
    left = turn.chance()
    for fault, share in plan.shares:
        if left < share:
            return fault
        left -= share
    return Fault.NONE


def pick(ids: list[str], turn: Turn, *, share: float = 1 / 3) -> list[str]:
    """Pick some of a request's ids: about a share of them.

    At least one; of several, not all.
    """
    ranks = {one: turn.chance(f"id:{one}") for one in ids}
    picked = sum(rank < share for rank in ranks.values())
    count = max(1, min(picked, len(ranks) - 1))
    chosen = set(sorted(ranks, key=ranks.__getitem__)[:count])
    return [one for one in ranks if one in chosen]


def chance(key: str) -> float:
    """Return a number from 0 up to 1 that depends on the key alone."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
