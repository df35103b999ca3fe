"""How far a run is, read from its ledger; safe while another process writes it."""

from dataclasses import dataclass

from bulkbind.control.now import Now
from bulkbind.model import Lane, LaneTally, RunState, Scope, Verdict
from bulkbind.state.folders import RunFacts, RunFolder
from bulkbind.state.ledgers import read_ledger
from bulkbind.state.reaching import hear, is_at_work

#: Verdicts that a ledger counts while a run is at work.
SETTLING = (
    Verdict.BOUND,
    Verdict.UNBOUND,
    Verdict.UNCHANGED,
    Verdict.KEPT,
    Verdict.FAILED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """How far a run is. Counts are of rows unless they say otherwise."""

    facts: RunFacts
    lanes: tuple[Lane, ...]
    tallies: tuple[LaneTally, ...]
    set_aside: int
    requests: int
    parked: dict[int, str]
    """Lane number -> why it stopped, in the newest invocation."""
    at_work: bool
    """The process of its newest invocation still works on it."""
    now: Now | None = None
    """What it said last of what it does; None: it is over, or said nothing yet."""
    now_age_s: float = 0.0
    """How long ago that was."""

    @property
    def rows(self) -> int:
        """Rows that the plan wants sent."""
        return sum(tally.rows for tally in self.tallies)

    @property
    def verdicts(self) -> dict[str, int]:
        """Rows with an answer of their own, by what it is."""
        return {
            str(verdict): sum(getattr(tally, verdict) for tally in self.tallies)
            for verdict in SETTLING
        }

    @property
    def state(self) -> str:
        """Where the run stands; ``interrupted`` when nobody works on it any more."""
        return _state(self.facts, at_work=self.at_work)


def state_of(facts: RunFacts) -> str:
    """Return where a run stands; ``interrupted``: killed while it was at work."""
    return _state(facts, at_work=is_at_work(facts))


def _state(facts: RunFacts, *, at_work: bool) -> str:
    if facts.state is RunState.RUNNING and not at_work:
        return "interrupted"
    return facts.state


def read_status(run: RunFolder, *, at: float) -> RunStatus:
    """Read how far a run is.

    Args:
        run: The run.
        at: Seconds since the epoch.

    Raises:
        StateError: The ledger cannot be read.
    """
    facts = run.facts()
    heard = hear(run, at=at) if facts.state is RunState.RUNNING else None
    ledger = read_ledger(run.path)
    try:
        newest = len(facts.invocations)
        return RunStatus(
            facts=facts,
            lanes=tuple(ledger.lanes()),
            tallies=tuple(ledger.tally()),
            set_aside=sum(ledger.aside_counts().values()),
            at_work=is_at_work(facts),
            now=heard.now if heard else None,
            now_age_s=heard.age_s if heard else 0.0,
            requests=sum(ledger.requests_by_reason().values()),
            parked={
                int(stop.key): f"{stop.code} {stop.message}".strip()
                for stop in ledger.stops()
                if stop.scope is Scope.GATEWAY and stop.invocation == newest
            },
        )
    finally:
        ledger.close()
