"""``bulkbind undo``: put back what a run displaced."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from bulkbind.cli import completing, options
from bulkbind.cli.finding import find_run, state_for
from bulkbind.cli.outcome import answer
from bulkbind.cli.plans import SHOWN
from bulkbind.cli.progress import watching
from bulkbind.cli.saying import say
from bulkbind.cli.words import count, duration, rate, table
from bulkbind.job.keeping import refuse_little
from bulkbind.job.looping import run_async
from bulkbind.job.restoring import Prospect, Restoration
from bulkbind.job.undoing import Undone, UndoOptions, undo_run
from bulkbind.settings import revise
from bulkbind.state.folders import Kept, RunFacts, StateFolder
from bulkbind.state.holds import release_command

_WORDS = {
    Prospect.ATTACH: "to attach again: they were displaced",
    Prospect.DETACH: "to detach: nothing was there before",
    Prospect.UNCHANGED: "unchanged: they are as before already",
    Prospect.CHANGED_SINCE: "kept: somebody has changed them since",
    Prospect.NO_PRE_IMAGE: "kept: what was there before is not known",
    Prospect.IMPOSSIBLE: "impossible: they will fail without a request",
    Prospect.UNKNOWN: "unknown: their gateway cannot be read",
}


@click.command("undo")
@click.argument("run_name", metavar="RUN", shell_complete=completing.runs)
@click.option(
    "--only",
    multiple=True,
    metavar="COLUMN=V1[,V2]",
    shell_complete=completing.only,
    help="Chosen rows.",
)
@click.option("--dry-run", is_flag=True, help="Only show what it would do.")
@click.option("--hold/--no-hold", default=True, help="Put the job on hold (default).")
@click.option("--note", metavar="TEXT", help="Kept with the undo, for people.")
@options.pacing
@options.state_dir
@options.quiet
@options.as_json
def command(
    *,
    run_name: str,
    only: tuple[str, ...],
    dry_run: bool,
    hold: bool,
    state_dir: Path | None,
    quiet: bool,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - click's
) -> int:
    """Put back what was bound before RUN: attach what it displaced, detach the rest.

    Only where what RUN left is still there; what was changed since is kept. --only
    takes any report or carried column. The job is put on hold, so that the next run
    does not bind everything again; `bulkbind unpause JOB` releases it.
    """
    run = find_run(run_name, state_dir)
    facts = run.facts()
    if facts.kept is Kept.SUMMARY:
        say(f"run {run.id} sent none of its rows: nothing to undo", err=True)
        if as_json:
            say(json.dumps(_empty(facts), indent=2, ensure_ascii=False))
        return 0
    refuse_little(run)
    state = state_for(run, state_dir)
    overrides = options.gather(None, state_dir=state_dir, **given).overrides
    wanted = UndoOptions(
        only=[(column, sorted(v)) for column, v in options.only_pairs(only)],
        dry_run=dry_run,
        hold=hold,
        tell=partial(_show, as_answer=dry_run, as_json=as_json, quiet=quiet),
        notice=_nothing if quiet else partial(say, err=True),
    )
    with watching(quiet=quiet) as around:
        undone = run_async(
            partial(
                undo_run,
                run,
                state=state,
                around=around,
                change=partial(revise, overrides=overrides),
                options=wanted,
            )
        )
    if as_json and undone.outcome is None and not dry_run:
        _show(undone.plan, as_answer=True, as_json=True, quiet=quiet)
    return _answer(undone, state, as_json=as_json, quiet=quiet)


def _answer(undone: Undone, state: StateFolder, *, as_json: bool, quiet: bool) -> int:
    if undone.outcome is None:
        if not undone.plan.rows:
            text = f"run {undone.plan.undone} sent none of these rows: nothing to undo"
            say(text, err=True)
        return 3 if undone.plan.totals[Prospect.UNKNOWN] else 0
    code = answer(undone.outcome, as_json=as_json, quiet=quiet)
    if undone.hold is not None:
        job = undone.hold.job
        say(
            f"{job} is on hold: {undone.hold.why}; `{release_command(state, job)}`"
            " lets it run again",
            err=True,
        )
    return code


def _nothing(_: str) -> None:
    """Say nothing."""


def _show(plan: Restoration, *, as_answer: bool, as_json: bool, quiet: bool) -> None:
    """Print the plan: to standard output if nothing else comes."""
    if as_answer and as_json:
        say(json.dumps(_document(plan), indent=2, ensure_ascii=False))
    elif plan.rows and (as_answer or not quiet):
        say("\n".join(_lines(plan)), err=not as_answer)
    for gateway, why in plan.found.unread.items():
        say(f"warning: {gateway}: {why}", err=True)


def _lines(plan: Restoration) -> list[str]:
    totals = plan.totals
    lines = [f"undo of run {plan.undone} ({plan.job})", ""]
    lines.append(f"  {plan.rows:>10,}  rows that it sent")
    lines += [
        f"  {totals[what]:>10,}  {words}"
        for what, words in _WORDS.items()
        if totals[what]
    ]
    shown = [what for what in Prospect if totals[what]]
    header = ("gateway", "plug-in", "environment", *(f"#{w.value}" for w in shown))
    rows = [
        (
            *(target.instance_id, target.plugin_id, target.env_id),
            *(f"{plan.prospects[target.no][what]:,}" for what in shown),
        )
        for target in plan.targets[:SHOWN]
    ]
    lines += ["", *table(header, rows)]
    more = len(plan.targets) - SHOWN
    if more > 0:
        lines.append(f"... and {more:,} more targets; --dry-run --json has them all")
    limit, window_s = plan.rate
    seconds = plan.requests / limit * window_s if limit else 0.0
    at_least = f", at least {duration(seconds)}" if seconds else ""
    requests = count(plan.requests, "request")
    lines += ["", f"{requests} at {rate(plan.rate)}{at_least}"]
    return lines


def _empty(facts: RunFacts) -> dict[str, object]:
    """Return the document of a run that sent nothing."""
    return {
        "format_version": "1.0",
        "undoes": facts.folder.id,
        "job": facts.job,
        "rows": 0,
        "requests": 0,
        "prospects": {what.value: 0 for what in Prospect},
        "targets": [],
    }


def _document(plan: Restoration) -> dict[str, object]:
    return {
        "format_version": "1.0",
        "undoes": plan.undone,
        "job": plan.job,
        "rows": plan.rows,
        "requests": plan.requests,
        "reads": plan.found.reads,
        "reading_seconds": round(plan.found.seconds, 3),
        "rate": rate(plan.rate),
        "prospects": {what.value: plan.totals[what] for what in Prospect},
        "unread": dict(plan.found.unread),
        "targets": [
            {
                "account": target.account,
                "instance_id": target.instance_id,
                "plugin_id": target.plugin_id,
                "env_id": target.env_id,
                "prospects": {w.value: plan.prospects[target.no][w] for w in Prospect},
            }
            for target in plan.targets
        ],
    }
