"""How far a run is, read from its ledger; safe while another process writes it."""

from dataclasses import dataclass

from bulkbind.host import is_locked
from bulkbind.job.folders import RunFacts, RunFolder, StateFolder
from bulkbind.job.ledgers import read_ledger
from bulkbind.model import Lane, LaneTally, RunState, Scope, Verdict

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
    """Some process holds the job."""

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
    return _state(facts, at_work=_is_at_work(facts))


def _state(facts: RunFacts, *, at_work: bool) -> str:
    if facts.state is RunState.RUNNING and not at_work:
        return "interrupted"
    return facts.state


def _is_at_work(facts: RunFacts) -> bool:
    state = StateFolder(facts.folder.state_path)
    return is_locked(state.lock_path(facts.job))


def read_status(run: RunFolder) -> RunStatus:
    """Read how far a run is.

    Raises:
        StateError: The ledger cannot be read.
    """
    facts = run.facts()
    ledger = read_ledger(run.path)
    try:
        newest = len(facts.invocations)
        return RunStatus(
            facts=facts,
            lanes=tuple(ledger.lanes()),
            tallies=tuple(ledger.tally()),
            set_aside=sum(ledger.aside_counts().values()),
            at_work=_is_at_work(facts),
            requests=sum(ledger.requests_by_reason().values()),
            parked={
                int(stop.key): f"{stop.code} {stop.message}".strip()
                for stop in ledger.stops()
                if stop.scope is Scope.GATEWAY and stop.invocation == newest
            },
        )
    finally:
        ledger.close()
