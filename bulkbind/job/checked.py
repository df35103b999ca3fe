"""What reading back comes to: rows that are the same, drifted, or not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bulkbind.model import Target, Verdict

#: Rows that drifted and are kept by name; more are only counted.
MAX_DRIFTED = 1_000

#: Verdicts of rows that the run has still to come to an end with.
_UNDONE = (Verdict.NOT_SENT, Verdict.UNCONFIRMED)

#: Verdicts that claim nothing of what is bound, of rows that should be.
CLAIMS_NOTHING = (Verdict.FAILED, Verdict.KEPT, *_UNDONE)


class Drifted(NamedTuple):
    """A row that is not as it was left, or as it is wanted."""

    target: int
    """``Target.no``"""
    api_id: str
    seen: str
    """The plug-in in its slot; empty: none."""
    code: str = ""
    """Of ours; why it cannot be bound."""


@dataclass(slots=True)
class TargetCheck:
    """What reading a target back came to. Counts are of rows."""

    target: Target
    same: int = 0
    missing: int = 0
    """The plug-in is not there, and no other of its type."""
    other: int = 0
    """Another plug-in of the type is there; or one that should be gone."""
    unread: int = 0

    @property
    def drift(self) -> int:
        """Rows that are not as they should be."""
        return self.missing + self.other

    @property
    def rows(self) -> int:
        """Rows that were to be read back."""
        return self.same + self.drift + self.unread


@dataclass(slots=True, kw_only=True)
class Checked:
    """What reading back came to, as much of it as people and scripts look at."""

    targets: list[TargetCheck] = field(default_factory=list)
    drifted: list[Drifted] = field(default_factory=list)
    """The first 1,000."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Gateways that cannot be read, and why."""
    refusal: str = ""
    """Why every account was refused; empty: not all were."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Rows of a run that claim nothing, and so were not looked at, by verdict."""
    reads: int = 0
    """Pages of lists."""
    seconds: float = 0.0

    @property
    def drift(self) -> int:
        """Rows that drifted, over all targets."""
        return sum(check.drift for check in self.targets)

    @property
    def same(self) -> int:
        """Rows that are as they should be."""
        return sum(check.same for check in self.targets)

    @property
    def not_read(self) -> int:
        """Rows of which nothing is known."""
        return sum(check.unread for check in self.targets)

    @property
    def rows(self) -> int:
        """Rows that were to be read back."""
        return sum(check.rows for check in self.targets)

    @property
    def is_partial(self) -> bool:
        """Whether the run has rows that it has still to come to."""
        return any(map(self.left.get, _UNDONE))

    @property
    def exit_code(self) -> int:
        """What ``verify`` exits with. Source: DESIGN, section 7."""
        if self.not_read or self.unread or self.is_partial:
            return 3
        return 1 if self.drift else 0

    async def count_read(self) -> None:
        """Count a page that was asked for."""
        self.reads += 1
