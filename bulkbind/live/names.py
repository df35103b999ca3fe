"""Names and selectors -> ids, as the gateways have them.

A name that several things bear is not guessed at: the fault lists their ids. A
selector means the APIs that are published in the row's environment.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from bulkbind.errors import Fault
from bulkbind.live.lists import Lists, ListUnread
from bulkbind.model import ID_COLUMNS, NAMED, STAND_INS, Block, Lane, Row
from bulkbind.wire import KnownApi

#: Ids and names shown in a fault.
SHOWN = 5


class Asked(NamedTuple):
    """What a row says of its target and its APIs; texts, tagged where named."""

    account: str
    instance_id: str
    plugin_id: str
    env_id: str
    apis: str
    """A selector, tagged; empty: the row has an API id."""


class Resolved(NamedTuple):
    """What a row means."""

    instance_id: str
    plugin_id: str
    env_id: str
    api_ids: tuple[str, ...] | None
    """None: the row's own."""


class Unresolved(NamedTuple):
    """Why a row means nothing: a column, a problem, a remedy."""

    column: str
    problem: str
    remedy: str


Names = Mapping[Asked, Resolved | Unresolved]


def asked(row: Row) -> Asked:
    """Return what has to be resolved of a row."""
    apis = row.api_id if row.api_id.startswith(NAMED) else ""
    return Asked(row.account, row.instance_id, row.plugin_id, row.env_id, apis)


def resolve_rows(
    rows: Iterable[Row | Block], *, names: Names, file_name: Callable[[int], str]
) -> Iterator[Row | Block]:
    """Put ids in the place of names; a selector becomes a row for each API.

    Args:
        rows: In manifest order.
        names: What ``Resolver.resolve`` made of them.
        file_name: The name of a file of the manifest by its number.
    """
    for row in rows:
        if isinstance(row, Block) or row.fault is not None or not row.is_named:
            yield row
            continue
        found = names[asked(row)]
        if isinstance(found, Unresolved):
            fault = Fault(file_name(row.file), row.line, *found)
            yield _untagged(row)._replace(fault=fault)
            continue
        plain = row._replace(
            instance_id=found.instance_id,
            plugin_id=found.plugin_id,
            env_id=found.env_id,
        )
        for api_id in (row.api_id,) if found.api_ids is None else found.api_ids:
            yield plain._replace(api_id=api_id)


def _untagged(row: Row) -> Row:
    texts = {column: getattr(row, column) for column in ID_COLUMNS}
    return row._replace(**{c: t.removeprefix(NAMED) for c, t in texts.items()})


class _Unclear(Exception):
    def __init__(self, why: Unresolved) -> None:
        super().__init__(why.problem)
        self.why = why


class Resolver:
    """Asks gateways what names mean.

    Args:
        lists: Reads their lists.
        gateway_of: Account and instance id -> endpoint host and instance id.
    """

    def __init__(self, lists: Lists, gateway_of: Callable[[str, str], str]) -> None:
        self._lists = lists
        self._gateway_of = gateway_of

    async def resolve(self, wanted: Iterable[Asked]) -> Names:
        """Say what each of them means; gateways one after another.

        Args:
            wanted: Distinct.
        """
        names: dict[Asked, Resolved | Unresolved] = {}
        for one in sorted(wanted):
            try:
                names[one] = await self._resolve(one)
            except _Unclear as unclear:
                names[one] = unclear.why
            except ListUnread as unread:
                names[one] = Unresolved("", unread.text, "see to the gateway first")
        return names

    async def _resolve(self, one: Asked) -> Resolved:
        instance_id = await self._instance(one)
        lane = Lane(0, one.account, self._gateway_of(one.account, instance_id))
        plugin_id, env_id = one.plugin_id, one.env_id
        if plugin_id.startswith(NAMED):
            plugins = await self._lists.plugins(lane, instance_id)
            by_id = {plugin.plugin_id: plugin.name for plugin in plugins.values()}
            plugin_id = _only_one("plugin_name", plugin_id, by_id)
        if env_id.startswith(NAMED):
            envs = await self._lists.envs(lane, instance_id)
            by_id = {env.env_id: env.name for env in envs.values()}
            env_id = _only_one("env_name", env_id, by_id)
        api_ids = None
        if one.apis:
            apis, _ = await self._lists.apis(lane, instance_id)
            selector = one.apis.removeprefix(NAMED)
            api_ids = select_apis(selector, apis, env_id=env_id)
        return Resolved(instance_id, plugin_id, env_id, api_ids)

    async def _instance(self, one: Asked) -> str:
        if not one.instance_id.startswith(NAMED):
            return one.instance_id
        gateways = await self._lists.gateways(Lane(0, one.account, one.account))
        by_id = {gateway.instance_id: gateway.name for gateway in gateways.values()}
        return _only_one("instance_name", one.instance_id, by_id)


def _only_one(column: str, tagged: str, by_id: Mapping[str, str]) -> str:
    """Return the id that a name stands for."""
    name = tagged.removeprefix(NAMED)
    found = sorted(key for key, known in by_id.items() if known == name)
    if len(found) == 1:
        return found[0]
    stands_for = STAND_INS[column]
    if found:
        ids = ", ".join(found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        problem = f"{column} {name!r} names {len(found)}: {ids}{more}"
        raise _Unclear(Unresolved(stands_for, problem, f"give {stands_for} itself"))
    known = sorted(set(by_id.values()))
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {_some(known)}"
    problem = f"{column} {name!r} is not there; {hint}"
    raise _Unclear(Unresolved(stands_for, problem, f"correct {column}"))


def select_apis(
    selector: str, apis: Mapping[str, KnownApi], *, env_id: str
) -> tuple[str, ...]:
    """Return the APIs published in an environment that a selector means."""
    kind, _, name = selector.partition(":")
    chosen = [
        api
        for api in apis.values()
        if kind == "*"
        or (kind == "group" and api.group == name)
        or (kind == "tag" and name in api.tags)
    ]
    published = tuple(api.api_id for api in chosen if env_id in api.env_ids)
    if published:
        return published
    where = "published in the row's environment"
    if chosen:
        problem = f"apis {selector!r}: none of its {len(chosen)} APIs is {where}"
        raise _Unclear(Unresolved("api_id", problem, "publish them first"))
    known = {"group": {a.group for a in apis.values()}}.get(
        kind, {tag for api in apis.values() for tag in api.tags}
    )
    problem = f"apis {selector!r} means no API; there are {_some(sorted(known - {''}))}"
    raise _Unclear(Unresolved("api_id", problem, "correct the selector"))


def _some(texts: list[str]) -> str:
    if not texts:
        return "none"
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(map(repr, texts[:SHOWN])) + more
