"""The world in dictionaries: for simulators and small tests."""

from collections.abc import Mapping, Sequence

from bulkbind.sandbox.memory_ground import Bond, Held, MemoryGround
from bulkbind.sandbox.world import (
    Api,
    ApiChoice,
    Binding,
    Bound,
    Env,
    Instance,
    Page,
    Plugin,
    Slot,
    Window,
)


class MemoryWorld(MemoryGround):
    """A world in memory, with the same answers as ``SqliteWorld``."""

    # --- looking up ------------------------------------------------------------------

    def find_instance(self, instance_id: str) -> Instance | None:
        """Find a gateway."""
        held = self._held.get(instance_id)
        return held.instance if held else None

    def find_plugin(self, instance: Instance, *, plugin_id: str) -> Plugin | None:
        """Find a plug-in of a gateway."""
        return self._held[instance.instance_id].plugins.get(plugin_id)

    def find_env(self, instance: Instance, *, env_id: str) -> Env | None:
        """Find an environment of a gateway."""
        return self._held[instance.instance_id].envs.get(env_id)

    def find_api(self, instance: Instance, *, api_id: str) -> Api | None:
        """Find an API of a gateway."""
        held = self._held[instance.instance_id]
        return self._api(held, api_id) if api_id in held.apis else None

    def _api(self, held: Held, api_id: str) -> Api:
        no = held.apis[api_id]
        return Api(no, api_id, tuple(sorted(held.published[no])))

    def slots(
        self, instance: Instance, *, env: Env, plugin_type: str, api_ids: Sequence[str]
    ) -> Mapping[str, Slot]:
        """Look up the slots of those APIs that exist, by API id."""
        held = self._held[instance.instance_id]
        found: dict[str, Slot] = {}
        for api_id in api_ids:
            no = held.apis.get(api_id)
            if no is not None:
                bond = held.bonds[no].get((env.no, plugin_type))
                taken = (bond.plugin.no, bond.attach_no) if bond else (0, 0)
                found[api_id] = Slot(no, api_id, env in held.published[no], *taken)
        return found

    def last_attach_no(self) -> int:
        """Return the number of the newest binding record; 0: none yet."""
        return self._last_attach_no

    # --- lists -----------------------------------------------------------------------

    def instances(self) -> Sequence[Instance]:
        """List the gateways."""
        return [held.instance for held in self._held.values()]

    def plugins(self, instance: Instance) -> Sequence[Plugin]:
        """List a gateway's plug-ins."""
        return list(self._held[instance.instance_id].plugins.values())

    def envs(self, instance: Instance) -> Sequence[Env]:
        """List a gateway's environments."""
        return list(self._held[instance.instance_id].envs.values())

    def apis(
        self, instance: Instance, *, choice: ApiChoice, window: Window
    ) -> Page[Api]:
        """List a gateway's APIs."""
        held = self._held[instance.instance_id]
        chosen = [
            api
            for api in (self._api(held, api_id) for api_id in sorted(held.apis))
            if _is_chosen(api, choice)
            and (choice.env is None or choice.env in api.envs)
        ]
        return Page(len(chosen), chosen[window.offset :][: window.limit])

    def attachable_apis(
        self, instance: Instance, *, plugin: Plugin, choice: ApiChoice, window: Window
    ) -> Page[Api]:
        """List the APIs published in ``choice.env`` without this plug-in there."""
        held = self._held[instance.instance_id]
        everything = self.apis(
            instance, choice=choice, window=Window(0, len(held.apis))
        )
        left = [
            api
            for api in everything.items
            if not any(
                bond.plugin == plugin and bond.env == choice.env
                for bond in held.bonds[api.no].values()
            )
        ]
        return Page(len(left), left[window.offset :][: window.limit])

    def attached_apis(
        self, plugin: Plugin, *, choice: ApiChoice, window: Window
    ) -> Page[Bound]:
        """List a plug-in's bindings, by environment, then by API."""
        held = self._held[self._home[plugin.no]]
        chosen = [
            bound
            for api in (self._api(held, api_id) for api_id in held.apis)
            if _is_chosen(api, choice)
            for bound in self._bound(held, api)
            if bound.plugin == plugin and choice.env in {None, bound.env}
        ]
        chosen.sort(key=lambda bound: (bound.env.no, bound.api.no))
        return Page(len(chosen), chosen[window.offset :][: window.limit])

    def bindings_of(self, api: Api) -> Sequence[Bound]:
        """List an API's bindings, by environment, then by plug-in type."""
        held = next(
            held for held in self._held.values() if held.apis.get(api.api_id) == api.no
        )
        return self._bound(held, api)

    def _bound(self, held: Held, api: Api) -> list[Bound]:
        return [
            Bound(api, bond.env, bond.plugin, bond.attach_no, bond.attached_ns)
            for _, bond in sorted(held.bonds[api.no].items())
        ]

    # --- changes ---------------------------------------------------------------------

    def bind(self, plugin: Plugin, *, env: Env, bindings: Sequence[Binding]) -> None:
        """Put the plug-in into the slots of its type, whatever was there."""
        held = self._held[self._home[plugin.no]]
        for api_no, attach_no, attached_ns in bindings:
            bond = Bond(env, plugin, attach_no, attached_ns)
            held.bonds[api_no][env.no, plugin.plugin_type] = bond
            self._last_attach_no = max(self._last_attach_no, attach_no)

    def unbind(self, plugin: Plugin, *, env: Env, api_nos: Sequence[int]) -> None:
        """Take the plug-in out of its slots; where it is not, nothing happens."""
        held = self._held[self._home[plugin.no]]
        key = env.no, plugin.plugin_type
        for api_no in api_nos:
            bond = held.bonds[api_no].get(key)
            if bond and bond.plugin == plugin:
                del held.bonds[api_no][key]


def _is_chosen(api: Api, choice: ApiChoice) -> bool:
    if choice.api_id and api.api_id != choice.api_id:
        return False
    if choice.exact and choice.name:
        return api.name == choice.name
    return choice.name in api.name
