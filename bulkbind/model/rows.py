"""Rows and what they are sorted into: targets, lanes, batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bulkbind.errors import Fault
from bulkbind.model.words import NAMED, Action, Verdict


class Row(NamedTuple):
    """One API id in one target, where it came from, and what it carries along.

    A row with a fault keeps its own text in every column, and ``fault`` says what
    is wrong; it never becomes a binding.
    """

    file: int
    """Index into the manifest's files, from 0."""
    line: int
    """Physical line where the row starts, from 1; may repeat."""
    account: str
    project_id: str
    instance_id: str
    plugin_id: str
    plugin_type: str
    """Empty: not known."""
    env_id: str
    api_id: str
    carried: tuple[str, ...] = ()
    """Every other column's text, in the manifest's order of columns."""
    fault: Fault | None = None
    """None: sound."""
    wanted: bool = True
    """False: ``--only`` drops it; it may still lose or win a conflict."""

    @property
    def is_named(self) -> bool:
        """Whether some id is a name or a selector that has to be resolved."""
        return NAMED in "".join((self.instance_id, self.plugin_id, self.env_id)) or (
            self.api_id.startswith(NAMED)
        )

    @property
    def target_ids(self) -> tuple[str, ...]:
        """The row's ids but the last, ``api_id``."""
        ids: tuple[str, ...] = self[2:8]
        return ids

    @property
    def target_key(self) -> tuple[str, str, str, str]:
        """What makes a target: account, instance, plug-in, environment."""
        return self.account, self.instance_id, self.plugin_id, self.env_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Sound and wanted rows on consecutive lines of one file, as columns."""

    file: int
    """As ``Row.file``."""
    line: int
    """Of the first row; the others follow, a line each."""
    numbers: Sequence[int]
    """By row: where its ids but the last stand in ``known``."""
    known: Sequence[tuple[str, ...]]
    """Account, project, instance, plug-in, type and environment; never changed, but
    grows behind."""
    api_ids: Sequence[str]
    """By row: 32 hexadecimal digits."""
    packed: bytes
    """The same, 16 bytes each."""
    carried: Sequence[tuple[str, ...]]
    """By row."""

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, one by one."""
        columns = zip(self.numbers, self.api_ids, self.carried, strict=True)
        for line, (number, api_id, carried) in enumerate(columns, self.line):
            ids = (*self.known[number], api_id)
            yield Row._make((self.file, line, *ids, carried, None, True))


class SourceFile(NamedTuple):
    """One manifest file that was read."""

    name: str
    """As the job names it; ``<stdin>`` for standard input."""
    sha256: str
    """Of the user's bytes, before decompression; 64 hex digits."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Target:
    """Account, gateway instance, plug-in and environment: what requests share."""

    no: int
    """From 0, in order of the target's first row."""
    account: str
    project_id: str
    """Empty: the account resolves it when it connects."""
    instance_id: str
    plugin_id: str
    env_id: str
    lane: int
    """Number of the lane, from 0, in order of the lane's first row."""
    plugin_type: str = ""
    """Empty: not known."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Requests that must not overlap: one gateway instance, as one account.

    Two accounts that reach one gateway have a lane each; the gateway's lock keeps
    their requests apart.
    """

    no: int
    account: str
    """The account whose credential and pace its requests use."""
    gateway: str
    """Endpoint host and instance id, joined by a slash."""


@dataclass(frozen=True, slots=True)
class Batch:
    """1-500 ids of one target and one action: one request."""

    id: int
    """From 1, in plan order; a lane sends in this order."""
    target: int
    """``Target.no``"""
    lane: int
    """``Lane.no``"""
    action: Action
    rows: tuple[int, ...]
    """Row numbers in the run, ascending, one for each id."""
    api_ids: tuple[str, ...]

    def ids_at(self, positions: Sequence[int]) -> tuple[str, ...]:
        """Return the ids at some positions, ascending and distinct."""
        if len(positions) == len(self.api_ids):
            return self.api_ids
        return tuple([self.api_ids[position] for position in positions])


class Aside(NamedTuple):
    """A row that the plan set aside: it is never sent."""

    row: int
    """Row number in the run, from 0."""
    verdict: Verdict
    """``duplicate``, ``superseded`` or ``invalid``."""
    text: str
    """The line that won, or the fault."""
