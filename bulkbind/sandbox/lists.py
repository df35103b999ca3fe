"""The rules of the reading calls: four lists of bindings, and what stands around. Pure.

Source: apig-contract.md 1.1 (paging and queries), 1.2 (schemas), 2 and 2.1.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from bulkbind.sandbox import answers, records
from bulkbind.sandbox.answers import Answer, Blame, Refused, Rules
from bulkbind.sandbox.state import answered, find_env, find_instance, find_plugin
from bulkbind.sandbox.world import (
    Api,
    ApiChoice,
    Bound,
    Env,
    Instance,
    Page,
    Plugin,
    Shown,
    Window,
    World,
)

T = TypeVar("T")

#: Items in a page when the caller does not say, and at most. Source: OTC, SDK.
DEFAULT_LIMIT, MAX_LIMIT = 20, 500


class Ask(NamedTuple):
    """A reading call as it came in."""

    path: Mapping[str, str]
    """``project_id``, ``instance_id``, and what else the route names."""
    query: Mapping[str, str]
    rules: Rules = Rules()
    shown: Shown | None = None
    """Where bindings are looked up, if the world is ahead of what is shown."""

    @property
    def product(self) -> str:
        """The path segment that names the product; empty: the route has none."""
        return self.path.get("product", "")


def window(query: Mapping[str, str], *, most: int = MAX_LIMIT) -> Window:
    """Read the paging parameters; what is out of range is set right, silently.

    Source: OTC: negative offset -> 0; limit <= 0 -> 20, > 500 -> 500.
    """
    offset = _integer(query, "offset", default=0)
    limit = _integer(query, "limit", default=DEFAULT_LIMIT)
    if limit <= 0:
        limit = DEFAULT_LIMIT
    return Window(max(0, offset), min(limit, most))


def _window(ask: Ask) -> Window:
    return window(ask.query, most=ask.rules.page_limit)


def _integer(query: Mapping[str, str], name: str, *, default: int) -> int:
    text = query.get(name, "")
    try:
        number = int(text) if text else default
    except ValueError as error:
        raise Refused(answers.invalid(name)) from error
    if not -(2**63) <= number < 2**63:
        raise Refused(answers.invalid(name))
    return number


# --- lists of bindings ----------------------------------------------------------------


@answered
def attached_apis(world: World, ask: Ask) -> Answer:
    """List what a plug-in is attached to. Source: OTC ListPluginAttachedApis."""
    instance = find_instance(world, ask.path["instance_id"])
    plugin = find_plugin(world, instance, ask.path["plugin_id"])
    choice = _choose(world, instance, ask.query)
    page: Page[Bound] = Page(0, ())
    if choice:
        page = (ask.shown or world).attached_apis(
            plugin, choice=choice, window=_window(ask)
        )
    items = [records.plugin_api(instance, item.api, bound=item) for item in page.items]
    return _listing("apis", page.total, items)


@answered
def attachable_apis(world: World, ask: Ask) -> Answer:
    """List what a plug-in could be attached to.

    Published in the environment and not yet bound to this plug-in; bound to another
    counts as attachable. Source: OTC ListPluginAttachableApis, PR-7811.
    """
    instance = find_instance(world, ask.path["instance_id"])
    plugin = find_plugin(world, instance, ask.path["plugin_id"])
    if not ask.query.get("env_id"):
        raise Refused(answers.invalid("env_id"))
    choice = _choose(world, instance, ask.query)
    page: Page[Api] = Page(0, ())
    if choice:
        page = (ask.shown or world).attachable_apis(
            instance, plugin=plugin, choice=choice, window=_window(ask)
        )
    items = [records.plugin_api(instance, api, bound=None) for api in page.items]
    return _listing("apis", page.total, items)


@answered
def attached_plugins(world: World, ask: Ask) -> Answer:
    """List what is attached to an API. Source: OTC ListApiAttachedPlugins."""
    _, api = _find_api(world, ask)
    wanted = [
        bound
        for bound in (ask.shown or world).bindings_of(api)
        if _is_plugin(bound.plugin, ask)
        and ask.query.get("env_id") in {None, "", bound.env.env_id}
        and ask.query.get("env_name") in {None, "", bound.env.name}
    ]
    return _paged(
        "plugins",
        wanted,
        ask,
        show=partial(records.attached_plugin, product=ask.product),
    )


@answered
def attachable_plugins(world: World, ask: Ask) -> Answer:
    """List what could be attached to an API. Source: OTC ListApiAttachablePlugins."""
    instance, api = _find_api(world, ask)
    env_id = ask.query.get("env_id")
    taken = {
        bound.plugin.no
        for bound in (ask.shown or world).bindings_of(api)
        if env_id in {None, "", bound.env.env_id}
    }
    wanted = [
        plugin
        for plugin in world.plugins(instance)
        if plugin.no not in taken and _is_plugin(plugin, ask)
    ]
    return _paged(
        "plugins", wanted, ask, show=partial(records.plugin, product=ask.product)
    )


def _is_plugin(plugin: Plugin, ask: Ask) -> bool:
    query, scope = ask.query, records.plugin_scope(plugin, product=ask.product)
    return (
        query.get("plugin_id") in {None, "", plugin.plugin_id}
        and query.get("plugin_type") in {None, "", plugin.plugin_type}
        and query.get("plugin_scope") in {None, "", scope}
        and _is_named(plugin.name, query, "plugin_name")
    )


def _is_named(name: str, query: Mapping[str, str], parameter: str) -> bool:
    wanted = query.get(parameter, "")
    if parameter in query.get("precise_search", "").split(","):
        return name == wanted
    return wanted in name


def _choose(
    world: World, instance: Instance, query: Mapping[str, str], *, api: str = "api_"
) -> ApiChoice | None:
    """Read which APIs are wanted; None: a parameter excludes them all.

    Every API of the sandbox is in its gateway's one group, has one method, its own
    path, and no tags.
    """
    api_id, uri = query.get(f"{api}id", ""), query.get("req_uri", "")
    if (
        query.get("group_id") not in {None, "", records.group_id(instance)}
        or query.get("req_method") not in {None, "", records.REQ_METHOD}
        or query.get("tags") not in {None, "", "#no_tags#"}
        or (uri and api_id not in {"", uri.removeprefix("/")})
    ):
        return None
    env = query.get("env_id")
    return ApiChoice(
        api_id=uri.removeprefix("/") or api_id,
        name=query.get(f"{api}name", ""),
        exact="name" in query.get("precise_search", "").split(","),
        env=find_env(world, instance, env) if env else None,
    )


# --- what stands around ---------------------------------------------------------------


@answered
def instances(world: World, ask: Ask) -> Answer:
    """List the gateways. Source: OTC ListInstancesV2."""
    wanted = [
        instance
        for instance in world.instances()
        if ask.query.get("instance_id") in {None, "", instance.instance_id}
        and _is_named(instance.name, ask.query, "instance_name")
        and ask.query.get("status") in {None, "", "Running"}
    ]
    project_id = ask.path["project_id"]
    return _paged(
        "instances",
        wanted,
        ask,
        show=lambda instance: records.instance(instance, project_id=project_id),
    )


@answered
def instance(world: World, ask: Ask) -> Answer:
    """Show one gateway. Source: SDK ShowDetailsOfInstanceV2."""
    found = world.find_instance(ask.path["instance_id"])
    if found is None:
        raise Refused(answers.unknown_instance(ask.path["instance_id"]))
    return Answer(200, records.instance(found, project_id=ask.path["project_id"]))


@answered
def plugins(world: World, ask: Ask) -> Answer:
    """List a gateway's plug-ins. Source: OTC ListPlugins."""
    found = find_instance(world, ask.path["instance_id"])
    wanted = [one for one in world.plugins(found) if _is_plugin(one, ask)]
    return _paged(
        "plugins", wanted, ask, show=partial(records.plugin, product=ask.product)
    )


@answered
def plugin(world: World, ask: Ask) -> Answer:
    """Show one plug-in. Source: SDK ShowPlugin."""
    found = find_instance(world, ask.path["instance_id"])
    item = find_plugin(world, found, ask.path["plugin_id"])
    return Answer(200, records.plugin(item, product=ask.product))


@answered
def envs(world: World, ask: Ask) -> Answer:
    """List a gateway's environments. Source: OTC ListEnvironmentsV2."""
    found = find_instance(world, ask.path["instance_id"])
    wanted: list[Env] = [
        env for env in world.envs(found) if ask.query.get("name", "") in env.name
    ]
    return _paged("envs", wanted, ask, show=records.env)


@answered
def apis(world: World, ask: Ask) -> Answer:
    """List a gateway's APIs and where they are published. Source: SDK ListApisV2."""
    found = find_instance(world, ask.path["instance_id"])
    choice = _choose(world, found, ask.query, api="")
    page: Page[Api] = Page(0, ())
    if choice:
        page = world.apis(found, choice=choice, window=_window(ask))
    items = [records.api(found, item) for item in page.items]
    return _listing("apis", page.total, items)


@answered
def api(world: World, ask: Ask) -> Answer:
    """Show one API. Source: SDK ShowDetailsOfApiV2."""
    return Answer(200, records.api(*_find_api(world, ask)))


@answered
def api_groups(world: World, ask: Ask) -> Answer:
    """List a gateway's API groups: one, with every API. Source: SDK ListApiGroupsV2."""
    found = find_instance(world, ask.path["instance_id"])
    group = records.group(found)
    wanted = [
        group
        for _ in range(1)
        if ask.query.get("id") in {None, "", group["id"]}
        and _is_named(group["name"], ask.query, "name")
    ]
    return _paged("groups", wanted, ask, show=lambda item: item)


def _find_api(world: World, ask: Ask) -> tuple[Instance, Api]:
    found = find_instance(world, ask.path["instance_id"])
    item = world.find_api(found, api_id=ask.path["api_id"])
    if item is None:
        raise Refused(answers.no_api(Blame([ask.path["api_id"]]), rules=Rules()))
    return found, item


def _paged(
    key: str,
    wanted: Sequence[T],
    ask: Ask,
    *,
    show: Callable[[T], dict[str, Any]],
) -> Answer:
    offset, limit = _window(ask)
    part = wanted[offset : offset + limit]
    return _listing(key, len(wanted), (show(item) for item in part))


def _listing(key: str, total: int, items: Iterable[dict[str, Any]]) -> Answer:
    listed = list(items)
    return Answer(200, {"size": len(listed), "total": total, key: listed})
