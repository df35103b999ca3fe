"""A run that is not finished: whether the next one goes on with it, or closes it."""

from bulkbind.control.watcher import STOPPED
from bulkbind.errors import StoppedByRule
from bulkbind.job.reporting import write_run_reports
from bulkbind.run import MAX_FAILED
from bulkbind.settings import JobSettings
from bulkbind.state.adopting import adopt_runs
from bulkbind.state.facts import hash_sources, manifest_sha256, plan_settings_key
from bulkbind.state.folders import RunFacts, StateFolder


def find_unfinished(settings: JobSettings, state: StateFolder) -> RunFacts | None:
    """Find the newest run of this job that a resume could finish, of any host.

    Raises:
        StateError: The database of the job's ledger does not answer.
    """
    adopt_runs(state, url=settings.ledger, job=settings.name)
    for run in state.runs():
        facts = run.facts()
        if facts.job == settings.name and not facts.undoes:
            return facts if facts.is_unfinished else None
    return None


def same_plan(old: RunFacts, new: RunFacts) -> bool:
    """Tell whether two runs have the same manifest and plan settings."""
    names = ("manifest_sha256", "plan_settings")
    return all(old.meta[name] == new.meta[name] for name in names)


def same_sources(old: RunFacts, settings: JobSettings) -> bool:
    """Tell by the bytes alone that nothing changed: a resume plans nothing again."""
    if old.meta["plan_settings"] != plan_settings_key(settings):
        return False
    found = hash_sources(settings)
    return bool(found) and manifest_sha256(found) == old.meta["manifest_sha256"]


def refuse_stopped(facts: RunFacts) -> None:
    """Leave a run that a rule or a person stopped to people: cron does not go on.

    Raises:
        StoppedByRule: It was stopped so.
    """
    rules = {MAX_FAILED: MAX_FAILED, STOPPED: "`bulkbind stop`"}
    if facts.stopped_by in rules:
        raise StoppedByRule(facts.folder.handle, rules[facts.stopped_by])


def abandon(facts: RunFacts, *, by: str) -> None:
    """Close a run that will not be finished: its report stands as it is."""
    facts.folder.note({"abandoned_by": by})
    write_run_reports(facts.folder)
