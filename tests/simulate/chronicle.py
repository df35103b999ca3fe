"""What every slot held and since when: what bulkbind did, and what somebody else did."""

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from bulkbind.sandbox import MemoryWorld, Request
from bulkbind.sandbox.counters import posted_ids
from bulkbind.sandbox.lag import WHOLE
from bulkbind.sandbox.routes import find_route
from bulkbind.sandbox.world import ApiChoice, Binding

#: Seconds within which nobody can tell what came first.
TICK_S = 1e-3


class Slot(NamedTuple):
    """One plug-in type of an API in an environment."""

    instance_id: str
    env_id: str
    api_id: str
    kind: str


class Change(NamedTuple):
    """A slot got another holder."""

    at: float
    """Seconds since the epoch."""
    before: str
    after: str
    by_us: bool


class Chronicle:
    """Keeps the history of every slot of a world.

    Args:
        world: The world.
        now: Seconds since the epoch.
    """

    def __init__(self, world: MemoryWorld, *, now: Callable[[], float]) -> None:
        self._world = world
        self._now = now
        self._changes: dict[Slot, list[Change]] = {}
        self.held: dict[Slot, str] = {}
        self.changed: Callable[[Slot, Change], None] | None = None
        """Hears of every change that bulkbind makes."""
        self.carried: set[tuple[str, str, str, str]] = set()
        """Gateway, environment, API and plug-in of everything that requests named."""

    def begin(self) -> None:
        """Take the world as it is for the beginning."""
        self.held = self.look()
        self._changes.clear()

    def look(self) -> dict[Slot, str]:
        """Return who holds what, asked past everything that lags, lies or fails."""
        world = self._world
        return {
            Slot(
                instance.instance_id,
                bound.env.env_id,
                bound.api.api_id,
                plugin.plugin_type,
            ): plugin.plugin_id
            for instance in world.instances()
            for plugin in world.plugins(instance)
            for bound in world.attached_apis(
                plugin, choice=ApiChoice(), window=WHOLE
            ).items
        }

    def missed(self) -> set[Slot]:
        """Return slots that changed without anybody having said so."""
        found = self.look()
        return {
            slot
            for slot in {*found, *self.held}
            if found.get(slot, "") != self.held.get(slot, "")
        }

    # --- who changes something -------------------------------------------------------

    def acted(self, request: Request, body: bytes) -> None:
        """Hear that a request of ours may have changed something."""
        route = find_route(request.method, request.target)
        env_id, api_ids = posted_ids(body)
        if route is None:
            return
        world, plugin_id = self._world, route.path["plugin_id"]
        instance = world.find_instance(route.path["instance_id"])
        if instance is None:
            return
        self.carried |= {
            (instance.instance_id, env_id, api_id, plugin_id) for api_id in api_ids
        }
        plugin = world.find_plugin(instance, plugin_id=plugin_id)
        env = world.find_env(instance, env_id=env_id)
        if plugin is None or env is None:
            return
        names = {known.no: known.plugin_id for known in world.plugins(instance)}
        kind = plugin.plugin_type
        slots = world.slots(instance, env=env, plugin_type=kind, api_ids=api_ids)
        for api_id, slot in slots.items():
            key = Slot(instance.instance_id, env_id, api_id, kind)
            self._note(key, names.get(slot.plugin_no, ""), by_us=True)

    def edit(self, slot: Slot, plugin_id: str) -> bool:
        """Do something past bulkbind; tell whether it changed anything."""
        world = self._world
        instance = world.find_instance(slot.instance_id)
        if instance is None or self.held.get(slot, "") == plugin_id:
            return False
        env = world.find_env(instance, env_id=slot.env_id)
        api = world.find_api(instance, api_id=slot.api_id)
        who = plugin_id or self.held[slot]
        plugin = world.find_plugin(instance, plugin_id=who)
        if env is None or api is None or plugin is None or env not in api.envs:
            return False
        if plugin_id:
            number = world.last_attach_no() + 1
            binding = Binding(api.no, number, int(self._now() * 1e9))
            world.bind(plugin, env=env, bindings=[binding])
        else:
            world.unbind(plugin, env=env, api_nos=[api.no])
        self._note(slot, plugin_id, by_us=False)
        return True

    def _note(self, slot: Slot, holder: str, *, by_us: bool) -> None:
        before = self.held.get(slot, "")
        if holder == before:
            return
        self.held.pop(slot, None)
        if holder:
            self.held[slot] = holder
        change = Change(self._now(), before, holder, by_us)
        self._changes.setdefault(slot, []).append(change)
        if by_us and self.changed is not None:
            self.changed(slot, change)

    # --- what was --------------------------------------------------------------------

    def holder(self, slot: Slot) -> str:
        """Return who holds a slot now; empty: nobody."""
        return self.held.get(slot, "")

    def since(self, slot: Slot, at: float) -> list[Change]:
        """Return what changed at a time or later."""
        changes = self._changes.get(slot, [])
        return changes[bisect_right(changes, at, key=lambda one: one.at + TICK_S) :]

    def values(self, slot: Slot, *, since: float) -> set[str]:
        """Return everybody who held a slot at a time or later."""
        changes = self.since(slot, since)
        return {self.holder(slot), *(one.before for one in changes)}

    def last_edit(self, slot: Slot) -> float:
        """Return when somebody else changed a slot last; 0.0: nobody did."""
        theirs = [one.at for one in self._changes.get(slot, []) if not one.by_us]
        return max(theirs, default=0.0)
