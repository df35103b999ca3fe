"""Filling a world in memory, and taking out of it what shall fail."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from bulkbind.sandbox.world import (
    Env,
    Instance,
    Planted,
    Plugin,
    PluginSeed,
    PublishedSlot,
)


class Bond(NamedTuple):
    """What is in one slot."""

    env: Env
    plugin: Plugin
    attach_no: int
    attached_ns: int


@dataclass(slots=True)
class Held:
    """What one gateway holds; by id, what concerns an API by its number."""

    instance: Instance
    plugins: dict[str, Plugin] = field(default_factory=dict)
    envs: dict[str, Env] = field(default_factory=dict)
    apis: dict[str, int] = field(default_factory=dict)
    published: dict[int, set[Env]] = field(default_factory=dict)
    bonds: dict[int, dict[tuple[int, str], Bond]] = field(default_factory=dict)
    """By environment number and plug-in type."""


class MemoryGround:
    """The part of a world in memory that is filled.

    Changes are not undone when they raise: the rules refuse before they change.
    """

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._home: dict[int, str] = {}
        """Which gateway a plug-in is of, by number."""
        self._last_no = 0
        self._last_attach_no = 0
        self._planted: dict[Planted, None] = {}
        self._planting = ""
        self._weather = ""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def atomic(self) -> AbstractContextManager[None]:
        """Enter a change."""
        return nullcontext()

    def _next_no(self) -> int:
        self._last_no += 1
        return self._last_no

    def _at(self, instance_id: str) -> Held:
        if instance_id not in self._held:
            self._held[instance_id] = Held(Instance(self._next_no(), instance_id))
        return self._held[instance_id]

    def add_slots(self, slots: Sequence[PublishedSlot]) -> None:
        """Make gateways, environments and APIs exist, published as said."""
        for instance_id, env_id, api_id in slots:
            held = self._at(instance_id)
            if env_id not in held.envs:
                held.envs[env_id] = Env(self._next_no(), env_id)
            if api_id not in held.apis:
                no = held.apis[api_id] = self._next_no()
                held.published[no], held.bonds[no] = set(), {}
            held.published[held.apis[api_id]].add(held.envs[env_id])

    def add_plugins(self, plugins: Iterable[PluginSeed]) -> None:
        """Make plug-ins exist; one that exists keeps its type."""
        for instance_id, plugin_id, plugin_type in plugins:
            held = self._at(instance_id)
            if plugin_id not in held.plugins:
                plugin = Plugin(self._next_no(), plugin_id, plugin_type)
                held.plugins[plugin_id] = plugin
                self._home[plugin.no] = instance_id

    def kept_weather(self) -> str:
        """Return the text of the weather that belongs to this world; empty: none."""
        return self._weather

    def keep_weather(self, text: str) -> None:
        """Give the world a weather; empty: none."""
        self._weather = text

    def published_slots(self) -> Iterator[PublishedSlot]:
        """Yield every published slot, once each, in no promised order."""
        for instance_id, held in self._held.items():
            for api_id, no in held.apis.items():
                for env in held.published[no]:
                    yield PublishedSlot(instance_id, env.env_id, api_id)

    # --- planting --------------------------------------------------------------------

    def planting(self) -> str:
        """Return the parameters of the choice that was planted; empty: none."""
        return self._planting

    def planted(self) -> Sequence[Planted]:
        """Return what was planted, in no promised order."""
        return list(self._planted)

    def plant(self, planted: Sequence[Planted], *, parameters: str) -> None:
        """Remove APIs or publications, and remember them under ``parameters``."""
        self._planting = parameters
        for slot in planted:
            self._planted[slot] = None
            held = self._at(slot.instance_id)
            no = held.apis.get(slot.api_id)
            if no is None:
                continue
            if slot.kind == "missing":
                del held.apis[slot.api_id], held.published[no], held.bonds[no]
            else:
                held.published[no].discard(held.envs[slot.env_id])

    def unplant(self) -> None:
        """Put back all that was planted, and forget the choice."""
        self.add_slots([PublishedSlot(*slot[1:]) for slot in self._planted])
        self._planted.clear()
        self._planting = ""
