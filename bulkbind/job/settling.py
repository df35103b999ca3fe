"""Lists lag: before they are believed, wait until they show what was just answered."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from bulkbind.live import Lists, ListUnread
from bulkbind.model import Lane

#: Waits between two looks; then the lists are taken as they are.
WAITS = 3


class Slots(NamedTuple):
    """A list: what a plug-in is attached to in an environment."""

    lane: Lane
    instance_id: str
    plugin_id: str
    env_id: str


@dataclass(slots=True)
class News:
    """What receipts of the last half minute say that lists may not show yet."""

    bound: dict[Slots, set[str]] = field(default_factory=lambda: defaultdict(set))
    displaced: dict[Slots, set[str]] = field(default_factory=lambda: defaultdict(set))

    def drop(self, gateways: Collection[str]) -> None:
        """Expect nothing of gateways that cannot be read."""
        for kind in (self.bound, self.displaced):
            for slots in [one for one in kind if one.lane.gateway in gateways]:
                del kind[slots]


async def settle(
    lists: Lists, news: News, *, every_s: float, notice: Callable[[str], None]
) -> None:
    """Wait until lists show the news, or a few looks long.

    What somebody has changed by hand since never shows; the wait is bounded.

    Args:
        lists: Read again for every look.
        news: Shrinks to what is not shown.
        every_s: Seconds between two looks.
        notice: Told that there is something to wait for.
    """
    for turn in range(WAITS + 1):
        await _look(lists, news)
        missing = sum(map(len, (*news.bound.values(), *news.displaced.values())))
        if not missing or turn == WAITS:
            return
        if not turn:
            notice(
                f"the lists do not show {missing:,} changes of the last half minute"
                f" yet; they get up to {WAITS * every_s:.0f} seconds"
            )
        await anyio.sleep(every_s)
        for slots in {*news.bound, *news.displaced}:
            lists.forget(slots.instance_id, before=lists.now(slots.lane))


async def _look(lists: Lists, news: News) -> None:
    for kind, is_shown in ((news.bound, True), (news.displaced, False)):
        for slots, ids in list(kind.items()):
            try:
                attached, _ = await lists.attached(*slots)
            except ListUnread:  # the gateway will be judged unreadable, too
                del kind[slots]
                continue
            kind[slots] = {i for i in ids if (i in attached) is not is_shown}
            if not kind[slots]:
                del kind[slots]
