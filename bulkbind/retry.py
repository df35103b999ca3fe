"""A failed request -> how far it reaches, how long to wait, what to advise.

The code decides; the status where the code is unknown; the text never. Codes come in
three families: ``APIG.nnnn`` (the management service), ``APIC.nnnn`` (the instance
service) and ``APIGW.nnnn`` (the cloud's own front gateway, also spelled
``APIG.0nnn``). Source: APIG error codes; API signing guide, gateway error codes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from bulkbind.model import Cause, OurCode, Reply, Scope


class Rule(NamedTuple):
    """How a failure is judged, and what its owner should do."""

    scope: Scope
    meaning: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long to try; times in seconds."""

    max_attempts: int = 5
    """Requests for the same ids before their state is given up as unknown."""
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    busy_longest_wait_s: float = 10.0
    busy_timeout_s: float = 1800.0
    """How long a gateway may answer that it is busy before its lane is parked."""
    budget: int = 500
    """Retries a run may be ahead of its good answers; spent: the run stops."""
    breaker_failures: int = 5
    """Failures in a row that open a lane's breaker."""
    breaker_probes: int = 3
    """Probes that may fail before an open lane, or account, is given up."""
    probe_wait_s: float = 5.0
    """Before the first probe; doubled for each next one."""
    longest_probe_wait_s: float = 60.0
    second_look_s: float = 10.0
    """Between two readings that both must miss an id to prove it is not there."""


_TOKEN = "get a new token and resume"  # noqa: S105 - advice
_RIGHTS = "grant the credential apig:plugin:bindApi on this gateway, then resume"
_LATER = "nothing to do: bulkbind tries again"


def _rules(scope: Scope, meaning: str, advice: str, *codes: str) -> dict[str, Rule]:
    return dict.fromkeys(codes, Rule(scope, meaning, advice))


#: Every code that is judged by itself.
RULES: dict[str, Rule] = {
    **_rules(
        Scope.ITEM,
        "the API does not exist on this gateway",
        "correct or drop the API id, or create the API",
        "APIG.3002",
    ),
    **_rules(
        Scope.ITEM,
        "the API is not published in this environment",
        "publish the API to the environment, then run failed.csv",
        "APIG.3707",
        "APIG.3015",
        "APIG.3022",
    ),
    **_rules(
        Scope.ITEM,
        "the API belongs to another gateway or account",
        "check the row's instance_id and account",
        "APIG.1201",
        "APIG.3411",
    ),
    **_rules(
        Scope.ITEM,
        "no right on this API",
        "grant the credential the right on the API",
        "APIG.1102",
    ),
    **_rules(
        Scope.ITEM,
        "a parameter is refused",
        "check the row's ids",
        *(f"APIG.20{number:02}" for number in range(14)),
    ),
    **_rules(
        Scope.TARGET,
        "the plug-in does not exist on this gateway",
        "check plugin_id and instance_id, or create the plug-in",
        "APIG.3068",
    ),
    **_rules(
        Scope.TARGET,
        "the environment does not exist on this gateway",
        "check env_id and instance_id",
        "APIG.3003",
    ),
    **_rules(
        Scope.TARGET,
        "no right on this environment",
        "grant the credential the right on the environment",
        "APIG.1103",
    ),
    **_rules(
        Scope.TARGET,
        "the gateway does not support this plug-in type",
        "upgrade the gateway, or leave this plug-in out",
        "APIG.3458",
    ),
    **_rules(
        Scope.GATEWAY,
        "the gateway does not exist",
        "check instance_id, project_id and the endpoint's region",
        "APIG.3030",
        "APIC.7302",
    ),
    **_rules(
        Scope.GATEWAY,
        "the gateway is locked",
        "look at the gateway in the console (an unpaid order locks it), then resume",
        "APIC.7711",
        "APIC.7712",
    ),
    **_rules(
        Scope.GATEWAY,
        "no right on this gateway",
        _RIGHTS,
        "APIG.1136",
        "APIG.1005",
        "APIG.1020",
    ),
    **_rules(
        Scope.GATEWAY,
        "the endpoint does not know this operation",
        "check the endpoint: host, region and product",
        "APIGW.0101",
    ),
    **_rules(
        Scope.ACCOUNT,
        "the token is missing, wrong or expired",
        _TOKEN,
        "APIG.1000",
        "APIG.1001",
        "APIG.1002",
        "APIGW.0307",
    ),
    **_rules(
        Scope.ACCOUNT,
        "the token has the wrong scope",
        "get a token with project scope, then resume",
        "APIG.1003",
        "APIG.1007",
        "APIG.1009",
    ),
    **_rules(
        Scope.ACCOUNT,
        "the account may not use the service",
        "look at the account's state: real name, balance, freeze",
        "APIG.1011",
        "APIG.1012",
        "APIG.1013",
        "APIGW.0310",
    ),
    **_rules(
        Scope.ACCOUNT,
        "the credential is refused",
        "check the credential; wrong keys tried five times are locked for five minutes",
        "APIGW.0301",
        "APIGW.0302",
        "APIGW.0303",
        "APIGW.0304",
        "APIGW.0305",
        "APIGW.0306",
        "APIGW.0401",
        "APIGW.0402",
        "APIGW.0801",
        "APIGW.0802",
    ),
    **_rules(Scope.THROTTLE, "too many requests", _LATER, "APIGW.0308", "APIG.9008"),
    **_rules(
        Scope.BUSY,
        "another operation is under way on the gateway",
        _LATER,
        "APIG.3500",
        "APIG.3718",
        "APIC.7701",
    ),
    **_rules(
        Scope.AMBIGUOUS,
        "the service, or one it depends on, failed",
        "resume when the service is well again",
        "APIG.1010",
        "APIG.1029",
        "APIG.9004",
        "APIG.9005",
        "APIG.9006",
        "APIG.9007",
        "APIG.9999",
        "APIC.9000",
        "APIC.9100",
        "APIC.9999",
        "APIGW.0601",
        "APIGW.0605",
        "APIGW.0606",
        "APIGW.0608",
        "APIGW.0609",
        "APIGW.0610",
        "APIGW.0611",
        "APIGW.0613",
        "APIGW.0705",
    ),
    **_rules(
        Scope.AMBIGUOUS,
        "the answer could not be read",
        "resume; what the gateway did is not known",
        OurCode.REPLY_MALFORMED,
    ),
}

#: Codes of ours that stand in reports and are never answered by a gateway.
OUR_CODES: dict[str, Rule] = {
    OurCode.DUPLICATE: Rule(
        Scope.ITEM, "another line asks for the same binding", "nothing to do"
    ),
    OurCode.SUPERSEDED: Rule(
        Scope.ITEM,
        "another line gives this API a plug-in of the same type",
        "keep one of the two lines",
    ),
    OurCode.INVALID: Rule(
        Scope.ITEM, "the row cannot be sent as it stands", "correct the row"
    ),
    OurCode.NOT_REACHED: Rule(
        Scope.TRANSIENT,
        "no connection could be made",
        "check the endpoint and the network, then resume",
    ),
    OurCode.ANSWER_LOST: Rule(
        Scope.AMBIGUOUS,
        "the request left, and no whole answer came back",
        "resume: sending again is safe",
    ),
    OurCode.NOT_NAMED: Rule(
        Scope.AMBIGUOUS,
        "the gateway's receipt does not name this API",
        "resume: sending again is safe",
    ),
    OurCode.NOT_READ_BACK: Rule(
        Scope.AMBIGUOUS,
        "detached, and not read back as gone",
        "resume, or verify the run",
    ),
    OurCode.API_UNKNOWN: Rule(
        Scope.ITEM,
        "the gateway's list of APIs does not have it",
        "correct or drop the API id, or create the API",
    ),
    OurCode.API_UNPUBLISHED: Rule(
        Scope.ITEM,
        "the gateway's list shows the API as not published in this environment",
        "publish the API to the environment, then run failed.csv",
    ),
    OurCode.INTERRUPTED: Rule(
        Scope.TRANSIENT, "the run ended before it knew", "resume the run"
    ),
    OurCode.STOPPED: Rule(Scope.TRANSIENT, "the run was stopped", "resume the run"),
    OurCode.BUSY_TOO_LONG: Rule(
        Scope.BUSY,
        "the gateway said for too long that it is busy",
        "find out what keeps the gateway busy, then resume",
    ),
    OurCode.OUTAGE: Rule(
        Scope.GATEWAY,
        "the gateway failed too often in a row",
        "resume when the gateway is well again",
    ),
}

#: What a status means when the code says nothing; by hundreds where it is not here.
_BY_STATUS = {
    **dict.fromkeys((400, 404, 405, 409, 410, 412, 413, 414, 422, 431), Scope.ITEM),
    **dict.fromkeys((401, 407), Scope.ACCOUNT),
    408: Scope.AMBIGUOUS,
    429: Scope.THROTTLE,
}
_BY_HUNDREDS = {2: Scope.DONE, 5: Scope.AMBIGUOUS}


#: A longer ``Retry-After`` is cut to this; the next answer will say it again.
LONGEST_RETRY_AFTER_S = 3600.0


def canonical(code: str) -> str:
    """Spell a front-gateway code one way: ``APIG.0308`` is ``APIGW.0308``."""
    family, _, number = code.partition(".")
    return f"APIGW.{number}" if family == "APIG" and number[:1] == "0" else code


def classify(reply: Reply) -> Scope:
    """Tell how far a reply reaches: the code decides, else the status."""
    rule = RULES.get(canonical(reply.code))
    if rule is not None and reply.status:
        return rule.scope
    return _by_status(reply)


def _by_status(reply: Reply) -> Scope:
    if not reply.status:
        return Scope.AMBIGUOUS if reply.left else Scope.TRANSIENT
    by_hundreds = _BY_HUNDREDS.get(reply.status // 100, Scope.GATEWAY)
    return _BY_STATUS.get(reply.status, by_hundreds)


def advise(code: str) -> str:
    """Return what to do about a code, or an empty text."""
    rule = RULES.get(canonical(code)) or OUR_CODES.get(code)
    return rule.advice if rule else ""


def backoff(
    attempt: int, *, policy: RetryPolicy, chance: float, busy: bool = False
) -> float:
    """Return how long to wait after a failed attempt: exponential, full jitter.

    Args:
        attempt: Failures so far, from 1.
        policy: First and longest wait.
        chance: A random number in [0, 1).
        busy: The gateway said it is busy: the shorter ceiling holds.

    Returns:
        Seconds, never 0: at least a twentieth of the ceiling.
    """
    longest = policy.busy_longest_wait_s if busy else policy.longest_wait_s
    ceiling = min(longest, policy.first_wait_s * 2.0 ** min(attempt - 1, 30))
    return ceiling * (0.05 + 0.95 * chance)


def read_retry_after(text: str, *, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, at most an hour.

    Args:
        text: Seconds or an HTTP date, as it came.
        now: Seconds since the epoch.

    Returns:
        None: the header is missing or says nothing that can be read.
    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
        seconds -= now
    if not 0 <= seconds < float("inf"):
        return None
    return min(seconds, LONGEST_RETRY_AFTER_S)


_LIMIT = re.compile(
    r"limit:\s*(\d{1,9}),\s*time:\s*(\d{1,6})\s*(second|minute|hour|day)"
)
_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


def read_limit(message: str) -> tuple[int, float] | None:
    """Return the limit that a throttling message names: N and W in seconds.

    Source: FAQ APIG.0308: "policy user over ratelimit,limit:N,time:M unit".
    """
    match = _LIMIT.search(message)
    if not match or not int(match[1]) or not int(match[2]):
        return None
    return int(match[1]), int(match[2]) * _UNITS[match[3]]


def cause_of(scope: Scope) -> Cause:
    """Return whom a report blames for a failure of this scope."""
    return {
        Scope.ITEM: Cause.ITEM,
        Scope.TARGET: Cause.TARGET,
        Scope.GATEWAY: Cause.GATEWAY,
        Scope.ACCOUNT: Cause.ACCOUNT,
    }.get(scope, Cause.OUTAGE)


def explained() -> Iterable[tuple[str, Rule]]:
    """Yield every code with its rule, ours last."""
    yield from sorted(RULES.items())
    yield from sorted(OUR_CODES.items())
