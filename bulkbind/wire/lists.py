"""Lists: path, query, pages, and what a page that cannot be right looks like.

Common paging: ``offset`` and ``limit``, 1-500, silently clamped; there is no marker.
Source: apig-contract 1.1, 2.1; SDK docstrings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from bulkbind.model import OurCode, Reply, Target
from bulkbind.wire.plugin import UNREADABLE, read_refusal
from bulkbind.wire.text import scrub

#: Items asked for in one page: the most there can be.
PAGE = 500

#: No list of a gateway is longer; more is an answer that cannot be right.
MAX_ITEMS = 200_000

_OK = 200


class Attached(NamedTuple):
    """One API that a plug-in is attached to."""

    api_id: str
    plugin_attach_id: str
    attached_time: str
    env_id: str


class KnownApi(NamedTuple):
    """One API of a gateway."""

    api_id: str
    env_ids: frozenset[str]
    """Environments it is published in."""


class _AttachedItem(msgspec.Struct):
    api_id: str | None = None
    plugin_attach_id: str | None = None
    attached_time: str | None = None
    env_id: str | None = None


class _ApiItem(msgspec.Struct):
    id: str | None = None
    run_env_id: str | None = None


class _AttachedPage(msgspec.Struct):
    total: int
    apis: list[_AttachedItem]


class _ApiPage(msgspec.Struct):
    total: int
    apis: list[_ApiItem]


_ATTACHED = msgspec.json.Decoder(_AttachedPage)
_APIS = msgspec.json.Decoder(_ApiPage)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, or why there is none."""

    reply: Reply
    """Status, and what went wrong when it was not 200."""
    items: tuple[Attached | KnownApi, ...] = ()
    total: int = 0

    @property
    def is_whole(self) -> bool:
        """True: the page was answered and could be read."""
        return self.reply.status == _OK and not self.reply.code


def attached_url(target: Target, *, project_id: str, offset: int) -> str:
    """Return path and query of a page of the APIs a target's plug-in is attached to.

    Source: OTC, ListPluginAttachedApis.
    """
    parts = (project_id, target.instance_id, target.plugin_id)
    project, instance, plugin = (quote(part, safe="") for part in parts)
    query = {"env_id": target.env_id, "limit": PAGE, "offset": offset}
    return (
        f"/v2/{project}/apigw/instances/{instance}/plugins/{plugin}/attached-apis"
        f"?{urlencode(query)}"
    )


def apis_url(instance_id: str, *, project_id: str, offset: int) -> str:
    """Return path and query of a page of a gateway's APIs.

    Source: OTC, ListApisV2.
    """
    project, instance = quote(project_id, safe=""), quote(instance_id, safe="")
    query = urlencode({"limit": PAGE, "offset": offset})
    return f"/v2/{project}/apigw/instances/{instance}/apis?{query}"


def read_attached(status: int, headers: Mapping[str, str], body: bytes) -> Page:
    """Read a page of ``attached-apis``."""
    if status != _OK:
        return Page(read_refusal(status, headers, body))
    try:
        page = _ATTACHED.decode(body)
    except UNREADABLE as error:
        return _unreadable(status, error)
    items = [
        Attached(
            item.api_id or "",
            scrub(item.plugin_attach_id or ""),
            scrub(item.attached_time or ""),
            item.env_id or "",
        )
        for item in page.apis
    ]
    return Page(Reply(status), tuple(items), page.total)


def read_apis(status: int, headers: Mapping[str, str], body: bytes) -> Page:
    """Read a page of a gateway's APIs; ``run_env_id`` joins environments by ``|``."""
    if status != _OK:
        return Page(read_refusal(status, headers, body))
    try:
        page = _APIS.decode(body)
    except UNREADABLE as error:
        return _unreadable(status, error)
    items = [
        KnownApi(item.id or "", frozenset(filter(None, _split(item.run_env_id))))
        for item in page.apis
    ]
    return Page(Reply(status), tuple(items), page.total)


def _split(joined: str | None) -> Sequence[str]:
    return (joined or "").split("|")


def _unreadable(status: int, error: Exception) -> Page:
    message = f"the list cannot be read: {scrub(str(error))}"
    return Page(Reply(status, OurCode.REPLY_MALFORMED, message))


@dataclass(slots=True)
class Listing:
    """A list as its pages come in; trusted only when nothing about it is odd.

    A page that repeats, a total that changes, an end before the total: the list then
    proves what it shows, and proves nothing about what it does not show.
    """

    items: dict[str, Attached | KnownApi] = field(default_factory=dict)
    total: int = -1
    is_done: bool = False
    is_odd: bool = False

    @property
    def offset(self) -> int:
        """Where the next page begins."""
        return len(self.items)

    def take(self, page: Page) -> None:
        """Take the next page in."""
        before = len(self.items)
        self.items.update((item.api_id, item) for item in page.items)
        new = len(self.items) - before
        if self.total not in {-1, page.total} or new != len(page.items):
            self.is_odd = True
        self.total = page.total
        ended = not page.items or len(self.items) >= page.total
        if ended and len(self.items) != page.total:
            self.is_odd = True
        self.is_done = ended or not new or len(self.items) > MAX_ITEMS

    @property
    def proves_absence(self) -> bool:
        """True: what the list does not show was not there when it was read."""
        return self.is_done and not self.is_odd
