"""What a seed is about: rows, gateways, weather, pace, and how its lives end. Pure."""

from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any

from bulkbind.errors import Fault as RowFault
from bulkbind.model import Row
from bulkbind.pace import Rate
from bulkbind.plan import OnConflict
from bulkbind.retry import RetryPolicy
from bulkbind.sandbox import (
    Ceiling,
    Fault,
    Outage,
    Rules,
    SandboxOptions,
    Slow,
    Weather,
    Where,
    make_plan,
)
from bulkbind.sandbox.faults import READS
from tests.factories import RELEASE
from tests.factories import hex_id as make_id

CHANGES = tuple(
    fault for fault in Fault if fault not in READS and fault is not Fault.NONE
)
TOO_FAST = frozenset(
    {Fault.TOO_MANY, Fault.HTTP_429, Fault.HTTP_429_SECONDS, Fault.HTTP_429_DATE}
)

#: Lists that do not show all there is.
ODD_LISTS = (Fault.SHORT_PAGE, Fault.REPEATED_PAGE, Fault.MOVING_TOTAL)

#: Only of how a refusal is told: no seed becomes restless by them.
HINTS = ("present", "absent", "lying", "all", "plugin")

#: Most items in a page.
MAX_PAGE = 500

#: Nothing that was bound is lost after these, and no good row is refused.
CALM = Weather()


hex_id = cache(make_id)


def seeded(*words: object) -> Random:
    """Return a source of chance of its own for each purpose of a seed."""
    return Random("/".join(map(str, words)))  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one life of the engine ends, if it does not end by itself."""

    how: str = "itself"
    """``itself``; ``kill``, ``drain`` or ``now`` at an instant; ``before`` or
    ``after``: killed at a commit, before or after it is durable."""
    after_s: float = 0.0
    commits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that a seed decides."""

    seed: int
    rows: tuple[Row, ...]
    absent: frozenset[str]
    """Plug-ins and gateways that rows name and that do not exist."""
    missing: int
    unpublished: int
    options: SandboxOptions
    batch_size: int
    on_conflict: OnConflict
    rate: Rate
    concurrency: int
    retry: RetryPolicy
    timeout_s: float
    way_s: float
    """Most seconds that a request or an answer is on its way."""
    unreachable: float
    """Share of requests for which no connection can be made."""
    commit_s: float
    """Most seconds that a commit takes."""
    shuffled: bool
    """Tasks that are ready run in a seeded order, not in that of their waking."""
    endings: tuple[Ending, ...]
    """One for each life before the sky clears."""
    keeps_server: bool
    """The same gateway process serves all lives; else each has a fresh one."""
    canary: tuple[int, ...] = ()
    """Ids in the first batches of each target; empty: there is no canary."""
    refusals: float = 0.0
    """Share of the questions about a canary that are answered with no."""

    @property
    def is_calm(self) -> bool:
        """Whether no request of its own meets a fault or a condition.

        A canary that is refused changes the order of the others, and with it who is
        found out by reading and who by a refusal.
        """
        return self.options.weather == CALM and not (
            self.unreachable or self.options.rate or self.refusals
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody who asks for a seed wants otherwise."""

    weather: Weather | None = None
    endings: tuple[Ending, ...] = ()
    """Empty: by seed."""
    is_clean: bool = False
    """Everything that rows name exists and is published."""


def draw(seed: int, *, wishes: Wishes | None = None) -> Case:
    """Draw what a seed is about.

    Args:
        seed: The same seed is the same case.
        wishes: What to have otherwise.
    """
    wishes = wishes or Wishes()
    rows, absent = _rows(seed, is_clean=wishes.is_clean)
    chance = seeded(seed, "run")
    weather = _weather(seed) if wishes.weather is None else wishes.weather
    sound = len({row.api_id for row in rows if row.fault is None})
    is_clean = chance.random() < 0.25 or wishes.is_clean
    case = Case(
        seed=seed,
        rows=rows,
        absent=absent,
        missing=0 if is_clean else chance.randint(0, sound // 3),
        unpublished=0 if is_clean else chance.randint(0, sound // 3),
        options=SandboxOptions(
            latency_s=chance.choice((0.0, 0.05, 0.3)),
            weather=weather,
            seed=seed,
            token=f"token-{seed}",
            rules=Rules(
                hint=chance.choice(HINTS),  # type: ignore[arg-type]
                on_bad=chance.choice(("refuse", "refuse", "bind_good", "bind_until")),
                reattach=chance.choice(("keep", "renew")),
            ),
            rate=chance.choice((None, None, (5, 1.0), (20, 60.0)))
            if weather != CALM
            else None,
        ),
        batch_size=chance.choice((1, 2, 5, 10, 30, 500)),
        on_conflict=chance.choice((OnConflict.FIRST, OnConflict.LAST)),
        rate=chance.choice((Rate(0, 0.0), Rate(10, 1.0), Rate(3, 1.0), Rate(9, 10.0))),
        concurrency=chance.choice((1, 2, 8)),
        retry=_retry(seed),
        timeout_s=chance.choice((5.0, 60.0)),
        way_s=chance.choice((0.0, 0.01, 0.5)),
        unreachable=0.0,
        commit_s=chance.choice((0.0, 0.002, 0.2)),
        shuffled=chance.random() < 0.7,
        endings=wishes.endings or _endings(seed),
        keeps_server=chance.random() < 0.7,
    )
    case = replace(case, **_canary(seed))
    if weather != CALM and chance.random() < 0.2:
        case = replace(case, unreachable=chance.choice((0.02, 0.2, 1.0)))
    return case


def _canary(seed: int) -> dict[str, Any]:
    chance = seeded(seed, "canary")
    if chance.random() < 0.6:
        return {}
    return {
        "canary": chance.choice(((1,), (1, 3), (2, 2, 5), (1, 10))),
        "refusals": chance.choice((0.0, 0.3, 0.9)),
    }


def _retry(seed: int) -> RetryPolicy:
    chance = seeded(seed, "retry")
    return RetryPolicy(
        max_attempts=chance.choice((1, 2, 3, 5)),
        budget=chance.choice((3, 20, 500, 500)),
        breaker_failures=chance.choice((2, 5)),
        breaker_probes=chance.choice((1, 3)),
        busy_timeout_s=chance.choice((0.0, 20.0, 1800.0)),
        probe_wait_s=chance.choice((0.5, 5.0)),
    )


# --- rows -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Ground:
    gateways: int
    plugins: int
    environments: int
    apis: int
    absent: set[str] = field(default_factory=set)


def _rows(seed: int, *, is_clean: bool) -> tuple[tuple[Row, ...], frozenset[str]]:
    chance = seeded(seed, "rows")
    count = chance.choice((3, 8, 20, 40, 60))
    ground = _Ground(
        gateways=chance.choice((1, 1, 2, 3, 4)),
        plugins=chance.choice((1, 1, 2, 3)),
        environments=chance.choice((1, 1, 2)),
        apis=chance.choice((count, 2 * count, max(2, count // 2))),
    )
    if chance.random() < 0.08:
        ground.absent.add(_plugin_id(0, chance.randrange(ground.plugins)))
    if chance.random() < 0.05:
        ground.absent.add(hex_id("gateway", chance.randrange(ground.gateways)))
    if is_clean:
        ground.absent.clear()
    rows = [_row(line, chance, ground) for line in range(2, count + 2)]
    if chance.random() < 0.5:  # most manifests are sorted by what they are about
        rows.sort(key=lambda row: (row.instance_id, row.plugin_id, row.env_id))
        rows = [row._replace(line=line) for line, row in enumerate(rows, start=2)]
    return tuple(rows), frozenset(ground.absent)


def _plugin_id(gateway: int, plugin: int) -> str:
    return hex_id("plugin", gateway, plugin)


def _row(line: int, chance: Random, ground: _Ground) -> Row:
    gateway = chance.randrange(ground.gateways)
    plugin = chance.randrange(ground.plugins)
    env_id = RELEASE if not chance.randrange(ground.environments) else "canary"
    fault = None
    if chance.random() < 0.02:
        fault = RowFault("apis.csv", line, "api_id", "it is wrong", "correct it")
    return Row(
        file=0,
        line=line,
        account=f"account-{gateway % 2}",
        project_id=hex_id("project", gateway % 2),
        instance_id=hex_id("gateway", gateway),
        plugin_id=_plugin_id(gateway, plugin),
        plugin_type=("cors", "rate_limit", "cors")[plugin],
        env_id=env_id,
        api_id=hex_id("api", gateway, chance.randrange(ground.apis)),
        fault=fault,
    )


# --- weather --------------------------------------------------------------------------


def _weather(seed: int) -> Weather:
    chance = seeded(seed, "weather")
    kind = chance.choice(
        ("calm", "light", "light", "storm", "outage", "told", "unwell")
    )
    if kind == "calm":
        return CALM
    if kind == "unwell":
        return _believable(_unwell(chance))
    shares: dict[Fault, float] = {}
    if kind == "outage":
        fault = chance.choice(CHANGES)
        # who says "too fast" for ever is waited for as long
        shares[fault] = 0.8 if fault in TOO_FAST else chance.choice((0.8, 1.0))
    elif kind != "told":
        many = chance.randint(1, 3) if kind == "light" else chance.randint(4, 8)
        for fault in chance.sample(CHANGES, many):
            shares[fault] = chance.uniform(0.02, 0.15 if kind == "light" else 0.12)
    reads = {
        fault: chance.uniform(0.05, 0.3)
        for fault in chance.sample(sorted(READS), chance.choice((0, 0, 1, 3)))
    }
    bound = chance.choice((0, 3)) if kind != "outage" else 0
    weather = Weather(
        changes=make_plan(shares, longest_run=bound),
        reads=make_plan(reads, longest_run=3),
    )
    return _believable(_with_conditions(weather, chance))


def _unwell(chance: Random) -> Weather:
    """Draw a server that answers every other change with a whole 5xx.

    What became of it has to be read back, from lists that lag and are odd.
    """
    base = chance.choice(("error", "dependency", "http_502", "http_503", "http_504"))
    shares = {
        Fault(f"{base}_before"): chance.choice((0.0, 0.3)),
        Fault(f"{base}_after"): chance.choice((0.1, 0.3)),
    }
    return Weather(
        changes=make_plan(shares),
        reads=make_plan({chance.choice(ODD_LISTS): 0.5}),
        lag_s=chance.choice((0.0, 8.0)),
        page_limit=chance.choice((3, MAX_PAGE)),
    )


def _with_conditions(weather: Weather, chance: Random) -> Weather:
    """Add a few of the conditions that last."""
    every: dict[str, Any] = {
        "lag_s": chance.choice((0.5, 3.0, 8.0)),
        "page_limit": chance.randint(1, 20),
        "jitter_s": chance.choice((0.1, 2.0)),
        "slow": Slow(chance.choice((1.0, 7.0, 70.0)), Where(0.5)),
        "outages": tuple(_outage(chance) for _ in range(chance.randint(1, 2))),
        "ceilings": (_ceiling(chance),),
        "retry_after": chance.choice(("seconds", "date")),
        "counts_refused": True,
        "token_life_s": chance.choice((3.0, 30.0)),
        "cut_at": chance.choice((0, 5)),
        "pause_s": chance.choice((0.5, 10.0)),
    }
    return replace(
        weather, **{name: every[name] for name in every if chance.random() < 0.2}
    )


def _believable(weather: Weather) -> Weather:
    """Leave out the one lie that nobody can see through.

    A total that is too small by just what the gateway left out of a page that it cut
    shorter than was asked for looks like a whole list.
    """
    shares = dict(weather.reads.shares)
    if weather.page_limit < MAX_PAGE:
        shares.pop(Fault.MOVING_TOTAL, None)
    return replace(
        weather, reads=make_plan(shares, longest_run=weather.reads.longest_run)
    )


def _outage(chance: Random) -> Outage:
    begin = chance.uniform(0, 10)
    kind = chance.choice(("away", "locked", "upgrading"))
    return Outage(
        kind,  # type: ignore[arg-type]
        begin,
        begin + chance.uniform(0.5, 60),
        Where(0.6),
    )


def _ceiling(chance: Random) -> Ceiling:
    return Ceiling(
        chance.choice((1, 3, 10)),
        chance.choice((1.0, 60.0)),
        chance.uniform(0, 5),
        is_told=chance.random() < 0.5,
    )


# --- endings --------------------------------------------------------------------------


def _endings(seed: int) -> tuple[Ending, ...]:
    chance = seeded(seed, "endings")
    many = chance.choice((0, 0, 1, 1, 2, 3, 4))
    ways = ("kill", "kill", "before", "after", "drain", "now")
    return (
        *(
            Ending(
                how=chance.choice(ways),
                after_s=10 ** chance.uniform(-2, 1.5),
                commits=round(10 ** chance.uniform(0, 2)),
            )
            for _ in range(many)
        ),
        Ending(),
    )
