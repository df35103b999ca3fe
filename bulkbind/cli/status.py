"""``bulkbind status``: how far a run is, also while it is at work."""

import json
from pathlib import Path

import click

from bulkbind.cli import options
from bulkbind.cli.saying import say
from bulkbind.cli.words import table, why_unfinished
from bulkbind.job.status import RunStatus, read_status


@click.command("status")
@options.run_name
@options.state_dir
@options.quiet
@options.as_json
def command(
    *, run_name: str, state_dir: Path | None, quiet: bool, as_json: bool
) -> int:
    """Say how far RUN is; the newest one if none is named."""
    run = options.runs_state(state_dir).find(run_name)
    status = read_status(run)
    if as_json:
        say(json.dumps(_document(status), indent=2, ensure_ascii=False))
    elif not quiet:
        say("\n".join(_lines(status)))
    return 0


def _lines(status: RunStatus) -> list[str]:
    facts = status.facts
    why = why_unfinished(facts)
    counts = [
        ("rows to send", status.rows),
        ("bound", status.bound),
        ("failed", status.failed),
        ("not settled", status.rows - status.bound - status.failed),
        ("set aside by the plan", status.set_aside),
    ]
    lines = [
        f"run {facts.folder.id} of {facts.job}: {status.state}"
        + (f" ({why})" if why else ""),
        "",
    ]
    lines += [f"  {count:>10,}  {name}" for name, count in counts]
    lines += ["", f"{status.requests:,} requests sent", ""]
    lanes = {lane.no: lane.gateway for lane in status.lanes}
    rows = [
        (
            lanes[tally.lane],
            f"{tally.settled_batches:,} of {tally.batches:,}",
            f"{tally.bound:,}",
            f"{tally.failed:,}",
            status.parked.get(tally.lane, ""),
        )
        for tally in status.tallies
    ]
    return lines + table(("gateway", "#batches", "#bound", "#failed", "stopped"), rows)


def _document(status: RunStatus) -> dict[str, object]:
    facts = status.facts
    lanes = {lane.no: lane.gateway for lane in status.lanes}
    return {
        "format_version": "1.0",
        "run_id": facts.folder.id,
        "job": facts.job,
        "state": status.state,
        "stopped_by": facts.stopped_by,
        "rows": status.rows,
        "bound": status.bound,
        "failed": status.failed,
        "set_aside": status.set_aside,
        "requests": status.requests,
        "lanes": [
            {
                "gateway": lanes[tally.lane],
                "batches": tally.batches,
                "settled_batches": tally.settled_batches,
                "bound": tally.bound,
                "failed": tally.failed,
                "stopped": status.parked.get(tally.lane, ""),
            }
            for tally in status.tallies
        ],
    }
