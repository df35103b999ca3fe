"""Asks an account's gateways: who is there, what time it is, what may be read.

The endpoint is asked without the credential first: so the clock, too, is looked at where
the credential was refused. Then the account's door and pace are used as a run uses them:
a credential that is refused here is tried nowhere else for ten minutes. Of each list one
page is read.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from bulkbind.doctor.check import Check, counted, fault, fine, warning
from bulkbind.doctor.clock import check_clock
from bulkbind.doctor.refusals import mend_credential
from bulkbind.doctor.rights import is_gone, of_unread, said, tally
from bulkbind.job.connecting import Connections
from bulkbind.job.errand import Surroundings
from bulkbind.live import ListUnread
from bulkbind.live.lists import APIS, ATTACHED, ENVS, GATEWAYS, PLUGINS, Need
from bulkbind.model import NAMED, Lane, OurCode, Reply
from bulkbind.retry import canonical, refuses_credential
from bulkbind.settings import AccountSettings
from bulkbind.wire import (
    KnownGateway,
    KnownPlugin,
    ListPath,
    Page,
    apis_list,
    attached_list,
    envs_list,
    gateways_list,
    plugins_list,
)

#: Seconds that one page may take, waiting for the account's pace included.
LONGEST_LOOK_S = 60.0

#: Codes of an endpoint that is none of API Gateway's. Source: SIGN-ERR.
_ELSEWHERE = frozenset({"APIGW.0101", "APIGW.0607"})

#: Statuses that anybody may answer on the way: no right, too slow, too many.
_SAYS_NOTHING = frozenset({403, 408, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a manifest names of one account."""

    project_id: str = ""
    gateways: Mapping[str, str] = field(default_factory=dict)
    """Id or, tagged, name of each gateway -> a plug-in of it; empty: no id is known."""


class _Place(NamedTuple):
    instance_id: str
    plugin_id: str
    """One that the manifest names; empty: none."""


class Asker:
    """Asks an account's gateways for their lists."""

    def __init__(
        self, account: AccountSettings, connections: Connections, around: Surroundings
    ) -> None:
        self._account = account
        self._of = f"account {account.name}"
        self._gateway = connections.attachers[account.name]
        self._door = connections.turns[account.name]
        self._slots = anyio.Semaphore(1)
        self._now = around.now

    async def checks(self, named: Named) -> AsyncIterator[Check]:
        """Yield what there is to say, the endpoint first: it needs no credential."""
        answer = await self._gateway.greet()
        if isinstance(answer, Reply):
            yield self._unreached(answer)
            return
        yield fine("endpoint", self._of, self._reached())
        yield check_clock(self._of, answer.headers.get("Date", ""), now=self._now())
        if self._door.refusal is not None:
            yield self._refused(self._door.refusal)
            return
        page = await self._first_page(gateways_list())
        if _is_elsewhere(page):
            yield self._elsewhere(page.reply)
            return
        if refuses_credential(page.reply):
            yield self._refused(page.reply)
            return
        yield self._project(page, named)
        if page.is_whole or named.gateways:
            places, problems = self._places(page, named)
            for problem in problems:
                yield problem
            async for check in self._rights(places):
                yield check

    # --- the account ------------------------------------------------------------------

    def _reached(self) -> str:
        endpoint = self._account.endpoint
        if endpoint.startswith("https:"):
            return f"{endpoint} answers, and its certificate is trusted"
        return f"{endpoint} answers, without TLS: it is this machine itself"

    def _unreached(self, reply: Reply) -> Check:
        remedy = "check the endpoint, the network, and a proxy or CA on the way"
        found = f"{self._account.endpoint}: {reply.message or 'no answer'}"
        return fault("endpoint", self._of, found, remedy)

    def _elsewhere(self, reply: Reply) -> Check:
        found = f"whoever answers there is not API Gateway: {said(reply)}"
        remedy = (
            "check scheme, host and region (https://apig.REGION.myhuaweicloud.com), and"
            " product"
        )
        return fault("endpoint", self._of, found, remedy)

    def _refused(self, reply: Reply) -> Check:
        found = f"refused: {said(reply)}"
        remedy = f"{mend_credential(reply)}; nothing more was asked"
        return fault("credential", self._of, found, remedy)

    def _project(self, page: Page, named: Named) -> Check:
        """Say whether the project's gateways could be listed."""
        project_id = self._gateway.project_id
        if not page.is_whole:
            unread = self._unread("", "gateways", GATEWAYS, page.reply)
            check = of_unread("project", self._of, [unread])
            if not unread.lacks_right:
                return check
            remedy = (
                f"{check.remedy}; if other rights are missing, too, {project_id} may be"
                " a project that the credential is not for"
            )
            make = warning if named.gateways else fault
            return make("project", self._of, check.found, remedy)
        found = f"{project_id}: {counted(page.total, 'gateway')} ({GATEWAYS.right})"
        if page.total:
            return fine("project", self._of, found)
        remedy = "check project_id, and that the endpoint is of the right region"
        return warning("project", self._of, found, remedy)

    def _places(self, page: Page, named: Named) -> tuple[list[_Place], list[Check]]:
        """Return the gateways to ask, and what is wrong with names of others."""
        known = [one for one in page.items if isinstance(one, KnownGateway)]
        if not named.gateways:
            return [_Place(one.instance_id, "") for one in known], []
        places, problems = [], []
        for text, plugin_id in named.gateways.items():
            name = text.removeprefix(NAMED)
            having = [one.instance_id for one in known if one.name == name]
            if text == name:
                having = [name]
            if len(having) == 1:
                places.append(_Place(having[0], plugin_id))
            else:
                is_whole = page.is_whole and len(known) == page.total
                problems.append(self._nameless(name, having, is_whole=is_whole))
        return places, problems

    def _nameless(self, name: str, having: list[str], *, is_whole: bool) -> Check:
        remedy = "correct instance_name, or give instance_id"
        if not is_whole:
            found = f"{name!r} may be any: the gateways cannot all be listed"
            return warning("gateway", self._of, found, remedy)
        many = f"these bear it: {', '.join(having)}" if having else "none bears it"
        return fault("gateway", self._of, f"instance_name {name!r}: {many}", remedy)

    # --- rights -----------------------------------------------------------------------

    async def _rights(self, places: list[_Place]) -> AsyncIterator[Check]:
        """Ask every gateway for its lists; one line a right, if all is well."""
        heard: list[tuple[Need, ListUnread | None]] = []
        for place in places:
            answers = await self._ask(place)
            gone = [u for _, u in answers if u is not None and is_gone(u)]
            if gone:
                yield of_unread("gateway", self._of, gone[:1])
            else:
                heard += answers
            if self._door.refusal is not None:
                yield self._refused(self._door.refusal)
                return
        for check in tally(self._of, heard):
            yield check

    async def _ask(self, place: _Place) -> list[tuple[Need, ListUnread | None]]:
        """Ask a gateway for each list; None: it came. The first that is gone ends it."""
        instance_id = place.instance_id
        answers: list[tuple[Need, ListUnread | None]] = []
        plugin_id = place.plugin_id
        for wanted, what, need in (
            (plugins_list(instance_id), "plug-ins", PLUGINS),
            (envs_list(instance_id), "environments", ENVS),
            (apis_list(instance_id), "APIs", APIS),
        ):
            page = await self._first_page(wanted)
            unread = None
            if not page.is_whole:
                unread = self._unread(instance_id, what, need, page.reply)
            answers.append((need, unread))
            if unread is not None and (is_gone(unread) or self._door.refusal):
                return answers
            if need is PLUGINS and page.is_whole:
                plugin_id = _one_of(page, plugin_id)
        if plugin_id:
            wanted = attached_list(instance_id, plugin_id, env_id="")
            page = await self._first_page(wanted)
            what = f"APIs of plug-in {plugin_id}"
            unread = self._unread(instance_id, what, ATTACHED, page.reply)
            answers.append((ATTACHED, None if page.is_whole else unread))
        return answers

    def _unread(
        self, instance_id: str, what: str, need: Need, reply: Reply
    ) -> ListUnread:
        gateway = instance_id or self._gateway.project_id
        return ListUnread(Lane(0, self._account.name, gateway), what, reply, need)

    async def _first_page(self, wanted: ListPath) -> Page:
        """Read the first page of a list, once, in the account's turn."""
        with anyio.move_on_after(LONGEST_LOOK_S):
            async with self._door.turn(self._slots):
                page = await self._gateway.page(wanted, 0)
            if page.reply.status:
                self._door.accepted()
            return page
        message = f"no answer was to be had in {LONGEST_LOOK_S:.0f} s"
        return Page(Reply(0, OurCode.ANSWER_LOST, message))


def _one_of(page: Page, plugin_id: str) -> str:
    """Return a plug-in that is there: of others "not found" is all there is to hear."""
    there = [one.plugin_id for one in page.items if isinstance(one, KnownPlugin)]
    return plugin_id if plugin_id in there else next(iter(there), "")


def _is_elsewhere(page: Page) -> bool:
    """Tell whether it was not API Gateway that answered."""
    reply = page.reply
    if page.is_whole or refuses_credential(reply):
        return False
    is_foreign = reply.code in {"", OurCode.REPLY_MALFORMED}
    is_final = reply.status in range(200, 500) and reply.status not in _SAYS_NOTHING
    return canonical(reply.code) in _ELSEWHERE or (is_foreign and is_final)
