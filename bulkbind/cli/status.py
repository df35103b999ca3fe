"""``bulkbind status``: how far a run is, also while it is at work."""

import json
from pathlib import Path

import click

from bulkbind.cli import options
from bulkbind.cli.finding import find_run
from bulkbind.cli.saying import say
from bulkbind.cli.words import count, headline, little_lines, table
from bulkbind.job.folders import Kept, RunFacts
from bulkbind.job.keeping import read_summary
from bulkbind.job.status import SETTLING, RunStatus, read_status, state_of


@click.command("status")
@options.run_name
@options.state_dir
@options.quiet
@options.as_json
def command(
    *, run_name: str, state_dir: Path | None, quiet: bool, as_json: bool
) -> int:
    """Say how far RUN is; the newest one if none is named."""
    run = find_run(run_name, state_dir)
    facts = run.facts()
    if facts.kept is not Kept.WHOLE:
        _say_little(facts, quiet=quiet, as_json=as_json)
        return 0
    status = read_status(run)
    if as_json:
        say(json.dumps(_document(status), indent=2, ensure_ascii=False))
    elif not quiet:
        say("\n".join(_lines(status)))
    return 0


def _say_little(facts: RunFacts, *, quiet: bool, as_json: bool) -> None:
    """Say how far a run was whose ledger is not kept: its summary knows."""
    if not as_json:
        if not quiet:
            say("\n".join(little_lines(facts)))
        return
    verdicts = read_summary(facts.folder).get("verdicts", {})
    counted = {str(verdict): verdicts.get(verdict, 0) for verdict in SETTLING}
    document = {
        "format_version": "1.0",
        "run_id": facts.folder.id,
        "job": facts.job,
        "state": state_of(facts),
        "stopped_by": facts.stopped_by,
        "undoes": facts.undoes,
        "undone_by": facts.undone_by,
        "rows": facts.totals.bindings,
        **counted,
        "set_aside": facts.totals.rows - facts.totals.bindings,
        "requests": read_summary(facts.folder).get("requests", {}).get("sent", 0),
        "lanes": [],
        "keeps": facts.kept,
    }
    say(json.dumps(document, indent=2, ensure_ascii=False))


def _lines(status: RunStatus) -> list[str]:
    facts = status.facts
    verdicts = status.verdicts
    counts = [
        ("bindings", status.rows),
        *verdicts.items(),
        ("not settled", status.rows - sum(verdicts.values())),
        ("rows set aside by the plan", status.set_aside),
    ]
    lines = [headline(facts), ""]
    lines += [f"  {many:>10,}  {name}" for name, many in counts if many]
    lines += ["", f"{count(status.requests, 'request')} sent", ""]
    lanes = {lane.no: lane.gateway for lane in status.lanes}
    rows = [
        (
            lanes[tally.lane],
            f"{tally.settled_batches:,} of {tally.batches:,}",
            f"{tally.rows:,}",
            f"{tally.settled:,}",
            f"{tally.failed:,}",
            status.parked.get(tally.lane, ""),
        )
        for tally in status.tallies
    ]
    head = ("gateway", "#batches", "#bindings", "#settled", "#failed", "stopped")
    return lines + table(head, rows)


def _document(status: RunStatus) -> dict[str, object]:
    facts = status.facts
    lanes = {lane.no: lane.gateway for lane in status.lanes}
    return {
        "format_version": "1.0",
        "run_id": facts.folder.id,
        "job": facts.job,
        "state": status.state,
        "stopped_by": facts.stopped_by,
        "undoes": facts.undoes,
        "undone_by": facts.undone_by,
        "rows": status.rows,
        **status.verdicts,
        "set_aside": status.set_aside,
        "requests": status.requests,
        "lanes": [
            {
                "gateway": lanes[tally.lane],
                "batches": tally.batches,
                "settled_batches": tally.settled_batches,
                "rows": tally.rows,
                **{verdict: getattr(tally, verdict) for verdict in SETTLING},
                "stopped": status.parked.get(tally.lane, ""),
            }
            for tally in status.tallies
        ],
    }
