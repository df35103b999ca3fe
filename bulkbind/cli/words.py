"""Plans, runs and states as text for a terminal."""

from collections.abc import Iterable, Sequence

from bulkbind.job.folders import RunFacts
from bulkbind.job.planning import Plan
from bulkbind.model import Verdict

#: Targets shown in a plan's table.
SHOWN = 40


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


def plan_lines(plan: Plan) -> list[str]:
    """Write a plan as a table and its totals."""
    totals = plan.totals
    counts = [
        ("rows", totals.rows),
        ("bindings to send", totals.bindings),
        ("duplicates", totals.duplicates),
        ("superseded", totals.superseded),
        ("invalid", totals.invalid),
    ]
    lines = [f"plan of {plan.job}", ""]
    lines += [f"  {n:>10,}  {name}" for name, n in counts if n or name == "rows"]
    lines += ["", *_target_lines(plan), ""]
    lines.append(
        f"{totals.requests:,} requests to {totals.gateways:,} gateways,"
        f" {plan.average_fill:.1f} ids each on average;"
        f" at {rate(plan.rate)}: {duration(plan.eta_s)}"
    )
    if plan.longest_lane:
        lines.append(
            f"a gateway takes one attach at a time: {plan.longest_lane:,} requests on"
            " the busiest one, one after another"
        )
    if plan.digest and not totals.untyped:
        lines.append(f"digest {plan.digest}")
    return lines


def _target_lines(plan: Plan) -> list[str]:
    rows = [
        (
            target.instance_id,
            target.plugin_id,
            target.plugin_type or "?",
            target.env_id,
            f"{plan.bindings_per_target.get(target.no, 0):,}",
            f"{plan.requests_per_target.get(target.no, 0):,}",
        )
        for target in plan.targets[:SHOWN]
    ]
    header = ("gateway", "plug-in", "type", "environment", "#bindings", "#requests")
    lines = table(header, rows) if rows else []
    more = len(plan.targets) - SHOWN
    if more > 0:
        lines.append(f"... and {more:,} more targets; --json has them all")
    return lines


def plan_document(plan: Plan) -> dict[str, object]:
    """Return a plan as the JSON document of ``plan --json``."""
    totals = plan.totals
    return {
        "format_version": "1.0",
        "job": plan.job,
        "live": False,
        "rows": totals.rows,
        "bindings": totals.bindings,
        "duplicates": totals.duplicates,
        "superseded": totals.superseded,
        "invalid": totals.invalid,
        "untyped": totals.untyped,
        "accounts": totals.accounts,
        "gateways": totals.gateways,
        "requests": totals.requests,
        "reads": 0,
        "average_fill": round(plan.average_fill, 3),
        "longest_lane": plan.longest_lane,
        "rate": rate(plan.rate),
        "eta_seconds": round(plan.eta_s, 3),
        "digest": "" if totals.untyped else plan.digest,
        "files": list(plan.files),
        "manifest_sha256": plan.manifest_sha256,
        "warnings": list(plan.warnings),
        "targets": [
            {
                "account": target.account,
                "project_id": target.project_id,
                "instance_id": target.instance_id,
                "plugin_id": target.plugin_id,
                "plugin_type": target.plugin_type,
                "env_id": target.env_id,
                "bindings": plan.bindings_per_target.get(target.no, 0),
                "requests": plan.requests_per_target.get(target.no, 0),
            }
            for target in plan.targets
        ],
        "faults": [fault._asdict() for fault in plan.faults],
    }


def verdict_words(counts: dict[str, int]) -> str:
    """Write verdict counts in one line."""
    parts = [f"{counts[v]:,} {v}" for v in Verdict if counts.get(v)]
    return ", ".join(parts) or "nothing yet"


def why_unfinished(facts: RunFacts) -> str:
    """Say in a word why a run is not finished; empty when it is."""
    if facts.meta.get("abandoned_by"):
        return f"closed by {facts.meta['abandoned_by']}"
    return facts.stopped_by
