"""What the report works on: rows with their verdicts, and where these come from.

Most cells of a row are those of its neighbours: the target's, the answer's. They
live in one :class:`Shared` for all rows that have them, and are rendered once.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from bulkbind.model import (
    Aside,
    Batch,
    Cause,
    Record,
    Row,
    Stop,
    Target,
    Verdict,
)


class Source(Protocol):
    """What the report needs of a ledger."""

    def targets(self) -> Sequence[Target]:
        """Return every target of the run, with its resolved project."""
        ...

    def batches(self, target: int) -> Iterator[tuple[Batch, Sequence[Record]]]:
        """Read a target's batches one by one, rows ascending, with their records.

        Called at most once for a target. The iterators of many targets are open at
        the same time, each advanced only when its batch is used up.
        """
        ...

    def asides(self) -> Iterator[Aside]:
        """Read the rows that the plan set aside, ascending."""
        ...

    def stops(self) -> Sequence[Stop]:
        """Return why rows without an answer of their own have none."""
        ...

    @property
    def invocation(self) -> int:
        """The newest one, from 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shared:
    """Cells that many rows have in common."""

    account: str
    project_id: str
    """Resolved; empty when the run never got to know it."""
    instance_id: str
    plugin_id: str
    plugin_type: str
    env_id: str
    verdict: Verdict
    cause: Cause = Cause.NONE
    replaced_plugin_id: str = ""
    http_status: int = 0
    """0: no whole answer."""
    error_code: str = ""
    error_msg: str = ""
    request_id: str = ""
    finished_at: float = 0.0
    """0: never."""
    plugin_name: str = ""
    env_name: str = ""
    drawn: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """The cells as text, by form; filled by the form that first needs them."""
    kind: str = field(init=False, repr=False)
    """Equal for rows that are counted together."""

    def __post_init__(self) -> None:
        parts = self.verdict.value, self.error_code, str(self.http_status)
        kind = "\0".join((*parts, self.cause.value))
        object.__setattr__(self, "kind", sys.intern(kind))


class JudgedRow(NamedTuple):
    """One row of the run, and what became of it."""

    row: Row
    shared: Shared
    plugin_attach_id: str = ""
    attached_time: str = ""
    """As the gateway wrote it."""
    attempts: int = 0
    verified: str = ""
    """Empty: not read back since."""
