"""What a sandbox has seen: for tests, and for people who wonder."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from bulkbind.sandbox.answers import Effect
from bulkbind.sandbox.faults import Fault


class Entry(NamedTuple):
    """One attach or detach in the journal."""

    at: float
    """Seconds since the epoch when it had been read whole."""
    route: str
    path: Mapping[str, str]
    env_id: str
    ids: tuple[str, ...]
    fault: Fault
    """Acted out on it."""
    status: int
    """What the rules said, whatever was answered; 0: they were not asked."""
    effect: Effect = Effect.NONE


@dataclass(slots=True)
class Counters:
    """What a sandbox has seen since it started."""

    requests: Counter[str] = field(default_factory=Counter)
    """By route name (the tables in ``routes.py``), any answer; refused by the
    front gateway: under ``unauthorized``, ``throttled``, ``no_route``."""
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By route name and answered status; 0: the connection was cut, before the answer
    or within it."""
    ids_posted: int = 0
    """Ids in the bodies of attaches and detaches."""
    overlaps: int = 0
    """Changes that came while another was under way on their gateway."""
    max_parallel_per_gateway: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    """How often each was acted out. One that could not be (a hint where nothing was
    refused, half a receipt of a detach) counts as none."""
    conditions: Counter[str] = field(default_factory=Counter)
    """Requests refused by a condition: ``away``, ``locked``, ``upgrading``,
    ``token_life``."""

    @property
    def attaches(self) -> int:
        """Attaches that reached a gateway, in either direction, any answer."""
        return self.requests["attach_apis"] + self.requests["attach_plugins"]


class _Posted(msgspec.Struct):
    env_id: str = ""
    api_ids: tuple[str, ...] = ()
    plugin_ids: tuple[str, ...] = ()


def posted_ids(body: bytes) -> tuple[str, tuple[str, ...]]:
    """Read the environment and the ids a body names; nothing if it cannot be read."""
    try:
        posted = msgspec.json.decode(body, type=_Posted)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", ()
    return posted.env_id, posted.api_ids + posted.plugin_ids
