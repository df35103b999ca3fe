"""What a target's rows need to know of its gateway, read the cheapest way.

First the target's own attached list. Only if rows remain that are not in it, the
gateway's APIs; only if some of these could be bound, the attached lists of the other
plug-ins of the type.
"""

from collections.abc import Sequence
from dataclasses import replace

from bulkbind.live.lists import Lists, ListUnread
from bulkbind.model import Action, Lane, OurCode, Reply, Target
from bulkbind.plan import Binding, Picture


class Pictures:
    """Takes pictures of targets.

    Args:
        lists: The lists of their gateways.
        lanes: Every lane of the run, by number.
        looks_behind: Also look what else holds the slot of an id that is to be
            detached and is not attached: an undo's.
    """

    def __init__(
        self, lists: Lists, lanes: Sequence[Lane], *, looks_behind: bool = False
    ) -> None:
        self._lists = lists
        self._lanes = lanes
        self._looks_behind = looks_behind

    async def types(self, lane: Lane, instance_id: str) -> dict[str, str]:
        """Read the types of a gateway's plug-ins, by plug-in id.

        Raises:
            ListUnread: They cannot be read.
        """
        plugins = await self._lists.plugins(lane, instance_id)
        return {plugin.plugin_id: plugin.plugin_type for plugin in plugins.values()}

    async def look(
        self, target: Target, api_ids: Sequence[str], *, action: Action, since: float
    ) -> Picture | Reply | None:
        """Take a picture from lists that are not older than a time.

        Returns:
            The picture; or why there is none, ``None`` if the run halts.
        """
        self._lists.forget(target.instance_id, before=since)
        try:
            return await self.take(target, api_ids, action=action)
        except ListUnread as unread:
            return unread.named_reply

    async def take(
        self, target: Target, api_ids: Sequence[str], *, action: Action
    ) -> Picture:
        """Take a picture of a target, good for some of its APIs.

        Args:
            target: The target.
            api_ids: Those that have to be judged.
            action: What is asked for them.

        Raises:
            ListUnread: A list that is needed cannot be read.
        """
        lane, lists = self._lanes[target.lane], self._lists
        plugins = await lists.plugins(lane, target.instance_id)
        envs = await lists.envs(lane, target.instance_id)
        plugin, env = plugins.get(target.plugin_id), envs.get(target.env_id)
        blank = Picture(
            read_at=lists.now(lane),
            plugin_name=plugin.name if plugin else "",
            env_name=env.name if env else "",
        )
        if plugin is None or env is None:
            missing = OurCode.PLUGIN_UNKNOWN if plugin is None else OurCode.ENV_UNKNOWN
            return replace(blank, missing=missing)
        mine, at = await lists.attached(
            lane, target.instance_id, target.plugin_id, target.env_id
        )
        bindings = {
            api_id: Binding(item.plugin_attach_id, item.attached_time)
            for api_id, item in mine.items()
        }
        rest = [api_id for api_id in api_ids if api_id not in bindings]
        picture = replace(blank, read_at=at, mine=bindings)
        if not rest or (action is Action.DETACH and not self._looks_behind):
            return picture
        if action is Action.DETACH:
            return await self._add_others(picture, target)
        found, at = await lists.apis(lane, target.instance_id)
        apis = {api_id: api.env_ids for api_id, api in found.items()}
        picture = replace(picture, apis=apis, read_at=min(at, picture.read_at))
        if any(target.env_id in apis.get(api_id, frozenset()) for api_id in rest):
            return await self._add_others(picture, target)
        return picture

    async def _add_others(self, picture: Picture, target: Target) -> Picture:
        """Read which APIs another plug-in of the target's type is attached to."""
        lane, lists = self._lanes[target.lane], self._lists
        plugins = await lists.plugins(lane, target.instance_id)
        kind = plugins[target.plugin_id].plugin_type
        others: dict[str, str] = {}
        read_at = picture.read_at
        for plugin in plugins.values():
            if plugin.plugin_type == kind and plugin.plugin_id != target.plugin_id:
                attached, at = await lists.attached(
                    lane, target.instance_id, plugin.plugin_id, target.env_id
                )
                others.update(dict.fromkeys(attached, plugin.plugin_id))
                read_at = min(read_at, at)
        return replace(picture, others=others, read_at=read_at)
