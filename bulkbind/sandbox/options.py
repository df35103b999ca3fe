"""How a sandbox behaves: frozen values, and what each means."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from bulkbind.sandbox.account import Account
from bulkbind.sandbox.answers import Rules
from bulkbind.sandbox.faults import Fault
from bulkbind.sandbox.scenarios import parse_weather
from bulkbind.sandbox.weather import Weather, add_shares


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """What a sandbox does beyond obeying the contract.

    Shares are of attaches and detaches, from 0 to 1; together, those of ``weather``
    with them, at most 1. Which ones they hit depends on the seed, the gateway and how
    many came before on it.
    """

    latency_s: float = 0.0
    """Seconds before each answer; an attach keeps its gateway busy for them."""
    rate: tuple[int, float] | None = None
    """(N, W): per project, N requests in any W seconds; None: any number."""
    error_before: float = 0.0
    """Share answered 500 ``APIG.9999`` without effect."""
    error_after: float = 0.0
    """Share answered 500 ``APIG.9999`` after the effect."""
    lost_before: float = 0.0
    """Share whose connection is cut without effect."""
    lost_after: float = 0.0
    """Share whose connection is cut after the effect."""
    weather: Weather | None = None
    """Further faults, and conditions; ``parse_weather`` reads one from text. None: the
    weather that the world keeps, and if it keeps none, a calm one."""
    seed: int = 0
    token: str = "sandbox"  # noqa: S105 - documented, and worth nothing
    """Accepted in ``X-Auth-Token``, besides ``sandbox``."""
    account: Account = field(default_factory=Account)
    """Who is let in besides, and what they may do."""
    rules: Rules = field(default_factory=Rules)

    def whole_weather(self, *, kept: str = "") -> Weather:
        """Return the weather with the four shares above in it.

        Args:
            kept: What the world keeps.

        Raises:
            ValueError: All shares together are more than 1, or what is kept cannot be
                read.
        """
        weather = parse_weather(kept) if self.weather is None else self.weather
        shares = {
            Fault.ERROR_BEFORE: self.error_before,
            Fault.ERROR_AFTER: self.error_after,
            Fault.LOST_BEFORE: self.lost_before,
            Fault.LOST_AFTER: self.lost_after,
        }
        return add_shares(weather, shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where a sandbox takes time from: the machine's, or a test's."""

    now_ns: Callable[[], int] = time.time_ns
    """Behind ``attached_time``: nanoseconds since the epoch."""
    monotonic: Callable[[], float] = time.monotonic
    """Behind rate limits, outages and lags: seconds that never go back."""
    sleep: Callable[[float], Awaitable[object]] = anyio.sleep
    """Behind ``latency_s`` (called for every request, with 0 too) and slow bodies."""
