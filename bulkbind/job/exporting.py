"""``export``: what is bound now, or could be, as a manifest.

Rows go into a file under a temporary name, gateway by gateway; it gets its own name
when all of them are read, or at least some and the caller is told which are not.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import anyio

from bulkbind.errors import CredentialsRejected, SettingsError
from bulkbind.job.connecting import connect, find_credentials
from bulkbind.job.errand import Surroundings
from bulkbind.job.projects import settle_projects
from bulkbind.job.reading import read_tools
from bulkbind.job.sheet import Sheet, format_of, sheet_at
from bulkbind.job.walking import manifest_of
from bulkbind.live import Lists, ListUnread, Misses
from bulkbind.live.harvest import bound_slots, open_slots
from bulkbind.model import ID_COLUMNS, NAMED, Lane
from bulkbind.report.choose import Only
from bulkbind.report.table import csv_line
from bulkbind.run import Halt
from bulkbind.settings import JobSettings
from bulkbind.state.folders import StateFolder
from bulkbind.wire import KnownGateway, KnownPlugin

#: Columns of each export; those behind the ids are for people.
BINDING_COLUMNS = (*ID_COLUMNS, "plugin_name", "env_name")
API_COLUMNS = (*ID_COLUMNS, "env_name", "api_name", "api_group", "api_tags")

#: Lists kept in memory: the one that is read.
_KEPT_ITEMS = 1


@dataclass(slots=True, kw_only=True)
class Harvested:
    """What an export came to."""

    path: Path | None = None
    """None: nothing could be read, and nothing was written."""
    rows: int = 0
    gateways: int = 0
    """Those that were read to the end."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Gateways of which rows may be missing, and why."""
    reads: int = 0
    seconds: float = 0.0

    async def count_read(self) -> None:
        """Count a page that was asked for."""
        self.reads += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportWish:
    """What somebody wants exported."""

    out: Path
    """Its name says the format: ``.csv`` or ``.jsonl``, and ``.gz`` behind it."""
    apis: bool = False
    """Published APIs without a plug-in, instead of bindings."""
    only: Only = ()
    """Columns of the export with the values that are wanted; empty: all rows."""
    tell: Callable[[str], None] = lambda _: None
    """Told of each gateway that is done."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file."""
        return API_COLUMNS if self.apis else BINDING_COLUMNS


class _Place(NamedTuple):
    """A gateway to be exported."""

    lane: Lane
    project_id: str
    instance_id: str


async def export_manifest(
    settings: JobSettings,
    *,
    wish: ExportWish,
    state: StateFolder,
    around: Surroundings,
) -> Harvested:
    """Write a manifest of what the gateways of a job have.

    Args:
        settings: The job; without a manifest all gateways of its projects are meant.
        wish: What to write where.
        state: Where the sandbox's world is.
        around: Clock, random source, environment.

    Raises:
        CredentialsRejected: Nothing could be read.
        SettingsError: A wish that cannot be met; nothing was written.
        StateError: The file cannot be written.
    """
    _check(wish)
    credentials = find_credentials(settings, around.environ)
    named = list(_named_gateways(settings)) if settings.manifest else []
    told = _told(settings, named)
    projects = await settle_projects(
        settings, told, told=told, credentials=credentials, environ=around.environ
    )
    state.prepare()
    done, halt = Harvested(), Halt()
    misses = Misses(halt)
    started = anyio.current_time()
    with sheet_at(wish.out) as sheet:
        async with connect(
            settings,
            credentials=credentials,
            state=state,
            projects=projects,
            rows=lambda: iter(()),
            environ=around.environ,
        ) as connections:
            tools = read_tools(
                connections,
                settings,
                halt=halt,
                around=around,
                count_read=done.count_read,
            )
            lists = Lists(tools, bound=_KEPT_ITEMS)
            export = _Export(lists, misses, settings, wish, done, sheet)
            places = await export.find_gateways(named, projects)
            sheet.add(_header(wish))
            for place in places:
                await export.gateway(place)
        done.unread, done.seconds = misses.why, anyio.current_time() - started
        _finish(done, wish, sheet, refusal=misses.refusal(projects))
    return done


def _check(wish: ExportWish) -> None:
    """Refuse what cannot be met before anything is read."""
    problems = []
    if format_of(wish.out) not in {".csv", ".jsonl"}:
        problems.append(
            f"-o {wish.out}: its name must end in .csv or .jsonl, and .gz behind it if"
            " it is to be compressed"
        )
    problems += [
        f"--only: no column {column!r}; there are: {', '.join(wish.columns)}"
        for column, _ in wish.only
        if column not in wish.columns
    ]
    if problems:
        raise SettingsError(problems)


def _named_gateways(settings: JobSettings) -> Iterator[tuple[str, str, str]]:
    """Yield account, project and id of each gateway that a manifest names, once."""
    seen: set[tuple[str, str]] = set()
    for row in manifest_of(settings).rows():
        key = row.account, row.instance_id
        if row.fault is None and key not in seen:
            seen.add(key)
            yield row.account, row.project_id, row.instance_id


def _told(
    settings: JobSettings, named: Iterable[tuple[str, str, str]]
) -> dict[str, str]:
    """Return the accounts that are read, with the projects that their rows say."""
    told: dict[str, str] = {}
    for account, project_id, _ in named:
        told[account] = told.get(account) or project_id
    return told if settings.manifest else dict.fromkeys(settings.accounts, "")


def _place(
    settings: JobSettings,
    number: int,
    account: str,
    instance_id: str,
    projects: Mapping[str, str],
) -> _Place:
    host = settings.accounts[account].host or account
    lane = Lane(number, account, f"{host}/{instance_id}")
    return _Place(lane, projects[account], instance_id)


class _Export:
    """Reads gateways, one at a time, into a sheet."""

    def __init__(
        self,
        lists: Lists,
        misses: Misses,
        settings: JobSettings,
        wish: ExportWish,
        done: Harvested,
        sheet: Sheet,
    ) -> None:
        self._lists = lists
        self._misses = misses
        self._settings = settings
        self._wish = wish
        self._done = done
        self._sheet = sheet
        self._gateways: set[str] = set()
        """Those that were read to the end; two accounts may see the same."""
        self._is_json = format_of(wish.out) == ".jsonl"

    async def find_gateways(
        self, named: Iterable[tuple[str, str, str]], projects: Mapping[str, str]
    ) -> list[_Place]:
        """Return the gateways that a manifest names; without one, all there are.

        Raises:
            SettingsError: A name is not that of one gateway.
        """
        asked = [(account, instance_id) for account, _, instance_id in named]
        if not self._settings.manifest:
            found = {account: await self._known(account) for account in projects}
            asked = [
                (account, one) for account in found for one in sorted(found[account])
            ]
        elif any(instance_id.startswith(NAMED) for _, instance_id in asked):
            asked = await self._resolve(asked)
        return [
            _place(self._settings, number, account, instance_id, projects)
            for number, (account, instance_id) in enumerate(dict.fromkeys(asked))
        ]

    async def _resolve(self, asked: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Put ids in the place of gateways' names."""
        known = {account: await self._known(account) for account, _ in asked}
        ids, problems = [], []
        for account, text in asked:
            name = text.removeprefix(NAMED)
            having = sorted(
                one.instance_id for one in known[account].values() if one.name == name
            )
            if name == text:
                ids.append((account, text))
            elif len(having) == 1:
                ids.append((account, having[0]))
            elif known[account]:
                said = (
                    f"these bear it: {', '.join(having)}" if having else "none has it"
                )
                problems.append(f"instance_name {name!r}: {said}; give instance_id")
        if problems:
            raise SettingsError(problems)
        return ids

    async def _known(self, account: str) -> dict[str, KnownGateway]:
        """Ask an account for its gateways; none, if it does not tell."""
        host = self._settings.accounts[account].host or account
        try:
            return await self._lists.gateways(Lane(0, account, host))
        except ListUnread as unread:
            self._misses.note(unread)
            return {}

    async def gateway(self, place: _Place) -> None:
        """Write everything of one gateway."""
        known = {
            "account": place.lane.account,
            "project_id": place.project_id,
            "instance_id": place.instance_id,
        }
        if not _allows(self._wish.only, known):
            return
        before = self._done.rows
        try:
            async for rows in self._rows(place, known):
                self._write(rows)
        except ListUnread as unread:
            self._misses.note(unread)
            return
        self._gateways.add(place.lane.gateway)
        self._done.gateways = len(self._gateways)
        many = self._done.rows - before
        self._wish.tell(f"{place.lane.gateway}: {many:,} rows")

    async def _rows(
        self, place: _Place, known: Mapping[str, str]
    ) -> AsyncIterator[list[dict[str, str]]]:
        lists, lane = self._lists, place.lane
        if self._wish.apis:
            yield [
                {
                    **known,
                    "env_id": slot.env_id,
                    "api_id": slot.api.api_id,
                    "env_name": slot.env_name,
                    "api_name": slot.api.name,
                    "api_group": slot.api.group,
                    "api_tags": "|".join(slot.api.tags),
                }
                for slot in await open_slots(lists, lane, place.instance_id)
            ]
            return
        async for slots in bound_slots(
            lists, lane, place.instance_id, wanted=self._wants
        ):
            yield [
                {
                    **known,
                    **_plugin(slot.plugin),
                    "env_id": slot.env_id,
                    "api_id": slot.api_id,
                    "env_name": slot.env_name,
                }
                for slot in slots
            ]

    def _wants(self, plugin: KnownPlugin) -> bool:
        return _allows(self._wish.only, _plugin(plugin))

    def _write(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Write the rows that are wanted."""
        columns = self._wish.columns
        lines = []
        for row in rows:
            if not _allows(self._wish.only, row):
                continue
            cells = {column: row.get(column, "") for column in columns}
            if self._is_json:
                lines.append(json.dumps(cells, ensure_ascii=False) + "\n")
            else:
                lines.append(csv_line(tuple(cells.values())))
        self._done.rows += len(lines)
        self._sheet.add("".join(lines))


def _plugin(plugin: KnownPlugin) -> dict[str, str]:
    return {
        "plugin_id": plugin.plugin_id,
        "plugin_type": plugin.plugin_type,
        "plugin_name": plugin.name,
    }


def _allows(only: Only, known: Mapping[str, str]) -> bool:
    """Tell whether what is known of a row so far has the values that are wanted."""
    return all(known[column] in values for column, values in only if column in known)


def _header(wish: ExportWish) -> str:
    return csv_line(wish.columns) if format_of(wish.out) == ".csv" else ""


def _finish(done: Harvested, wish: ExportWish, sheet: Sheet, *, refusal: str) -> None:
    """Give the file its name, unless there is nothing to be said in it.

    Raises:
        CredentialsRejected: No account could be read.
        SettingsError: No row was wanted.
    """
    if refusal and not done.rows:
        message = f"the credential is refused, and nothing was read: {refusal}"
        raise CredentialsRejected(message)
    if done.unread and not done.gateways and not done.rows:
        return
    if wish.only and not done.rows and not done.unread:
        asked = " ".join(f"{name}={','.join(values)}" for name, values in wish.only)
        raise SettingsError([f"--only {asked}: no row of the export matches"])
    sheet.publish()
    done.path = wish.out
