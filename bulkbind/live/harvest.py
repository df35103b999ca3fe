"""Everything that is bound, or published, on a gateway: piece by piece, in one order.

A binding that moves from one plug-in to another of its type while they are read stands
in two lists; the later list is right. One type's slots are in memory at a time.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from itertools import groupby
from typing import NamedTuple

from bulkbind.live.lists import ATTACHED, Lists, ListUnread
from bulkbind.model import Lane, OurCode, Reply
from bulkbind.wire import Attached, KnownApi, KnownPlugin


class BoundSlot(NamedTuple):
    """A plug-in that is bound to an API in an environment."""

    plugin: KnownPlugin
    env_id: str
    api_id: str
    env_name: str
    """Empty: not known."""


class OpenSlot(NamedTuple):
    """An API that is published in an environment."""

    api: KnownApi
    env_id: str
    env_name: str


async def bound_slots(
    lists: Lists,
    lane: Lane,
    instance_id: str,
    *,
    wanted: Callable[[KnownPlugin], bool],
) -> AsyncIterator[list[BoundSlot]]:
    """Yield what is bound on a gateway, plug-in type by plug-in type.

    Args:
        lists: Reads.
        lane: The gateway.
        instance_id: The gateway's.
        wanted: Says which plug-ins to read.

    Raises:
        ListUnread: A list cannot be read; what was yielded until then is not all.
    """
    plugins = await lists.plugins(lane, instance_id)
    names = await _env_names(lists, lane, instance_id)
    for _, some in groupby(sorted(plugins.values(), key=_place), key=_kind):
        slots: dict[tuple[str, str], KnownPlugin] = {}
        for plugin in filter(wanted, some):
            items = await lists.attached_anywhere(lane, instance_id, plugin.plugin_id)
            _refuse_nameless(items, lane, plugin)
            slots.update(((item.env_id, item.api_id), plugin) for item in items)
        yield sorted(
            (
                BoundSlot(plugin, env_id, api_id, names.get(env_id, ""))
                for (env_id, api_id), plugin in slots.items()
            ),
            key=lambda slot: (slot.plugin.plugin_id, slot.env_id, slot.api_id),
        )


async def open_slots(lists: Lists, lane: Lane, instance_id: str) -> list[OpenSlot]:
    """Return where the APIs of a gateway are published: by environment, group, name.

    Raises:
        ListUnread: They cannot be read.
    """
    names = await _env_names(lists, lane, instance_id)
    apis, _ = await lists.apis(lane, instance_id)
    return sorted(
        (
            OpenSlot(api, env_id, names.get(env_id, ""))
            for api in apis.values()
            for env_id in api.env_ids
        ),
        key=lambda slot: (
            *(slot.env_id, slot.api.group, slot.api.name, slot.api.api_id),
        ),
    )


async def _env_names(lists: Lists, lane: Lane, instance_id: str) -> dict[str, str]:
    envs = await lists.envs(lane, instance_id)
    return {env.env_id: env.name for env in envs.values()}


def _kind(plugin: KnownPlugin) -> tuple[str, str]:
    """Return what plug-ins of one type share; without a type they share nothing."""
    kind = plugin.plugin_type
    return kind, "" if kind else plugin.plugin_id


def _place(plugin: KnownPlugin) -> tuple[str, str]:
    return plugin.plugin_type, plugin.plugin_id


def _refuse_nameless(
    items: Iterable[Attached], lane: Lane, plugin: KnownPlugin
) -> None:
    if all(item.api_id and item.env_id for item in items):
        return
    message = "an item of the list names no API, or no environment"
    raise ListUnread(
        lane,
        f"APIs of plug-in {plugin.plugin_id}",
        Reply(200, OurCode.REPLY_MALFORMED, message),
        ATTACHED,
    )
