"""Tables, times, rates and states as text for a terminal."""

from collections.abc import Iterable, Sequence

from bulkbind.job.keeping import kept_files, read_summary
from bulkbind.model import Verdict
from bulkbind.state.folders import Kept, RunFacts
from bulkbind.state.status import state_of


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lay out a table; columns whose header begins with ``#`` are numbers."""
    names = [name.removeprefix("#") for name in header]
    lines = [names, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    numeric = [name.startswith("#") for name in header]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    ]


def count(number: int, thing: str) -> str:
    """Write a number of things."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def duration(seconds: float) -> str:
    """Write seconds as people say them."""
    if seconds < 90:  # noqa: PLR2004 - "75 s" reads better than "1.3 min"
        return f"{seconds:.0f} s"
    if seconds < 5400:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:  # noqa: PLR2004
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def rate(limit: tuple[int, float]) -> str:
    """Write a rate as a job file has it."""
    count, window_s = limit
    names = {1.0: "s", 60.0: "min", 3600.0: "h"}
    if not count:
        return "unlimited"
    return f"{count}/{names.get(window_s, f'{window_s:g}s')}"


def verdict_words(counts: dict[str, int]) -> str:
    """Write verdict counts in one line."""
    parts = [f"{counts[v]:,} {v}" for v in Verdict if counts.get(v)]
    return ", ".join(parts) or "nothing yet"


def headline(facts: RunFacts) -> str:
    """Say where a run stands, and why."""
    why = remark(facts)
    return f"run {facts.folder.id} of {facts.job}: {state_of(facts)}" + (
        f" ({why})" if why else ""
    )


def little_lines(facts: RunFacts) -> list[str]:
    """Say what is left to say of a run that is not kept whole."""
    summary = read_summary(facts.folder)
    why = {
        Kept.SUMMARY: "nothing was sent: every row was as it should be, so only this"
        " was kept",
        Kept.REPORTS: "it was cleaned: the reports are kept, the ledger is gone",
    }[facts.kept]
    return [
        headline(facts),
        f"{facts.totals.rows:,} rows: {verdict_words(summary.get('verdicts', {}))}",
        f"digest {facts.meta['digest'] or 'unknown'}",
        why,
        *(f"  {path}" for path in kept_files(facts.folder)),
    ]


def remark(facts: RunFacts) -> str:
    """Say in a word why a run is not as it was to be; empty when it is."""
    if facts.undone_by:
        return f"undone by {facts.undone_by}"
    if facts.meta.get("abandoned_by"):
        return f"closed by {facts.meta['abandoned_by']}"
    if facts.kept is not Kept.WHOLE and not facts.stopped_by:
        return {Kept.SUMMARY: "summary only"}.get(facts.kept, "cleaned")
    return facts.stopped_by
