"""How often and how long to try, and what an answer says of it."""

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

#: A longer ``Retry-After`` is cut to this; the next answer will say it again.
LONGEST_RETRY_AFTER_S = 3600.0


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
