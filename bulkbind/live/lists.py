"""The lists of gateways: read when somebody needs them, kept while they are young.

One list at a time is read, at its account's pace. A list that contradicts itself (a
page that repeats, a total that changes, an end before the total) is read again, a few
times; after that it counts as unreadable: it would prove neither presence of the rest
nor absence.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from bulkbind.model import Lane, OurCode, Reply, Scope
from bulkbind.retry import RULES, advise, classify
from bulkbind.run import Reading, ReadTools, Waiting
from bulkbind.wire import Attached as AttachedItem
from bulkbind.wire import (
    Item,
    KnownApi,
    KnownEnv,
    KnownGateway,
    KnownPlugin,
    ListPath,
    apis_list,
    attached_list,
    envs_list,
    gateways_list,
    plugins_list,
)

#: Items kept in memory, over all lists: some gateways' worth of APIs.
KEPT_ITEMS = 200_000

#: Times that a list which contradicts itself is read.
TIMES = 3

T = TypeVar("T")


class Need(NamedTuple):
    """What reading a list takes, and what can be done without it."""

    right: str
    """Source: APIG API reference, authorization information of each list."""
    without: str
    """What still works."""
    depends: str = "apig:instance:get"
    """Rights that it depends on."""


_BLIND = "runs with --no-live, which bind without looking"

PLUGINS = Need("apig:plugin:list", f"`export --apis`, and {_BLIND}")
ENVS = Need("apig:environment:list", f"`export`, but for names, and {_BLIND}")
APIS = Need(
    "apig:api:list",
    "`verify` of a run, `export` without --apis",
    "apig:instance:get and apig:apiGroup:get",
)
ATTACHED = Need(
    "apig:plugin:listBoundApi",
    f"`export --apis`, and {_BLIND}",
    "apig:instance:get and apig:plugin:get",
)
GATEWAYS = Need("apig:instance:list", "`export JOB`, whose manifest names the gateways")

#: Answers that say: no right to do this.
_NO_RIGHT = frozenset({"APIG.1005", "APIG.1020", "APIG.1136"})
_FORBIDDEN = 403


class ListUnread(Exception):
    """A list of a gateway cannot be read.

    Attributes:
        lane: The gateway.
        what: Of what the list is, for people.
        reply: The last answer; None: the run halts.
        need: What reading it takes; None: not known.
    """

    def __init__(
        self, lane: Lane, what: str, reply: Reply | None, need: Need | None = None
    ) -> None:
        super().__init__(f"{lane.gateway}: {what}")
        self.lane = lane
        self.what = what
        self.reply = reply
        self.need = need

    @property
    def lacks_right(self) -> bool:
        """True: the credential is good, and may not read this."""
        if self.reply is None:
            return False
        forbidden = self.reply.status == _FORBIDDEN and self.reply.code not in RULES
        return forbidden or self.reply.code in _NO_RIGHT

    @property
    def advice(self) -> str:
        """What to do about it; empty: nothing is known."""
        if self.reply is None:
            return ""
        if self.need is not None and self.lacks_right:
            return (
                f"the credential lacks {self.need.right}, or {self.need.depends} that"
                f" it depends on: grant them; without, these still work:"
                f" {self.need.without}"
            )
        return advise(self.reply.code)

    @property
    def named_reply(self) -> Reply | None:
        """The last answer, and which right is missing if one is."""
        if self.reply is None or self.need is None or not self.lacks_right:
            return self.reply
        message = (
            f"{self.reply.message} (it takes {self.need.right}, and"
            f" {self.need.depends} that it depends on)"
        )
        return replace(self.reply, message=message)

    @property
    def text(self) -> str:
        """Why, in a sentence."""
        if self.reply is None:
            return f"the list of its {self.what} was not read: reading was stopped"
        code = " ".join(filter(None, (str(self.reply.status or ""), self.reply.code)))
        said = self.reply.message or "no message"
        return f"the list of its {self.what} cannot be read: {code}: {said}"

    @property
    def scope(self) -> Scope:
        """How far the refusal reaches."""
        return classify(self.reply) if self.reply else Scope.DONE


class Lists:
    """The lists of many gateways.

    Args:
        tools: By account: who reads.
        bound: Items kept in memory.
    """

    def __init__(
        self, tools: Mapping[str, ReadTools], *, bound: int = KEPT_ITEMS
    ) -> None:
        self._tools = tools
        self._bound = bound
        self._kept: OrderedDict[tuple[object, ...], tuple[float, dict[str, Item]]] = (
            OrderedDict()
        )

    async def plugins(self, lane: Lane, instance_id: str) -> dict[str, KnownPlugin]:
        """Read a gateway's plug-ins, by id.

        Raises:
            ListUnread: They cannot be read.
        """
        items, _ = await self._read(
            lane, plugins_list(instance_id), "plug-ins", PLUGINS
        )
        return _only(items, KnownPlugin)

    async def envs(self, lane: Lane, instance_id: str) -> dict[str, KnownEnv]:
        """Read a gateway's environments, by id.

        Raises:
            ListUnread: They cannot be read.
        """
        items, _ = await self._read(lane, envs_list(instance_id), "environments", ENVS)
        return _only(items, KnownEnv)

    async def apis(
        self, lane: Lane, instance_id: str
    ) -> tuple[dict[str, KnownApi], float]:
        """Read a gateway's APIs, by id, and when their reading began.

        Raises:
            ListUnread: They cannot be read.
        """
        items, at = await self._read(lane, apis_list(instance_id), "APIs", APIS)
        return _only(items, KnownApi), at

    async def attached(
        self, lane: Lane, instance_id: str, plugin_id: str, env_id: str
    ) -> tuple[dict[str, AttachedItem], float]:
        """Read what a plug-in is attached to in an environment, by API id.

        Returns:
            The list, and when its reading began: seconds since the epoch.

        Raises:
            ListUnread: It cannot be read.
        """
        wanted = attached_list(instance_id, plugin_id, env_id=env_id)
        items, at = await self._read(
            lane, wanted, f"APIs of plug-in {plugin_id}", ATTACHED
        )
        return _only(items, AttachedItem), at

    async def attached_anywhere(
        self, lane: Lane, instance_id: str, plugin_id: str
    ) -> list[AttachedItem]:
        """Read what a plug-in is attached to in all environments.

        Raises:
            ListUnread: It cannot be read.
        """
        wanted = attached_list(instance_id, plugin_id, env_id="")
        what = f"APIs of plug-in {plugin_id}"
        items, _ = await self._read(lane, wanted, what, ATTACHED, by_env=True)
        return list(_only(items, AttachedItem).values())

    async def gateways(self, lane: Lane) -> dict[str, KnownGateway]:
        """Read a project's gateways, by instance id; the lane names the account.

        Raises:
            ListUnread: They cannot be read.
        """
        items, _ = await self._read(lane, gateways_list(), "gateways", GATEWAYS)
        return _only(items, KnownGateway)

    def forget(self, instance_id: str, *, before: float) -> None:
        """Drop a gateway's lists that were read before a time."""
        old = [
            key
            for key, (at, _) in self._kept.items()
            if at < before and key[1] == instance_id
        ]
        for key in old:
            del self._kept[key]

    def now(self, lane: Lane) -> float:
        """Return seconds since the epoch."""
        return self._tools[lane.account].now()

    async def _read(
        self,
        lane: Lane,
        wanted: ListPath,
        what: str,
        need: Need,
        *,
        by_env: bool = False,
    ) -> tuple[dict[str, Item], float]:
        instance_id = wanted.path.removeprefix("/").partition("/")[0]
        key = (lane.account, instance_id, wanted.path, *wanted.query.items(), by_env)
        if key in self._kept:
            self._kept.move_to_end(key)
            at, items = self._kept[key]
            return items, at
        tools = self._tools[lane.account]
        reading = Reading(lane, tools, Waiting(lane, tools))
        for _ in range(TIMES):
            at = tools.now()
            listing = await reading.read(wanted, by_env=by_env)
            if listing is None:
                raise ListUnread(lane, what, reading.refusal, need)
            if listing.proves_absence:
                self._keep(key, at, listing.items)
                return listing.items, at
        raise ListUnread(lane, what, _odd(what), need)

    def _keep(self, key: tuple[object, ...], at: float, items: dict[str, Item]) -> None:
        self._kept[key] = (at, items)
        held = sum(len(items) for _, items in self._kept.values())
        while held > self._bound and len(self._kept) > 1:
            _, (_, dropped) = self._kept.popitem(last=False)
            held -= len(dropped)


def _odd(what: str) -> Reply:
    message = (
        f"the list of {what} contradicts itself (a page repeats, or its total changes),"
        f" {TIMES} times in a row"
    )
    return Reply(200, OurCode.REPLY_MALFORMED, message)


def _only(items: Mapping[str, Item], kind: type[T]) -> dict[str, T]:
    return {key: item for key, item in items.items() if isinstance(item, kind)}
