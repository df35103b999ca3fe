"""``bulkbind status``: how far a run is, also while it is at work."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from bulkbind.cli import options
from bulkbind.cli.finding import find_run
from bulkbind.cli.saying import say
from bulkbind.cli.standing import standing, waits
from bulkbind.cli.words import count, headline, little_lines, table
from bulkbind.job.keeping import read_summary
from bulkbind.state.folders import Kept, RunFacts, RunFolder
from bulkbind.state.status import SETTLING, RunStatus, read_status, state_of
from bulkbind.wire import visible

#: Gateways that the table lists; of more, those that stopped come first.
MANY_LANES = 20

#: Seconds between two looks of ``--watch``.
_EVERY_S = 1.0


@click.command("status")
@options.run_name
@click.option("--watch", is_flag=True, help="Look each second until the run has ended.")
@options.state_dir
@options.quiet
@options.as_json
def command(
    *,
    run_name: str,
    watch: bool,
    state_dir: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Say how far RUN is, and why it waits; the newest one if none is named.

    With --json, --watch prints one document a line.

    Exit codes: 0 shown; 2 no such run.
    """
    run = find_run(run_name, state_dir)
    facts = run.facts()
    if facts.kept is not Kept.WHOLE:
        _say_little(facts, quiet=quiet, as_json=as_json)
        return 0
    if watch:
        _watch(run, as_json=as_json)
        return 0
    status = read_status(run, at=time.time())
    if as_json:
        say(json.dumps(_document(status), indent=2, ensure_ascii=False))
    elif not quiet:
        say("\n".join(_lines(status)))
    return 0


def _watch(run: RunFolder, *, as_json: bool) -> None:
    """Show a run each second until it has ended."""
    if as_json or not sys.stdout.isatty():
        for status in _looks(run):
            is_json = json.dumps(_document(status), ensure_ascii=False)
            say(is_json if as_json else _line(status))
        return
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        for status in _looks(run):
            live.update(Text(visible("\n".join(_lines(status)))), refresh=True)


def _looks(run: RunFolder) -> Iterator[RunStatus]:
    """Yield what a run is each second, at last what it has come to."""
    while True:
        status = read_status(run, at=time.time())
        yield status
        if not status.at_work:
            return
        time.sleep(_EVERY_S)


def _line(status: RunStatus) -> str:
    """Say in a line how far a run is, and what it waits for longest."""
    settled = sum(status.verdicts.values())
    parts = [
        f"{status.state}: {settled:,} of {status.rows:,} bindings",
        count(status.requests, "request"),
    ]
    now = status.now
    if now is not None:
        parts.append(f"{count(now.lanes_sending, 'lane')} sending")
        parts += [
            f"{reason.lanes:,} {waits(reason)}"
            + ("" if reason.seconds is None else f" ({reason.seconds:.0f} s)")
            for reason in now.reasons[:2]
        ]
    return ", ".join(parts)


def _say_little(facts: RunFacts, *, quiet: bool, as_json: bool) -> None:
    """Say how far a run was whose ledger is not kept: its summary knows."""
    if not as_json:
        if not quiet:
            say("\n".join(little_lines(facts)))
        return
    summary = read_summary(facts.folder)
    verdicts = summary.get("verdicts", {})
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
        "requests": summary.get("requests", {}).get("sent", 0),
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
    if len(rows) > MANY_LANES:
        lines.append(f"{len(rows):,} gateways; those that stopped, and some others:")
        rows = sorted(rows, key=lambda row: not row[-1])[:MANY_LANES]
    shown = len(head) if any(row[-1] for row in rows) else -1
    gateways = table(head[:shown], [row[:shown] for row in rows])
    return lines + gateways + standing(status)


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
        "at_work": status.at_work,
        "now": None if status.now is None else msgspec.to_builtins(status.now),
        "now_age_seconds": round(status.now_age_s, 1),
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
