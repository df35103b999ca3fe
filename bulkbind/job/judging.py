"""Reads what is bound while a plan is drawn, and says what each row comes to."""

from collections import Counter
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from bulkbind.auth import Credential
from bulkbind.errors import CredentialsRejected
from bulkbind.job.connecting import Connections, connect
from bulkbind.job.errand import Surroundings
from bulkbind.job.projects import settle_projects
from bulkbind.job.reading import read_tools
from bulkbind.job.walking import gateway_of
from bulkbind.live import (
    Asked,
    Lists,
    ListUnread,
    Misses,
    Names,
    Pictures,
    Resolver,
)
from bulkbind.model import (
    Action,
    Batch,
    Lane,
    Record,
    Row,
    Target,
)
from bulkbind.plan import (
    Claims,
    Fate,
    Judged,
    Judgement,
    OnReplace,
    Picture,
    Planner,
    What,
    decide,
    judge,
    record_of,
)
from bulkbind.run import Halt
from bulkbind.settings import JobSettings
from bulkbind.state.folders import StateFolder

#: Replacements kept by name; more are only counted.
MAX_REPLACEMENTS = 10_000


class Replacement(NamedTuple):
    """A row that would displace another plug-in."""

    target: int
    """``Target.no``"""
    api_id: str
    plugin_id: str
    """The one that is there now."""


@dataclass(slots=True)
class Found:
    """What the reading found, as much of it as people and scripts look at."""

    judged: dict[int, Counter[Judged]] = field(default_factory=dict)
    """Rows by target and by what they come to."""
    replacements: list[Replacement] = field(default_factory=list)
    """The first 10,000."""
    extra: Counter[int] = field(default_factory=Counter)
    """By target: bound live, and not in the manifest."""
    plugins: dict[str, str] = field(default_factory=dict)
    """Names of plug-ins that would be displaced, by id."""
    unread: dict[str, str] = field(default_factory=dict)
    """Gateways that cannot be read, and why."""
    reads: int = 0
    """Pages of lists."""
    seconds: float = 0.0

    async def count(self) -> None:
        """Count a page that was asked for."""
        self.reads += 1

    @property
    def totals(self) -> Counter[Judged]:
        """Rows by what they come to, over all targets."""
        return sum(self.judged.values(), Counter())


class Drawn(NamedTuple):
    """What was seen of one target's rows."""

    picture: Picture
    judgements: Mapping[str, Judgement]
    """By API id."""


class Survey:
    """Judges the targets of a plan, one after another.

    Args:
        lists: Reads.
        pictures: Takes pictures through ``lists``.
        settings: The job.
        halt: Stops accounts that are refused.
        found: What is found goes there.
    """

    def __init__(
        self,
        lists: Lists,
        pictures: Pictures,
        settings: JobSettings,
        halt: Halt,
        found: Found,
    ) -> None:
        self.found = found
        self.lists = lists
        self._pictures = pictures
        self._settings = settings
        self._misses = Misses(halt)
        found.unread = self._misses.why

    async def learn_types(self, planner: Planner) -> None:
        """Read the types of the plug-ins of every gateway that the plan meets.

        Raises:
            CredentialsRejected: Every account was refused.
        """
        gateways = planner.gateways()
        for number, (account, instance_id, gateway) in enumerate(gateways):
            lane = Lane(number, account, gateway)
            try:
                types = await self._pictures.types(lane, instance_id)
            except ListUnread as unread:
                self._misses.note(unread)
            else:
                planner.learn_types(gateway, types)
        accounts = {account for account, _, _ in gateways}
        if said := self._misses.refusal(accounts):
            message = f"the credential is refused, and nothing was sent: {said}"
            raise CredentialsRejected(message)

    async def judge(
        self,
        target: Target,
        lane: Lane,
        claims: Claims,
        *,
        action: Action,
        policy: OnReplace,
        approved: Callable[[int], str | None] = lambda _: None,
    ) -> tuple[dict[Fate, Claims], Drawn]:
        """Say what each claim on a target comes to.

        Args:
            target: The target.
            lane: Its lane.
            claims: Theirs, in manifest order.
            action: What is asked for them.
            policy: Whom they may displace.
            approved: What the claim of a place may displace, as ``decide`` takes it.
        """
        ids = claims.api_ids
        picture = await self._picture(target, lane, ids, action=action)
        judgements = [Judgement(Judged.UNKNOWN)] * len(ids)
        if picture is not None:
            rebind = self._settings.rebind
            judgements = judge(
                picture, ids, target=target, action=action, rebind=rebind
            )
            self._count_extra(target, picture, ids)
        counts = self.found.judged.setdefault(target.no, Counter())
        counts.update(judgement.judged for judgement in judgements)
        fates: dict[Fate, list[int]] = {}
        for at, judgement in enumerate(judgements):
            leave = approved(claims.places[at])
            fate = decide(judgement, policy=policy, approved=leave)
            fates.setdefault(fate, []).append(at)
            if judgement.judged is Judged.REPLACE:
                await self._note(lane, target, ids[at], judgement.other)
        by_id = dict(zip(ids, judgements, strict=True))
        chosen = {fate: claims.take(positions) for fate, positions in fates.items()}
        return chosen, Drawn(picture or Picture(read_at=0.0), by_id)

    async def _picture(
        self, target: Target, lane: Lane, ids: Sequence[str], *, action: Action
    ) -> Picture | None:
        if lane.gateway in self.found.unread:
            return None
        try:
            return await self._pictures.take(target, ids, action=action)
        except ListUnread as unread:
            self._misses.note(unread)
            return None

    def _count_extra(self, target: Target, picture: Picture, ids: list[str]) -> None:
        """Count what is bound and not asked for; a filtered plan cannot tell."""
        if not self._settings.only and self._settings.action is Action.ATTACH:
            self.found.extra[target.no] = len(picture.mine.keys() - set(ids))

    async def _note(self, lane: Lane, target: Target, api_id: str, other: str) -> None:
        found = self.found
        if len(found.replacements) < MAX_REPLACEMENTS:
            found.replacements.append(Replacement(target.no, api_id, other))
        if other not in found.plugins:
            plugins = await self.lists.plugins(lane, target.instance_id)
            found.plugins[other] = plugins[other].name if other in plugins else ""


def records_of(batch: Batch, fate: Fate, drawn: Drawn) -> Iterator[Record]:
    """Yield what the ledger should know of a batch that was judged."""
    judgements = [drawn.judgements[api_id] for api_id in batch.api_ids]
    record = record_of(
        fate,
        range(len(batch.api_ids)),
        [judgement.other for judgement in judgements],
        bindings=[drawn.picture.mine.get(api_id) for api_id in batch.api_ids],
        picture=drawn.picture,
        batch=batch.id,
        invocation=0,
    )
    if record is not None:
        yield record


def is_to_be_sent(fate: Fate) -> bool:
    """Tell whether batches of a fate are requests."""
    return fate.what in {What.SEND, What.UNREAD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What it takes to read a job's gateways while it is planned."""

    credentials: Mapping[str, Credential | None]
    """By account, as ``find_credentials`` returns them."""
    state: StateFolder
    around: Surroundings
    looks_behind: bool = False
    """As ``Pictures`` takes it."""
    opens: Callable[..., AbstractAsyncContextManager[Connections]] = connect
    """Opens what is read with, as ``connect`` does; a simulator has wires of its own."""

    async def projects(
        self, settings: JobSettings, names: Iterable[str], *, told: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the project of each account, as ``settle_projects`` does."""
        return await settle_projects(
            settings,
            names,
            told=told,
            credentials=self.credentials,
            environ=self.around.environ,
        )

    async def resolve(
        self,
        settings: JobSettings,
        wanted: Iterable[Asked],
        *,
        projects: Mapping[str, str],
    ) -> Names:
        """Ask what names and selectors mean.

        Args:
            settings: The job.
            wanted: Distinct.
            projects: As ``connect`` takes them.
        """
        async with self.survey(
            settings, lanes=(), projects=projects, rows=lambda: iter(())
        ) as survey:
            resolver = Resolver(
                survey.lists,
                lambda account, instance: gateway_of(settings, account, instance),
            )
            return await resolver.resolve(wanted)

    @asynccontextmanager
    async def survey(
        self,
        settings: JobSettings,
        *,
        lanes: Sequence[Lane],
        projects: Mapping[str, str],
        rows: Callable[[], Iterator[Row]],
    ) -> AsyncIterator[Survey]:
        """Connect for as long as a plan is judged.

        Args:
            settings: The job.
            lanes: Of the plan; may still grow.
            projects: As ``connect`` takes them.
            rows: As ``connect`` takes them.
        """
        async with self.opens(
            settings,
            credentials=self.credentials,
            state=self.state,
            projects=projects,
            rows=rows,
            environ=self.around.environ,
        ) as connections:
            halt, found = Halt(), Found()
            started = anyio.current_time()
            lists = Lists(
                read_tools(
                    connections,
                    settings,
                    halt=halt,
                    around=self.around,
                    count_read=found.count,
                )
            )
            pictures = Pictures(lists, lanes, looks_behind=self.looks_behind)
            try:
                yield Survey(lists, pictures, settings, halt, found)
            finally:
                found.seconds = anyio.current_time() - started
