"""Lists: path, query, pages, and what a page that cannot be right looks like.

Common paging: ``offset`` and ``limit``, 1-500, silently clamped; there is no marker.
Source: apig-contract 1.1, 2.1; SDK docstrings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from bulkbind.model import OurCode, Reply
from bulkbind.wire.plugin import UNREADABLE, instances_path, read_refusal
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
    group: str = ""
    """Name of its group."""
    tags: tuple[str, ...] = ()
    name: str = ""


class KnownPlugin(NamedTuple):
    """One plug-in of a gateway."""

    plugin_id: str
    name: str
    plugin_type: str
    """Any text: types have been added before."""


class KnownEnv(NamedTuple):
    """One environment of a gateway."""

    env_id: str
    name: str


class KnownGateway(NamedTuple):
    """One gateway of a project."""

    instance_id: str
    name: str
    status: str


#: What lists are of; the first field says which one an item is.
Item = Attached | KnownApi | KnownPlugin | KnownEnv | KnownGateway


#: Ids become paths, rows and lines of output: a page with others is not believed.
_Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_-]{0,64}\Z")]
_Ids = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_|-]*\Z")]


class _AttachedItem(msgspec.Struct):
    api_id: _Id | None = None
    plugin_attach_id: str | None = None
    attached_time: str | None = None
    env_id: _Id | None = None


class _ApiItem(msgspec.Struct):
    id: _Id | None = None
    run_env_id: _Ids | None = None
    group_name: str | None = None
    tags: list[str] | None = None
    name: str | None = None


class _PluginItem(msgspec.Struct):
    plugin_id: _Id | None = None
    plugin_name: str | None = None
    plugin_type: str | None = None


class _EnvItem(msgspec.Struct):
    id: _Id | None = None
    name: str | None = None


class _GatewayItem(msgspec.Struct):
    id: _Id | None = None
    instance_name: str | None = None
    status: str | None = None


class _AttachedPage(msgspec.Struct):
    total: int
    items: list[_AttachedItem] = msgspec.field(name="apis")


class _ApiPage(msgspec.Struct):
    total: int
    items: list[_ApiItem] = msgspec.field(name="apis")


class _PluginPage(msgspec.Struct):
    total: int
    items: list[_PluginItem] = msgspec.field(name="plugins")


class _EnvPage(msgspec.Struct):
    total: int
    items: list[_EnvItem] = msgspec.field(name="envs")


class _GatewayPage(msgspec.Struct):
    total: int
    items: list[_GatewayItem] = msgspec.field(name="instances")


_ATTACHED = msgspec.json.Decoder(_AttachedPage)
_APIS = msgspec.json.Decoder(_ApiPage)
_PLUGINS = msgspec.json.Decoder(_PluginPage)
_ENVS = msgspec.json.Decoder(_EnvPage)
_GATEWAYS = msgspec.json.Decoder(_GatewayPage)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, or why there is none."""

    reply: Reply
    """Status, and what went wrong when it was not 200."""
    items: tuple[Item, ...] = ()
    total: int = 0

    @property
    def is_whole(self) -> bool:
        """True: the page was answered and could be read."""
        return self.reply.status == _OK and not self.reply.code


ReadPage = Callable[[int, Mapping[str, str], bytes], Page]


@dataclass(frozen=True, slots=True)
class ListPath:
    """A list of one project: where it is, and how its pages are read."""

    path: str
    """Below the project's instances, percent-encoded; empty: they themselves."""
    query: Mapping[str, str]
    read: ReadPage

    def url(self, offset: int, *, project_id: str, product: str = "apig") -> str:
        """Return path and query of the page that begins at an offset."""
        instances = instances_path(project_id, product=product)
        query = urlencode({**self.query, "limit": PAGE, "offset": offset})
        return f"{instances}{self.path}?{query}"


def attached_list(instance_id: str, plugin_id: str, *, env_id: str) -> ListPath:
    """Return the list of the APIs a plug-in is attached to; env empty: everywhere.

    Source: OTC, ListPluginAttachedApis.
    """
    path = f"{_below(instance_id, 'plugins')}/{quote(plugin_id, safe='')}/attached-apis"
    return ListPath(path, {"env_id": env_id} if env_id else {}, read_attached)


def apis_list(instance_id: str) -> ListPath:
    """Return the list of a gateway's APIs. Source: OTC, ListApisV2."""
    return ListPath(_below(instance_id, "apis"), {}, read_apis)


def plugins_list(instance_id: str) -> ListPath:
    """Return the list of a gateway's plug-ins. Source: OTC, ListPlugins."""
    return ListPath(_below(instance_id, "plugins"), {}, read_plugins)


def envs_list(instance_id: str) -> ListPath:
    """Return the list of a gateway's environments. Source: OTC, ListEnvironmentsV2."""
    return ListPath(_below(instance_id, "envs"), {}, read_envs)


def gateways_list() -> ListPath:
    """Return the list of a project's gateways. Source: OTC, ListInstancesV2."""
    return ListPath("", {}, read_gateways)


def _below(instance_id: str, what: str) -> str:
    return f"/{quote(instance_id, safe='')}/{what}"


def read_attached(status: int, headers: Mapping[str, str], body: bytes) -> Page:
    """Read a page of ``attached-apis``."""
    return _read(status, headers, body, decoder=_ATTACHED, make=_attached)


def read_apis(status: int, headers: Mapping[str, str], body: bytes) -> Page:
    """Read a page of a gateway's APIs; ``run_env_id`` joins environments by ``|``."""
    return _read(status, headers, body, decoder=_APIS, make=_api)


def read_plugins(status: int, headers: Mapping[str, str], body: bytes) -> Page:
    """Read a page of a gateway's plug-ins."""
    return _read(status, headers, body, decoder=_PLUGINS, make=_plugin)


def read_envs(status: int, headers: Mapping[str, str], body: bytes) -> Page:
    """Read a page of a gateway's environments."""
    return _read(status, headers, body, decoder=_ENVS, make=_env)


def read_gateways(status: int, headers: Mapping[str, str], body: bytes) -> Page:
    """Read a page of a project's gateways."""
    return _read(status, headers, body, decoder=_GATEWAYS, make=_gateway)


def _read(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    decoder: Any,  # noqa: ANN401 - of whatever page
    make: Callable[[Any], Item],
) -> Page:
    if status != _OK:
        return Page(read_refusal(status, headers, body))
    try:
        page = decoder.decode(body)
    except UNREADABLE as error:
        return _unreadable(status, error)
    return Page(Reply(status), tuple(make(item) for item in page.items), page.total)


def _attached(item: _AttachedItem) -> Attached:
    return Attached(
        item.api_id or "",
        scrub(item.plugin_attach_id or ""),
        scrub(item.attached_time or ""),
        item.env_id or "",
    )


def _api(item: _ApiItem) -> KnownApi:
    envs = frozenset(filter(None, (item.run_env_id or "").split("|")))
    tags = tuple(scrub(tag) for tag in item.tags or ())
    group, name = scrub(item.group_name or ""), scrub(item.name or "")
    return KnownApi(item.id or "", envs, group, tags, name)


def _plugin(item: _PluginItem) -> KnownPlugin:
    name, kind = scrub(item.plugin_name or ""), scrub(item.plugin_type or "")
    return KnownPlugin(item.plugin_id or "", name, kind)


def _env(item: _EnvItem) -> KnownEnv:
    return KnownEnv(item.id or "", scrub(item.name or ""))


def _gateway(item: _GatewayItem) -> KnownGateway:
    name, status = scrub(item.instance_name or ""), scrub(item.status or "")
    return KnownGateway(item.id or "", name, status)


def _unreadable(status: int, error: Exception) -> Page:
    message = f"the list cannot be read: {scrub(str(error))}"
    return Page(Reply(status, OurCode.REPLY_MALFORMED, message))


@dataclass(slots=True)
class Listing:
    """A list as its pages come in; trusted only when nothing about it is odd.

    A page that repeats, a total that changes, an end before the total: the list then
    proves what it shows, and proves nothing about what it does not show.
    """

    items: dict[str, Item] = field(default_factory=dict)
    by_env: bool = False
    """True: an API may be there once for each environment."""
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
        self.items.update((self._key(item), item) for item in page.items)
        new = len(self.items) - before
        if self.total not in {-1, page.total} or new != len(page.items):
            self.is_odd = True
        self.total = page.total
        ended = not page.items or len(self.items) >= page.total
        is_endless = len(self.items) > MAX_ITEMS
        if is_endless or (ended and len(self.items) != page.total):
            self.is_odd = True
        self.is_done = ended or not new or is_endless

    def _key(self, item: Item) -> str:
        if self.by_env and isinstance(item, Attached):
            return f"{item.api_id}/{item.env_id}"
        return item[0]

    @property
    def proves_absence(self) -> bool:
        """True: what the list does not show was not there when it was read."""
        return self.is_done and not self.is_odd
