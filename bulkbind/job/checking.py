"""Reads back what a run did, target by target, and writes down what is there now."""

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import anyio

from bulkbind.auth import Credential
from bulkbind.job.checked import MAX_DRIFTED, Checked, Drifted, TargetCheck
from bulkbind.job.connecting import connect
from bulkbind.job.errand import Surroundings
from bulkbind.job.reading import read_tools
from bulkbind.ledger import Ledger
from bulkbind.live import (
    Holders,
    Lists,
    ListUnread,
    Misses,
    other_holders,
    own_holders,
)
from bulkbind.model import (
    Action,
    Batch,
    Lane,
    Record,
    RecordKind,
    Target,
    Verdict,
    Verification,
)
from bulkbind.run import Halt
from bulkbind.settings import JobSettings
from bulkbind.state.folders import RunFolder, StateFolder
from bulkbind.state.ledgers import open_ledger
from bulkbind.verdict import Stops, find

#: So long after an answer a list may not show its effect yet.
SETTLE_S = 30.0

#: Further looks at what does not show yet, ``second_look`` apart.
LOOKS = 4

#: Batches whose checks share a commit.
_CHUNK = 64

#: Verdicts that claim something of what is bound now.
CHECKED = frozenset({Verdict.BOUND, Verdict.UNCHANGED, Verdict.UNBOUND})


class _Asked(NamedTuple):
    """One id of a batch that is to be read back."""

    position: int
    done_at: float
    """When its request was answered; 0: nothing was sent for it."""
    was_checked: bool


#: A batch, and what of it is to be read back.
_Work = tuple[Batch, list[_Asked]]


class _Sight:
    """What can be seen of one target, read when it is needed and once only."""

    def __init__(
        self, lists: Lists, misses: Misses, lane: Lane, target: Target
    ) -> None:
        self._lists = lists
        self._misses = misses
        self._lane = lane
        self._target = target
        self._own: Holders | None = None
        self._all: Holders | None = None
        self._failed = False

    async def own(self) -> Holders | None:
        """Return where the target's plug-in is; None: it cannot be read."""
        if self._own is None:
            self._own = await self._read(
                lambda: own_holders(self._lists, self._lane, self._target)
            )
        return self._own

    async def everyone(self, own: Holders) -> Holders | None:
        """Return who holds the slots; None: it cannot be read."""
        if self._all is None:
            self._all = await self._read(
                lambda: other_holders(self._lists, self._lane, self._target, own)
            )
        return self._all

    async def _read(self, read: Callable[[], Awaitable[Holders]]) -> Holders | None:
        if self._failed:
            return None
        try:
            return await read()
        except ListUnread as unread:
            self._misses.note(unread)
            self._failed = True
            return None


class Checker:
    """Reads back the rows of a run.

    Args:
        ledger: Open to be written; the caller holds the job's lock.
        lists: Read the run's gateways.
        misses: Hears what cannot be read.
        checked: What is found goes there.
        wait: Waits before what does not show yet is looked at again.
        wanted: By row number, 0 for rows that nobody asks for; None: all are wanted.
    """

    def __init__(
        self,
        ledger: Ledger,
        lists: Lists,
        misses: Misses,
        *,
        checked: Checked,
        wait: Callable[[int], Awaitable[None]],
        wanted: Sequence[int] | None = None,
    ) -> None:
        self._ledger = ledger
        self._lists = lists
        self._misses = misses
        self._checked = checked
        self._wait = wait
        self._wanted = wanted
        self._lanes = ledger.lanes()
        self._invocation = len(ledger.invocations())
        self._stops = Stops.of(ledger.stops(), invocation=self._invocation)

    async def check(self) -> None:
        """Look at every target, and again at what does not show yet."""
        targets = sorted(self._ledger.targets(), key=lambda t: (t.lane, t.no))
        checks = {target.no: TargetCheck(target) for target in targets}
        self._checked.targets = list(checks.values())
        open_work: dict[int, list[_Work]] = {}
        for target in targets:
            work = self._look(checks[target.no], self._work(target), is_last=False)
            if doubts := await work:
                open_work[target.no] = doubts
        for look in range(1, LOOKS + 1):
            if not open_work:
                return
            await self._wait(sum(len(a) for w in open_work.values() for _, a in w))
            doubted, open_work = open_work, {}
            for number, some in doubted.items():
                instance_id = checks[number].target.instance_id
                self._lists.forget(instance_id, before=math.inf)
                doubts = await self._look(checks[number], some, is_last=look == LOOKS)
                if doubts:
                    open_work[number] = doubts

    def _work(self, target: Target) -> Iterator[_Work]:
        """Find the rows of a target that claim something."""
        for batch, records in self._ledger.batches(target.no):
            found = find(batch, records, target=target, stops=self._stops)
            asked = [
                _Asked(
                    position,
                    found.common[position].finished_at * bool(found.attempts[position]),
                    bool(found.verified[position]),
                )
                for position, row in enumerate(batch.rows)
                if found.common[position].verdict in CHECKED
                and (self._wanted is None or self._wanted[row])
            ]
            if asked:
                yield batch, asked

    async def _look(
        self, check: TargetCheck, work: Iterable[_Work], *, is_last: bool
    ) -> list[_Work]:
        """Look at some rows of a target; return those that may show later."""
        lane = self._lanes[check.target.lane]
        sight = _Sight(self._lists, self._misses, lane, check.target)
        doubts: list[_Work] = []
        records: list[Record] = []
        for batch, asked in work:
            young = [] if is_last else await _too_young(sight, batch, asked)
            if young:
                doubts.append((batch, young))
            early = {one.position for one in young}
            rest = [one for one in asked if one.position not in early]
            records += await self._see(check, sight, batch, rest)
            if len(records) >= _CHUNK:
                self._write(records)
        self._write(records)
        return doubts

    async def _see(
        self, check: TargetCheck, sight: _Sight, batch: Batch, asked: list[_Asked]
    ) -> list[Record]:
        """Say what is there of some ids, count it, and return it as records."""
        own = await sight.own()
        everyone = own
        wants = batch.action is Action.ATTACH
        if own is not None and wants:
            ids = (batch.api_ids[one.position] for one in asked)
            if any(api_id not in own.mine for api_id in ids):
                everyone = await sight.everyone(own)
        seen: list[tuple[int, str]] = []
        blank: list[int] = []
        for one in asked:
            api_id = batch.api_ids[one.position]
            holders = own if own is not None and api_id in own.mine else everyone
            if holders is None:
                check.unread += 1
                blank += [one.position] * one.was_checked
                continue
            holder = holders.of(api_id)
            seen.append((one.position, holder))
            self._count(check, api_id, holder, is_wanted=wants)
        at = own.read_at if own is not None else 0.0
        return [*self._record(batch, seen, at), *self._blank(batch, blank)]

    def _count(
        self, check: TargetCheck, api_id: str, holder: str, *, is_wanted: bool
    ) -> None:
        if (holder == check.target.plugin_id) is is_wanted:
            check.same += 1
            return
        check.missing += not holder
        check.other += bool(holder)
        if len(self._checked.drifted) < MAX_DRIFTED:
            self._checked.drifted.append(Drifted(check.target.no, api_id, holder))

    def _record(
        self, batch: Batch, seen: list[tuple[int, str]], at: float
    ) -> Iterator[Record]:
        if seen:
            yield Record(
                batch=batch.id,
                kind=RecordKind.CHECK,
                invocation=self._invocation,
                at=at,
                span=tuple(position for position, _ in seen),
                others=tuple(holder for _, holder in seen),
            )

    def _blank(self, batch: Batch, positions: list[int]) -> Iterator[Record]:
        """Take back what an earlier check says of ids that cannot be read now."""
        if positions:
            yield Record(
                batch=batch.id,
                kind=RecordKind.CHECK,
                invocation=self._invocation,
                at=0.0,
                span=tuple(positions),
            )

    def _write(self, records: list[Record]) -> None:
        if records:
            self._ledger.begin()
            for record in records:
                self._ledger.put_record(record)
            self._ledger.commit()
            records.clear()


async def _too_young(sight: _Sight, batch: Batch, asked: list[_Asked]) -> list[_Asked]:
    """Return ids that do not show as left, and whose effect may still be to come."""
    own = await sight.own()
    if own is None:
        return []
    wants = batch.action is Action.ATTACH
    return [
        one
        for one in asked
        if one.done_at + SETTLE_S > own.read_at
        and (batch.api_ids[one.position] in own.mine) is not wants
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckErrand:
    """What is to be read back, and how."""

    run: RunFolder
    """The caller holds the job's lock."""
    settings: JobSettings
    credentials: Mapping[str, Credential | None]
    """By account; None: the sandbox."""
    state: StateFolder
    """Where the sandbox's world is."""
    wanted: Sequence[int] | None = None
    """As ``Checker`` takes it."""
    belongs_to_run: bool = False
    """Part of the run: its reads are the run's, and so is what it finds."""
    tell: Callable[[str], None] = lambda _: None
    """Told why it takes longer."""
    halt: Halt = field(default_factory=Halt)
    """Stops the reading: what was not read until then is not known."""


async def read_back(errand: CheckErrand, *, around: Surroundings) -> Checked:
    """Read back the rows of a run, and write what was seen into its ledger.

    Raises:
        StateError: The ledger cannot be written.
    """
    checked, misses = Checked(), Misses(errand.halt)
    started = anyio.current_time()
    with closing(open_ledger(errand.run.path)) as ledger:
        targets = ledger.targets()
        async with connect(
            errand.settings,
            credentials=errand.credentials,
            state=errand.state,
            projects={target.account: target.project_id for target in targets},
            rows=lambda: iter(()),
            environ=around.environ,
        ) as connections:
            tools = read_tools(
                connections,
                errand.settings,
                halt=errand.halt,
                around=around,
                count_read=checked.count_read,
            )
            await Checker(
                ledger,
                Lists(tools),
                misses,
                checked=checked,
                wait=lambda rows: _wait(errand, rows),
                wanted=errand.wanted,
            ).check()
        checked.unread = misses.why
        checked.refusal = misses.refusal({target.account for target in targets})
        checked.seconds = anyio.current_time() - started
        _keep(ledger, checked, errand, at=around.now())
    return checked


async def _wait(errand: CheckErrand, rows: int) -> None:
    seconds = errand.settings.second_look_s
    errand.tell(
        f"{rows:,} rows were changed moments ago and do not show yet;"
        f" looking again in {seconds:g} s"
    )
    with errand.halt.interruptible(""):
        await anyio.sleep(seconds)


def _keep(ledger: Ledger, checked: Checked, errand: CheckErrand, *, at: float) -> None:
    """Note what a verification of the whole run came to."""
    if errand.wanted is not None:
        return
    invocation = len(ledger.invocations())
    fact = Verification(
        at=at,
        invocation=invocation,
        rows=checked.rows,
        same=checked.same,
        drift=checked.drift,
        unread=checked.not_read,
        belongs_to_run=errand.belongs_to_run,
    )
    ledger.begin()
    ledger.put_meta({"verification": json.dumps(asdict(fact))})
    if errand.belongs_to_run:
        ledger.add_reads(invocation, checked.reads)
    ledger.commit()
