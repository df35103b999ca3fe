"""Facts of a run -> what ``report.html`` says of the run as a whole."""

from datetime import UTC, datetime

from bulkbind.ledger import Ledger
from bulkbind.model import Scope
from bulkbind.report import About, History
from bulkbind.report.choose import Only
from bulkbind.settings import JobSettings
from bulkbind.state.facts import thaw
from bulkbind.state.folders import RunFacts


def about_run(
    facts: RunFacts, ledger: Ledger, history: History, *, only: Only = ()
) -> About:
    """Return what a page says of a run.

    Args:
        facts: The run's.
        ledger: The run's.
        history: Filled while the run's rows are judged.
        only: Which rows the page has; empty: all of them.
    """
    settings = thaw(facts.meta["settings"])
    newest = len(facts.invocations)
    return About(
        title=facts.job,
        facts=[*_facts(facts, settings), ("chosen by", _chosen(only))],
        folder=facts.folder.path,
        lanes=ledger.lanes(),
        stopped=[
            (int(stop.key), f"{stop.code} {stop.message}".strip())
            for stop in ledger.stops()
            if stop.scope is Scope.GATEWAY and stop.invocation == newest
        ],
        history=history,
        ceiling_per_s=_ceiling(settings),
        window_s=max((window_s for _, window_s in _rates(settings)), default=0.0),
    )


def _facts(facts: RunFacts, settings: JobSettings) -> list[tuple[str, str]]:
    starts = facts.invocations
    return [
        ("run", facts.meta["run_id"]),
        ("state", facts.state),
        ("stopped by", facts.stopped_by),
        ("undoes", facts.undoes),
        ("undone by", facts.undone_by),
        ("action", settings.action),
        ("started", _time(starts[0].started_at) if starts else ""),
        ("ended", _time(starts[-1].ended_at) if starts else ""),
        ("starts", str(newest) if (newest := len(starts)) > 1 else ""),
        ("operator", starts[-1].operator if starts else ""),
        (
            "endpoint",
            ", ".join(sorted({one.endpoint for one in settings.accounts.values()})),
        ),
        ("manifest", ", ".join(file.name for file in facts.files)),
        ("note", facts.meta["note"]),
        ("tool", f"bulkbind {facts.meta['tool']}"),
    ]


def _chosen(only: Only) -> str:
    if not only:
        return ""
    wanted = " ".join(f"{name}={','.join(values)}" for name, values in only)
    return f"{wanted}; requests are those of the whole run"


def _time(moment: float | None) -> str:
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _ceiling(settings: JobSettings) -> float:
    """Return what all accounts together may send in a second; 0: any number."""
    rates = _rates(settings)
    if not all(limit for limit, _ in rates):
        return 0.0
    return sum(limit / window_s for limit, window_s in rates)


def _rates(settings: JobSettings) -> list[tuple[int, float]]:
    """Return requests and seconds of each account."""
    return [one.rate or settings.rate for one in settings.accounts.values()]
