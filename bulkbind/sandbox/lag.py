"""Lists that lag: what was bound a while ago, over what is bound now. Pure.

Kept only as long as it is needed, and only in memory: a sandbox that is started again
shows everything at once.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from bulkbind.sandbox.world import (
    Api,
    ApiChoice,
    Bound,
    Instance,
    Page,
    Plugin,
    Window,
    World,
)

T = TypeVar("T")

#: A page that holds every list.
WHOLE = Window(0, 2**62)


class _Past(NamedTuple):
    """What an API's bindings were until they were changed."""

    changed_at: float
    bindings: Sequence[Bound]


class _Changed(NamedTuple):
    instance: Instance
    api: Api
    pasts: deque[_Past]
    """Oldest first."""


class Lag:
    """Remembers what the lists still have to show.

    Args:
        seconds: How far the lists are behind.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed: dict[int, _Changed] = {}
        """By number of the API."""

    def note(
        self, world: World, instance_id: str, api_ids: Iterable[str], *, now: float
    ) -> None:
        """Remember how things are, just before they may be changed."""
        instance = world.find_instance(instance_id)
        if instance is None:
            return
        for api_id in dict.fromkeys(api_ids):
            api = world.find_api(instance, api_id=api_id)
            if api:
                changed = self._changed.setdefault(
                    api.no, _Changed(instance, api, deque())
                )
                changed.pasts.append(_Past(now, world.bindings_of(api)))

    def shown(self, world: World, *, now: float) -> "LaggingLists":
        """Return the lists as they are shown at a time."""
        for no, changed in list(self._changed.items()):
            pasts = changed.pasts
            while pasts and pasts[0].changed_at <= now - self._seconds:
                pasts.popleft()
            if not pasts:
                del self._changed[no]
        return LaggingLists(world, self._changed)


class LaggingLists:
    """The world's lists of bindings, but for what was changed just now."""

    def __init__(self, world: World, changed: dict[int, _Changed]) -> None:
        self._world = world
        self._changed = changed

    def bindings_of(self, api: Api) -> Sequence[Bound]:
        """List an API's bindings, by environment, then by plug-in type."""
        changed = self._changed.get(api.no)
        return changed.pasts[0].bindings if changed else self._world.bindings_of(api)

    def attached_apis(
        self, plugin: Plugin, *, choice: ApiChoice, window: Window
    ) -> Page[Bound]:
        """List a plug-in's bindings, by environment, then by API."""
        live = self._world.attached_apis(plugin, choice=choice, window=WHOLE)
        items = [bound for bound in live.items if bound.api.no not in self._changed]
        items += [
            bound._replace(api=api)
            for api, changed in self._chosen(choice._replace(env=None))
            for bound in changed.pasts[0].bindings
            if bound.plugin == plugin and choice.env in {None, bound.env}
        ]
        items.sort(key=lambda bound: (bound.env.no, bound.api.no))
        return _page(items, window)

    def attachable_apis(
        self, instance: Instance, *, plugin: Plugin, choice: ApiChoice, window: Window
    ) -> Page[Api]:
        """List the APIs published in ``choice.env`` without this plug-in there."""
        live = self._world.attachable_apis(
            instance, plugin=plugin, choice=choice, window=WHOLE
        )
        items = [api for api in live.items if api.no not in self._changed]
        items += [
            api
            for api, changed in self._chosen(choice)
            if changed.instance == instance
            and not any(
                bound.plugin == plugin and bound.env == choice.env
                for bound in changed.pasts[0].bindings
            )
        ]
        items.sort(key=lambda api: api.api_id)
        return _page(items, window)

    def _chosen(self, choice: ApiChoice) -> Iterator[tuple[Api, _Changed]]:
        """Yield what was changed and is among the APIs chosen."""
        for changed in self._changed.values():
            api_id = changed.api.api_id
            if choice.api_id in {"", api_id}:
                one = choice._replace(api_id=api_id)
                found = self._world.apis(changed.instance, choice=one, window=WHOLE)
                for api in found.items:
                    yield api, changed


def _page(items: list[T], window: Window) -> Page[T]:
    return Page(len(items), items[window.offset :][: window.limit])
