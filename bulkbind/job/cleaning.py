"""Old runs: their summaries and reports stay, their ledgers and copies go."""

from dataclasses import dataclass

from bulkbind.host import is_locked
from bulkbind.job.errand import Surroundings
from bulkbind.job.keeping import shrink
from bulkbind.job.reporting import write_run_reports
from bulkbind.state.facts import settings_of
from bulkbind.state.folders import Kept, RunFacts, StateFolder
from bulkbind.state.locking import working_alone
from bulkbind.state.reaching import is_at_work


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that is old enough, and why it stays if it does."""

    facts: RunFacts
    size: int
    """Bytes of what would go."""
    stays_because: str
    """Empty: it can be cleaned."""


def old_runs(state: StateFolder, *, before: float, unfinished: bool) -> list[Candidate]:
    """Return the runs that ended before a moment, newest first.

    Args:
        state: Where they are.
        before: Seconds since the epoch.
        unfinished: True: runs that could still be resumed may go, too.
    """
    found, newest = [], set[tuple[str, bool]]()
    for run in state.runs():
        facts = run.facts()
        kind = facts.job, bool(facts.undoes)
        is_newest = kind not in newest
        newest.add(kind)
        if facts.kept is not Kept.WHOLE or _ended(facts) >= before:
            continue
        why = ""
        if is_newest:
            why = "its job's newest run"
        elif is_locked(state.lock_path(facts.job)) or is_at_work(facts):
            why = "its job is being worked on"
        elif facts.is_unfinished and not unfinished:
            why = f"{facts.state}: it can be resumed"
        found.append(Candidate(facts, _size(facts), why))
    return found


def clean(state: StateFolder, facts: RunFacts, *, around: Surroundings) -> None:
    """Keep a run's summary and reports only.

    Raises:
        JobBusy: Somebody works on its job by now.
        StateError: Its files cannot be written.
    """
    settings = settings_of(facts)
    with working_alone(settings, state=state, now=around.now()):
        if not facts.folder.summary.exists():
            write_run_reports(facts.folder)
        shrink(facts.folder.facts(), keep=Kept.REPORTS)


def _ended(facts: RunFacts) -> float:
    """Return when a run was last at work, in seconds since the epoch."""
    if not facts.invocations:
        return facts.folder.planned_at
    last = facts.invocations[-1]
    return last.ended_at or last.started_at


def _size(facts: RunFacts) -> int:
    run = facts.folder
    paths = (run.ledger, run.pin, run.events)
    return sum(path.stat().st_size for path in paths if path.exists())
