"""What a seed of ``--undo`` is about: who holds which slot, and what others do. Pure."""

from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

from bulkbind.model import Action, Row
from bulkbind.plan import OnReplace
from tests.factories import RELEASE
from tests.simulate.case import CALM, Case, Ending, draw, hex_id, seeded
from tests.simulate.chronicle import Slot

TYPES = ("cors", "rate_limit")

#: When somebody else edits, and between what and what.
MOMENTS = (
    *("planned", "lives", "ran", "drawn", "undo_lives", "undone"),
    *("in_run", "in_undo"),
)


class Edit(NamedTuple):
    """Something that is done past bulkbind to one slot."""

    moment: str
    slot: Slot
    plugin_id: str
    """Is attached; empty: what is there is detached."""
    after_s: float
    """In a life: when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoCase:
    """Everything that a seed decides."""

    case: Case
    rows: tuple[Row, ...]
    """The manifest."""
    ground: tuple[Row, ...]
    """Rows of plug-ins and APIs that exist beside those of the manifest."""
    held: dict[Slot, str]
    """Who holds a slot in the beginning; where nothing is, no key."""
    action: Action
    on_replace: OnReplace
    rebind: bool
    is_blind: bool
    live_max_age_s: float
    second_look_s: float
    edits: tuple[Edit, ...]
    endings: dict[str, tuple[Ending, ...]]
    """Of ``run``, ``undo``, ``redo``, and of drawing each of them."""
    is_early: bool
    """The run is undone before the sky clears, in whatever state it is."""
    is_at_once: bool
    """The undo begins while lists still lag behind the run."""
    is_redone: bool
    """The undo is undone, too."""


def draw_undo_case(seed: int) -> UndoCase:
    """Draw what a seed is about: the same seed is the same case."""
    base = draw(seed)
    chance = seeded(seed, "undo")
    ground = _Ground(chance)
    rows = tuple(_rows(chance, ground))
    beside = tuple(_beside(ground))
    held = _held(chance, ground, rows)
    absent = frozenset({rows[0].plugin_id} if chance.random() < 0.04 else ())
    held = {slot: holder for slot, holder in held.items() if holder not in absent}
    is_clean = chance.random() < 0.3
    case = replace(
        base,
        rows=rows,
        absent=absent,
        missing=0 if is_clean else chance.randint(0, len(rows) // 6),
        unpublished=0 if is_clean else chance.randint(0, len(rows) // 6),
        endings=(),
    )
    action = Action.DETACH if chance.random() < 0.15 else Action.ATTACH
    policy = chance.choice((*["allow"] * 7, "skip", "skip", "stop"))
    is_blind = chance.random() < 0.03 and action is Action.ATTACH
    is_calm = case.options.weather == CALM
    return UndoCase(
        case=case,
        rows=rows,
        ground=beside,
        held=held,
        action=action,
        on_replace=OnReplace("allow" if is_blind else policy),
        rebind=chance.random() < 0.1 and action is Action.ATTACH,
        is_blind=is_blind,
        live_max_age_s=chance.choice((900.0, 900.0, 30.0, 1.0)),
        second_look_s=chance.choice((4.0, 10.0)),
        edits=tuple(_edits(chance, ground, rows, held)),
        endings={
            name: _endings(chance, is_calm=is_calm)
            for name in ("plan", "run", "draw", "undo", "redraw", "redo")
        },
        is_early=chance.random() < 0.2,
        is_at_once=chance.random() < 0.3,
        is_redone=chance.random() < 0.25,
    )


class _Ground:
    """Gateways, and what is on them."""

    def __init__(self, chance: Random) -> None:
        self.count = chance.randint(5, 60)
        self.gateways = chance.choice((1, 1, 2, 3))
        self.envs = (RELEASE, "canary")[: chance.choice((1, 1, 2))]
        self.types = TYPES[: chance.choice((1, 1, 2))]
        self.rivals = chance.randint(2, 3)
        self.apis = max(3, self.count * chance.choice((1, 2)) // self.gateways)

    def plugin_id(self, gateway: int, kind: str, no: int) -> str:
        """Name a plug-in: 0 and 1 may be the manifest's, others are rivals."""
        return hex_id("plugin", gateway, kind, no)

    def row(self, gateway: int, kind: str, no: int, env: str, api: int) -> Row:
        return Row(
            file=0,
            line=0,
            account=f"account-{gateway % 2}",
            project_id=hex_id("project", gateway % 2),
            instance_id=hex_id("gateway", gateway),
            plugin_id=self.plugin_id(gateway, kind, no),
            plugin_type=kind,
            env_id=env,
            api_id=hex_id("api", gateway, api),
        )


def _rows(chance: Random, ground: _Ground) -> list[Row]:
    names_two = chance.random() < 0.15
    rows = [
        ground.row(
            chance.randrange(ground.gateways),
            chance.choice(ground.types),
            int(names_two and chance.random() < 0.3),
            chance.choice(ground.envs),
            chance.randrange(ground.apis),
        )
        for _ in range(ground.count)
    ]
    if chance.random() < 0.6:
        rows.sort(key=lambda row: (row.instance_id, row.plugin_id, row.env_id))
    return [row._replace(line=line) for line, row in enumerate(rows, start=2)]


def _beside(ground: _Ground) -> list[Row]:
    """Every API in every environment, and every plug-in."""
    return [
        ground.row(gateway, kind, api % (ground.rivals + 1), env, api)
        for gateway in range(ground.gateways)
        for kind in ground.types
        for env in ground.envs
        for api in range(ground.apis)
    ]


def slot_of(row: Row) -> Slot:
    """Return the slot that a row is about."""
    return Slot(row.instance_id, row.env_id, row.api_id, row.plugin_type)


def _held(chance: Random, ground: _Ground, rows: tuple[Row, ...]) -> dict[Slot, str]:
    """Draw who holds what: rivals, the manifest's own, nobody."""
    wanted = {slot_of(row): row for row in rows}
    is_bare = chance.random() < 0.1
    held = {}
    for gateway in range(ground.gateways):
        for row in _beside(ground):
            if row.instance_id != hex_id("gateway", gateway):
                continue
            who = chance.random()
            slot = slot_of(row)
            if is_bare or who < 0.4:
                continue
            rival = chance.randint(1, ground.rivals)
            held[slot] = ground.plugin_id(gateway, row.plugin_type, rival)
            if who > 0.75 and slot in wanted:
                held[slot] = wanted[slot].plugin_id
    return held


def _edits(
    chance: Random, ground: _Ground, rows: tuple[Row, ...], held: dict[Slot, str]
) -> list[Edit]:
    """Draw what others do: attach another, ours, or who was there; or detach."""
    if chance.random() < 0.35:
        return []
    edits = []
    for moment in chance.sample(MOMENTS, chance.randint(1, 4)):
        for row in chance.sample(rows, min(len(rows), chance.choice((1, 2, 8)))):
            gateway = next(
                number
                for number in range(ground.gateways)
                if hex_id("gateway", number) == row.instance_id
            )
            slot = slot_of(row)
            rival = chance.randint(1, ground.rivals)
            plugin_id = chance.choice(
                (
                    *[ground.plugin_id(gateway, row.plugin_type, rival)] * 3,
                    *("", "", row.plugin_id, held.get(slot, "")),
                )
            )
            edits.append(Edit(moment, slot, plugin_id, 10 ** chance.uniform(-2, 1.2)))
    return edits


def _endings(chance: Random, *, is_calm: bool) -> tuple[Ending, ...]:
    many = chance.choice((0, 1, 1, 2, 3))
    ways = ("kill", "kill", "before", "after", "after", "drain", "now")
    longest = 0.8 if is_calm else 1.5
    return tuple(
        Ending(
            how=chance.choice(ways),
            after_s=10 ** chance.uniform(-2, longest),
            commits=round(10 ** chance.uniform(0, 1.5)),
        )
        for _ in range(many)
    )
