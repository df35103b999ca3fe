"""``bulkbind runs``: what was run, newest first; and what can be done with old runs."""

import json
from pathlib import Path

import click

from bulkbind.cli import options
from bulkbind.cli.history import diff, show_deeds
from bulkbind.cli.runlife import archive, clean
from bulkbind.cli.saying import say
from bulkbind.cli.words import remark, table, verdict_words
from bulkbind.errors import StateError
from bulkbind.job.keeping import read_summary
from bulkbind.state.folders import RunFacts, StateFolder
from bulkbind.state.status import state_of


@click.group("runs", invoke_without_command=True, subcommand_metavar="[COMMAND ...]")
@click.option("--job", default="", help="Only runs of this job.")
@click.option("--api", "api_id", metavar="ID", help="What each run made of this API.")
@options.state_dir
@options.quiet
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    *,
    job: str,
    api_id: str | None,
    state_dir: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """List the runs in STATE, newest first; or do something with old ones.

    Exit codes: 0 done; 2 no such run, one cannot be read, or ID is no id.
    """
    if context.invoked_subcommand is not None:
        return 0
    state = options.runs_state(state_dir)
    if api_id is not None:
        return show_deeds(state, api_id, job=job, as_json=as_json, quiet=quiet)
    facts, is_whole = _readable(state)
    facts = [one for one in facts if job in {"", one.job}]
    if as_json:
        document = {"format_version": "1.0", "runs": [_document(f) for f in facts]}
        say(json.dumps(document, indent=2, ensure_ascii=False))
    elif facts:
        header = ("run", "job", "state", "#rows", "what became of them")
        say("\n".join(table(header, [_row(f) for f in facts])))
    elif is_whole and not quiet:
        say(f"there are no runs in {state.path}", err=True)
    return 0 if is_whole else 2


def _readable(state: StateFolder) -> tuple[list[RunFacts], bool]:
    """Read every run that can be read, and tell of the others.

    Returns:
        The runs, newest first, and whether these are all there are.
    """
    found, is_whole = [], True
    for run in state.runs():
        try:
            found.append(run.facts())
        except StateError as error:
            say(f"bulkbind: run {run.id} cannot be read: {error}", err=True)
            is_whole = False
    return found, is_whole


command.add_command(diff)
command.add_command(archive)
command.add_command(clean)


def _row(facts: RunFacts) -> tuple[str, ...]:
    why = remark(facts)
    return (
        facts.folder.id,
        f"{facts.job} (undo of {facts.undoes})" if facts.undoes else facts.job,
        f"{state_of(facts)} ({why})" if why else state_of(facts),
        f"{facts.totals.rows:,}",
        verdict_words(_verdicts(facts)),
    )


def _verdicts(facts: RunFacts) -> dict[str, int]:
    verdicts: dict[str, int] = read_summary(facts.folder).get("verdicts", {})
    return verdicts


def _document(facts: RunFacts) -> dict[str, object]:
    return {
        "run_id": facts.folder.id,
        "job": facts.job,
        "undoes": facts.undoes,
        "undone_by": facts.undone_by,
        "state": state_of(facts),
        "stopped_by": facts.stopped_by,
        "rows": facts.totals.rows,
        "verdicts": _verdicts(facts),
        "note": facts.meta["note"],
        "keeps": facts.kept,
        "path": str(facts.folder.path),
    }
