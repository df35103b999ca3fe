"""Rules that stop a whole run: the retry budget and ``max_failed``."""

from dataclasses import dataclass, field

from bulkbind.model import Settled
from bulkbind.run.halt import Halt

#: A share of failed rows says nothing before so many rows are settled.
ENOUGH_ROWS = 500

RETRY_BUDGET = "retry budget"
MAX_FAILED = "max_failed"


@dataclass(frozen=True, slots=True)
class MaxFailed:
    """How many rows may be refused before the run stops."""

    limit: float
    """Rows; or, as a share, from 0 to 1."""
    is_share: bool = False

    def reached(self, *, failed: int, settled: int) -> bool:
        """Tell whether too many rows failed."""
        if not self.is_share:
            return failed > self.limit
        return settled >= ENOUGH_ROWS and failed > self.limit * settled


@dataclass(slots=True)
class Limits:
    """Counts what the rules look at, since this invocation began."""

    halt: Halt
    budget: int
    """Retries that may still be ahead of the good answers."""
    max_failed: MaxFailed | None = None
    _full: int = field(init=False)
    _failed: int = 0
    _settled: int = 0

    def __post_init__(self) -> None:
        self._full = self.budget

    def retry(self) -> None:
        """Spend a retry; the last one stops the run."""
        self.budget -= 1
        if self.budget <= 0:
            self.halt.stop(RETRY_BUDGET)

    def settle(self, gained: Settled) -> None:
        """Count rows that have an answer of their own now; they earn retries."""
        failed = gained.failed
        if any(gained):
            self.budget = min(self._full, self.budget + 1)
        self._settled += sum(gained)
        self._failed += failed
        rule = self.max_failed
        if failed and rule and rule.reached(failed=self._failed, settled=self._settled):
            self.halt.stop(MAX_FAILED)
