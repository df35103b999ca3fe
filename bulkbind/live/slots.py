"""Which plug-in holds a target's slots now: its own, another of the type, or none.

One attached list of the target is enough where nothing has drifted. Only for APIs that
it lacks the other plug-ins of the type are looked at.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from bulkbind.live.lists import Lists, ListUnread
from bulkbind.model import Lane, Scope, Target


class Holders(NamedTuple):
    """Who holds slots of a target."""

    read_at: float
    """When the reading began; seconds since the epoch."""
    plugin_id: str
    """The target's own."""
    mine: Collection[str]
    """APIs that it is attached to."""
    others: Mapping[str, str]
    """APIs that another plug-in of the type is attached to -> that plug-in."""

    def of(self, api_id: str) -> str:
        """Return the plug-in in an API's slot; empty: none."""
        return self.plugin_id if api_id in self.mine else self.others.get(api_id, "")


async def own_holders(lists: Lists, lane: Lane, target: Target) -> Holders:
    """Read what a target's plug-in is attached to; who else holds slots is not known.

    Raises:
        ListUnread: It cannot be read.
    """
    try:
        mine, at = await lists.attached(
            lane, target.instance_id, target.plugin_id, target.env_id
        )
    except ListUnread as unread:
        if unread.scope is not Scope.TARGET or await _exists(lists, lane, target):
            raise
        return Holders(lists.now(lane), target.plugin_id, (), {})
    return Holders(at, target.plugin_id, mine.keys(), {})


async def _exists(lists: Lists, lane: Lane, target: Target) -> bool:
    """Tell whether plug-in and environment are there: what is gone holds nothing."""
    plugins = await lists.plugins(lane, target.instance_id)
    envs = await lists.envs(lane, target.instance_id)
    return target.plugin_id in plugins and target.env_id in envs


async def other_holders(
    lists: Lists, lane: Lane, target: Target, own: Holders
) -> Holders:
    """Read which slots other plug-ins of the target's type hold.

    Raises:
        ListUnread: A list cannot be read.
    """
    plugins = await lists.plugins(lane, target.instance_id)
    envs = await lists.envs(lane, target.instance_id)
    known = plugins.get(target.plugin_id)
    kind = known.plugin_type if known else target.plugin_type
    others: dict[str, str] = {}
    if target.env_id in envs:
        for plugin in plugins.values():
            if plugin.plugin_type == kind and plugin.plugin_id != target.plugin_id:
                attached, _ = await lists.attached(
                    lane, target.instance_id, plugin.plugin_id, target.env_id
                )
                others.update(dict.fromkeys(attached, plugin.plugin_id))
    return own._replace(others=others)
