"""Plans as text: for a terminal, for scripts, for a merge request."""

import shlex
from collections import Counter
from collections.abc import Iterator

from bulkbind.cli.words import count, duration, rate, table
from bulkbind.job.planning import Plan
from bulkbind.model import NAMED, Target
from bulkbind.plan import Judged

#: Targets, and replacements, shown in a table.
SHOWN = 40

#: What a live plan's judgements are called, in this order.
_WORDS = {
    Judged.BIND: "to bind",
    Judged.UNBIND: "to unbind",
    Judged.REPLACE: "to bind in place of ANOTHER plug-in",
    Judged.UNCHANGED: "unchanged: they are so already",
    Judged.IMPOSSIBLE: "impossible: they will fail without a request",
    Judged.UNKNOWN: "unknown: their gateway cannot be read",
}

_SKIPPED = "kept: ANOTHER plug-in is bound, and on_replace is skip"


def plan_lines(plan: Plan) -> list[str]:
    """Write a plan as a table and its totals."""
    totals = plan.totals
    counts = [
        ("rows", totals.rows),
        *_binding_counts(plan),
        ("duplicates", totals.duplicates),
        ("superseded", totals.superseded),
        ("invalid", totals.invalid),
    ]
    lines = [f"plan of {plan.job}", ""]
    lines += [f"  {n:>10,}  {name}" for name, n in counts if n or name == "rows"]
    lines += ["", *_target_lines(plan), ""]
    if replaced := _replacement_rows(plan):
        header = ("gateway", "environment", "is bound", "is asked for", "#APIs")
        lines += [f"{_replaced_title(plan)}:", *table(header, replaced[:SHOWN]), ""]
    lines += _requests_lines(plan)
    if plan.longest_lane:
        lines.append(
            f"a gateway takes one attach at a time: {count(plan.longest_lane, 'request')} on"
            " the busiest one, one after another"
        )
    lines += _canary_lines(plan)
    if plan.digest and not totals.untyped:
        lines.append(f"digest {plan.digest}")
    return lines


def _target_lines(plan: Plan) -> list[str]:
    rows = [
        (
            _plain(target.instance_id),
            _plain(target.plugin_id),
            target.plugin_type or "?",
            _plain(target.env_id),
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


def _plain(text: str) -> str:
    """Write an id, or a name that nobody has resolved."""
    return text.removeprefix(NAMED)


def plan_document(plan: Plan) -> dict[str, object]:
    """Return a plan as the JSON document of ``plan --json``."""
    totals = plan.totals
    return {
        "format_version": "1.0",
        "job": plan.job,
        "live": plan.found is not None,
        "rows": totals.rows,
        "bindings": totals.bindings,
        "duplicates": totals.duplicates,
        "superseded": totals.superseded,
        "invalid": totals.invalid,
        "untyped": totals.untyped,
        "unresolved": totals.unresolved,
        "accounts": totals.accounts,
        "gateways": totals.gateways,
        "requests": totals.requests,
        "reads": plan.reads,
        "average_fill": round(plan.average_fill, 3),
        "longest_lane": plan.longest_lane,
        "canary": list(plan.canary),
        "canary_check": list(plan.canary_check),
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
                "instance_id": _plain(target.instance_id),
                "plugin_id": _plain(target.plugin_id),
                "plugin_type": target.plugin_type,
                "env_id": _plain(target.env_id),
                "bindings": plan.bindings_per_target.get(target.no, 0),
                "requests": plan.requests_per_target.get(target.no, 0),
                **_judged(plan, target),
            }
            for target in plan.targets
        ],
        "faults": [fault._asdict() for fault in plan.faults],
        **_live_document(plan),
    }


def _live_document(plan: Plan) -> dict[str, object]:
    """Return what only a live plan can tell."""
    found = plan.found
    if found is None:
        return {}
    return {
        "judged": {what.value: found.totals[what] for what in Judged},
        "extra": found.extra.total(),
        "reading_seconds": round(found.seconds, 3),
        "unread": dict(found.unread),
        "replacements": [
            {
                **_target(plan.targets[one.target]),
                "api_id": one.api_id,
                "replaced_plugin_id": one.plugin_id,
                "replaced_plugin_name": found.plugins.get(one.plugin_id, ""),
            }
            for one in found.replacements
        ],
    }


def _target(target: Target) -> dict[str, str]:
    return {
        "account": target.account,
        "instance_id": target.instance_id,
        "plugin_id": target.plugin_id,
        "env_id": target.env_id,
    }


def _judged(plan: Plan, target: Target) -> dict[str, object]:
    if plan.found is None:
        return {}
    counts = plan.found.judged.get(target.no, Counter())
    judged = {what.value: counts.get(what, 0) for what in Judged}
    return {"judged": judged, "extra": plan.found.extra.get(target.no, 0)}


def _binding_counts(plan: Plan) -> list[tuple[str, int]]:
    if plan.found is None:
        return [("bindings to send", plan.totals.bindings)]
    judged = plan.found.totals
    extra = ("bound, and not in the manifest: left alone", plan.found.extra.total())
    words = _WORDS | ({Judged.REPLACE: _SKIPPED} if plan.skips else {})
    return [(word, judged[what]) for what, word in words.items()] + [extra]


def _replaced_title(plan: Plan) -> str:
    return "to be kept" if plan.skips else "to be displaced"


def _requests_lines(plan: Plan) -> Iterator[str]:
    totals = plan.totals
    yield (
        f"{count(totals.requests, 'request')} to {count(totals.gateways, 'gateway')},"
        f" {plan.average_fill:.1f} ids each on average;"
        f" at {rate(plan.rate)}: {duration(plan.eta_s)}"
    )
    if plan.found is not None:
        yield f"{count(plan.reads, 'page')} read, in {duration(plan.found.seconds)}"
    else:
        yield (
            f"a run reads what is bound first: {count(plan.reads, 'page')} or more, at"
            f" {rate(plan.rate)}: {duration(plan.reads_eta_s)}"
        )


def _canary_lines(plan: Plan) -> Iterator[str]:
    """Say how the targets begin, and who is asked before they go on, if they do so."""
    if not plan.canary:
        return
    sizes = ", then ".join(f"{size:,}" for size in plan.canary)
    asks = "none of these may fail"
    if plan.canary_check:
        asks = f"{shlex.join(plan.canary_check)!r} is asked"
    yield f"canary: {sizes} ids of each target first; before it goes on, {asks}"


def _replacement_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return who would displace whom, counted by target and plug-in."""
    if plan.found is None:
        return []
    counts: dict[tuple[int, str], int] = {}
    for replacement in plan.found.replacements:
        key = replacement.target, replacement.plugin_id
        counts[key] = counts.get(key, 0) + 1
    return [
        (
            plan.targets[target].instance_id,
            plan.targets[target].env_id,
            named(plan, other),
            plan.targets[target].plugin_id,
            f"{count:,}",
        )
        for (target, other), count in counts.items()
    ]


def named(plan: Plan, plugin_id: str) -> str:
    """Write a plug-in that would be displaced, with its name."""
    name = plan.found.plugins.get(plugin_id, "") if plan.found else ""
    return f"{name} ({plugin_id})" if name else plugin_id


def plan_markdown(plan: Plan) -> Iterator[str]:
    """Write a plan as a comment for a merge request."""
    totals = plan.totals
    yield f"### bulkbind plan of `{plan.job}`"
    yield ""
    yield "| rows | |"
    yield "| ---: | --- |"
    counts = [("in the manifest", totals.rows), *_binding_counts(plan)]
    counts += [("duplicates", totals.duplicates), ("superseded", totals.superseded)]
    counts.append(("invalid", totals.invalid))
    for word, number in counts:
        if number:
            yield f"| {number:,} | {word} |"
    yield ""
    yield f"{count(totals.requests, 'request')}, {duration(plan.eta_s)} at {rate(plan.rate)}."
    yield from _canary_lines(plan)
    if plan.digest:
        yield f"Digest `{plan.digest}`."
    replaced = _replacement_rows(plan)
    if replaced:
        yield ""
        yield f"**Plug-ins {_replaced_title(plan)}**"
        yield ""
        yield "| gateway | environment | is bound | is asked for | APIs |"
        yield "| --- | --- | --- | --- | ---: |"
        for row in replaced[:SHOWN]:
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    for gateway, why in plan.unread.items():
        yield ""
        yield f"**Not read:** `{gateway}`: {why}"
    if plan.found is None:
        yield ""
        yield "What is bound now was **not read**: what this would replace is unknown."
