"""What an account's credential may read: the first page of each list, and no more.

The account's pace and its door are used as a run uses them, so that a credential that
is refused here is not tried again anywhere for ten minutes.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import anyio

from bulkbind.auth import Credential, Token
from bulkbind.doctor import Check, check_clock, fault, fine, warning
from bulkbind.job.connecting import Connections
from bulkbind.job.reading import Surroundings, read_tools
from bulkbind.live import ListUnread
from bulkbind.live.lists import APIS, ATTACHED, ENVS, GATEWAYS, PLUGINS, Need
from bulkbind.model import NAMED, Lane, OurCode, Reply, Scope
from bulkbind.retry import advise, refuses_credential
from bulkbind.run import Halt, Reading, Waiting
from bulkbind.settings import AccountSettings, JobSettings
from bulkbind.wire import (
    Item,
    KnownGateway,
    ListPath,
    Page,
    apis_list,
    attached_list,
    envs_list,
    gateways_list,
    plugins_list,
)

#: Seconds that one look may take, waiting for the account's pace included.
LONGEST_LOOK_S = 60.0

#: Failures that say nothing of what the credential may do.
_PASSING = frozenset({Scope.AMBIGUOUS, Scope.TRANSIENT, Scope.BUSY, Scope.THROTTLE})

_AGAIN = "try again when the service is well"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a manifest names of one account."""

    project_id: str = ""
    gateways: Mapping[str, str] = field(default_factory=dict)
    """Id or, tagged, name of each gateway -> a plug-in of it; empty: no id is known."""


class _Seen(NamedTuple):
    """The first page of a list, or why there is none."""

    items: Mapping[str, Item] = {}
    total: int = 0
    unread: ListUnread | None = None

    @property
    def is_whole(self) -> bool:
        return self.unread is None and len(self.items) == self.total


class _Gateway(NamedTuple):
    lane: Lane
    instance_id: str
    plugin_id: str
    """One that the manifest names; empty: none."""


@dataclass(slots=True)
class _Tally:
    """What came of one right, over the gateways of an account."""

    granted: int = 0
    refused: dict[str, list[ListUnread]] = field(default_factory=dict)

    def add(self, unread: ListUnread | None) -> None:
        if unread is None:
            self.granted += 1
        else:
            code = unread.reply.code if unread.reply else ""
            self.refused.setdefault(code, []).append(unread)


class Asker:
    """Asks for the lists of one account.

    Args:
        account: The account.
        credential: The account's.
        connections: Open.
        settings: The job, with this account only.
        around: Clock and random source.
    """

    def __init__(
        self,
        account: AccountSettings,
        credential: Credential,
        *,
        connections: Connections,
        settings: JobSettings,
        around: Surroundings,
    ) -> None:
        self._account = account
        self._credential = credential
        self._door = connections.turns[account.name]
        self._project = connections.attachers[account.name].project_id
        self._now = around.now
        self._heard: list[tuple[str, float]] = []
        self._total = 0
        self._tools = read_tools(
            connections,
            replace(settings, max_attempts=1),
            halt=Halt(),
            around=around,
            count_read=_count_nothing,
        )[account.name]

    async def checks(self, named: Named) -> AsyncIterator[Check]:
        """Yield what there is to say of the account.

        Args:
            named: What the manifest names; without gateways all there are are asked.
        """
        name = self._account.name
        if self._door.refusal is not None:
            yield self._refused(self._door.refusal)
            return
        seen = await self._look(
            Lane(0, name, self._account.host), gateways_list(), "gateways", GATEWAYS
        )
        reply = seen.unread.reply if seen.unread else None
        if reply is not None and not reply.status:
            yield self._unreached(reply)
            return
        yield fine("endpoint", name, self._reached())
        date, at = self._heard[0]
        yield check_clock(name, date, now=at)
        if reply is not None and refuses_credential(reply):
            yield self._refused(reply)
            return
        yield self._gateways(seen, named)
        if seen.unread is None or named.gateways:
            places, problems = self._places(seen, named)
            for problem in problems:
                yield problem
            async for check in self._rights(places):
                yield check

    def _reached(self) -> str:
        endpoint = self._account.endpoint
        if endpoint.startswith("https:"):
            return f"{endpoint} answers, and its certificate is trusted"
        return f"{endpoint} answers, without TLS: it is this machine itself"

    def _unreached(self, reply: Reply) -> Check:
        found = f"{self._account.endpoint}: {reply.message or 'no answer'}"
        remedy = "check the endpoint, the network, and the account's proxy and ca_file"
        return fault("endpoint", self._account.name, found, remedy)

    def _refused(self, reply: Reply) -> Check:
        code = " ".join(filter(None, (str(reply.status or ""), reply.code)))
        label = self._credential.label
        found = f"{label} is refused: {code}: {reply.message or 'no message'}"
        remedy = (
            f"{advise(reply.code) or 'check the credential'} (nothing more was asked)"
        )
        return fault("credential", self._account.name, found, remedy)

    def _gateways(self, seen: _Seen, named: Named) -> Check:
        """Say whether the project's gateways could be listed."""
        name = self._account.name
        if seen.unread is not None:
            check = _unread("project", name, [seen.unread])
            if seen.unread.lacks_right and named.gateways:
                return warning("right", name, check.found, check.remedy)
            return check
        found = f"{self._project}: {seen.total:,} gateways ({GATEWAYS.right})"
        if not seen.total:
            remedy = "check project_id, and that the endpoint is of the right region"
            return warning("project", name, found, remedy)
        return fine("project", name, found)

    def _places(self, seen: _Seen, named: Named) -> tuple[list[_Gateway], list[Check]]:
        """Return the gateways to ask, and those that cannot be."""
        known = [one for one in seen.items.values() if isinstance(one, KnownGateway)]
        if not named.gateways:
            return [self._place(one.instance_id, "") for one in known], []
        places, problems = [], []
        for text, plugin_id in named.gateways.items():
            name = text.removeprefix(NAMED)
            having = [one.instance_id for one in known if one.name == name]
            if text == name:
                having = [name]
            if len(having) == 1:
                places.append(self._place(having[0], plugin_id))
            else:
                problems.append(self._nameless(name, having, seen))
        return places, problems

    def _place(self, instance_id: str, plugin_id: str) -> _Gateway:
        account = self._account
        lane = Lane(0, account.name, f"{account.host}/{instance_id}")
        return _Gateway(lane, instance_id, plugin_id)

    def _nameless(self, name: str, having: list[str], seen: _Seen) -> Check:
        of = f"{self._account.name} {name}"
        remedy = "correct instance_name, or give instance_id"
        if not seen.is_whole:
            found = "what this name means is not known: the gateways cannot be listed"
            return warning("gateway", of, found, remedy)
        many = f"these bear it: {', '.join(having)}" if having else "no gateway has it"
        return fault("gateway", of, f"instance_name {name!r}: {many}", remedy)

    async def _rights(self, places: list[_Gateway]) -> AsyncIterator[Check]:
        """Ask every gateway for its lists; one line a right, if all is well."""
        tallies = {need: _Tally() for need in (PLUGINS, ENVS, APIS, ATTACHED)}
        for place in places:
            if self._door.refusal is not None:
                break
            if (check := await self._ask(place, tallies)) is not None:
                yield check
        name = self._account.name
        for need, tally in tallies.items():
            for unreads in tally.refused.values():
                yield _unread("right", name, unreads)
            if tally.granted:
                yield fine("right", name, f"{need.right}, on {tally.granted} gateways")

    async def _ask(
        self, place: _Gateway, tallies: Mapping[Need, _Tally]
    ) -> Check | None:
        """Ask a gateway for its lists, unless it is not there, as is said then."""
        async for need, unread in self._lists(place):
            if unread is not None and _is_gone(unread):
                return _unread("gateway", unread.lane.gateway, [unread])
            tallies[need].add(unread)
            if self._door.refusal is not None:
                break
        return None

    async def _lists(
        self, place: _Gateway
    ) -> AsyncIterator[tuple[Need, ListUnread | None]]:
        """Look at one gateway's lists; the last one needs a plug-in to ask about."""
        lane, instance_id = place.lane, place.instance_id
        plugins = await self._look(lane, plugins_list(instance_id), "plug-ins", PLUGINS)
        yield PLUGINS, plugins.unread
        for wanted, what, need in (
            (envs_list(instance_id), "environments", ENVS),
            (apis_list(instance_id), "APIs", APIS),
        ):
            yield need, (await self._look(lane, wanted, what, need)).unread
        # one that is there: else "not found" is all there is to hear
        is_there = plugins.unread is not None or place.plugin_id in plugins.items
        plugin_id = place.plugin_id if is_there else next(iter(plugins.items), "")
        if plugin_id:
            wanted = attached_list(instance_id, plugin_id, env_id="")
            what = f"APIs of plug-in {plugin_id}"
            yield ATTACHED, (await self._look(lane, wanted, what, ATTACHED)).unread

    async def _look(self, lane: Lane, wanted: ListPath, what: str, need: Need) -> _Seen:
        """Read the first page of a list, once, in the account's turn."""
        reading = Reading(lane, self._tools, Waiting(lane, self._tools))
        self._total = 0
        with anyio.move_on_after(LONGEST_LOOK_S):
            listing = await reading.read(self._first_page(wanted), by_env=True)
            if listing is not None:
                return _Seen(listing.items, self._total)
            return _Seen(unread=ListUnread(lane, what, reading.refusal, need))
        message = f"no answer was to be had in {LONGEST_LOOK_S:.0f} s"
        reply = Reply(0, OurCode.ANSWER_LOST, message)
        return _Seen(unread=ListUnread(lane, what, reply, need))

    def _first_page(self, wanted: ListPath) -> ListPath:
        """Return a list that ends after its first page, and is heard."""

        def read(status: int, headers: Mapping[str, str], body: bytes) -> Page:
            self._heard.append((headers.get("Date", ""), self._now()))
            page = wanted.read(status, headers, body)
            self._total = page.total
            return replace(page, total=len(page.items)) if page.is_whole else page

        return ListPath(wanted.path, wanted.query, read)


async def _count_nothing() -> None:
    """Nobody wants to know how many pages were asked for."""


def _is_gone(unread: ListUnread) -> bool:
    """Tell whether it is the gateway that does not answer, and not a right."""
    return unread.scope is Scope.GATEWAY and not unread.lacks_right


def _unread(name: str, of: str, unreads: list[ListUnread]) -> Check:
    """Say of the first list why it cannot be read, and of how many more."""
    first, more = unreads[0], len(unreads) - 1
    found = f"{first.lane.gateway}: {first.text}"
    if more:
        found = f"{found} (and so on {more} more gateways)"
    make: Callable[[str, str, str, str], Check] = fault
    if first.scope in _PASSING and not first.lacks_right:
        make = warning
    return make(name, of, found, first.advice or _AGAIN)


def kind_of(credential: Credential) -> str:
    """Say what a credential is used as, and where it was found; never what it is."""
    kind = "a token" if isinstance(credential, Token) else "an access key"
    return f"{kind}, found at {credential.label}"
