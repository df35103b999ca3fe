"""``bulkbind runs --api ID`` and ``runs diff``: looking at several runs."""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import click

from bulkbind.cli import completing, options
from bulkbind.cli.finding import whole_run
from bulkbind.cli.saying import say
from bulkbind.cli.words import count, table
from bulkbind.errors import SettingsError
from bulkbind.job.history import Deed, Difference, deeds_of, differences
from bulkbind.state.folders import RunFacts, StateFolder

#: Rows shown in a table; --json has them all.
_SHOWN = 50


def show_deeds(
    state: StateFolder, api_id: str, *, job: str, as_json: bool, quiet: bool
) -> int:
    """Say what every run made of an API, newest first.

    Raises:
        SettingsError: It is no id.
    """
    from bulkbind.manifest.check import is_id

    if not is_id(api_id):
        problem = f"--api {api_id!r} is no id: an id is 1-64 of 0-9 A-Z a-z _ -"
        raise SettingsError([problem])
    deeds = [one for one in deeds_of(state, api_id) if job in {"", one.facts.job}]
    if as_json:
        document = {
            "format_version": "1.0",
            "api_id": api_id,
            "runs": [_deed_document(one) for one in deeds],
        }
        say(json.dumps(document, indent=2, ensure_ascii=False))
    elif deeds:
        header = ("when", "run", "job", "by", "became", "plug-in", "displaced")
        rows = [_deed_row(one) for one in deeds]
        say("\n".join(table((*header, "environment", "gateway"), rows)))
    elif not quiet:
        say(f"no run in {state.path} has a row of API {api_id}", err=True)
    return 0


def _deed_row(one: Deed) -> tuple[str, ...]:
    became = f"{one.verdict} ({one.error_code})" if one.error_code else one.verdict
    return (
        one.at or "-",
        one.facts.folder.id,
        f"{one.facts.job} (undo)" if one.facts.undoes else one.facts.job,
        _operator(one.facts),
        became,
        one.plugin_id,
        one.replaced_plugin_id,
        one.env_id,
        one.instance_id,
    )


def _operator(facts: RunFacts) -> str:
    return facts.invocations[-1].operator if facts.invocations else ""


def _deed_document(one: Deed) -> dict[str, object]:
    return {
        "run_id": one.facts.folder.id,
        "job": one.facts.job,
        "undoes": one.facts.undoes,
        "operator": _operator(one.facts),
        **{name: value for name, value in one._asdict().items() if name != "facts"},
    }


@click.command("diff")
@click.argument("before", metavar="A", shell_complete=completing.runs)
@click.argument("after", metavar="B", shell_complete=completing.runs)
@options.state_dir
@options.quiet
@options.as_json
def diff(
    *, before: str, after: str, state_dir: Path | None, quiet: bool, as_json: bool
) -> int:
    """Show bindings whose verdict differs between two runs, or that one lacks.

    Exit codes: 0 compared, whatever came of it; 2 no such run, or it is not kept whole.
    """
    old, new = (whole_run(name, state_dir) for name in (before, after))
    found = differences(old, new)
    if as_json:
        _say_document(old.id, new.id, found=found)
        return 0
    shown = list(islice(found, _SHOWN))
    kinds = Counter(map(_kind, shown))
    kinds.update(map(_kind, found))
    words = ", ".join(f"{many:,} {kind}" for kind, many in sorted(kinds.items()))
    if shown or not quiet:
        say(f"{old.id} -> {new.id}: {words or 'no binding differs'}")
    if shown:
        header = ("API", "was", "is", "gateway", "plug-in", "environment")
        say("\n".join(["", *table(header, [_row(one) for one in shown])]))
    more = kinds.total() - len(shown)
    if more:
        say(f"... and {count(more, 'more binding')}; --json has them all")
    return 0


def _kind(one: Difference) -> str:
    if one.before and one.after:
        return "changed"
    return "gone" if one.before else "added"


def _row(one: Difference) -> tuple[str, ...]:
    return (
        one.api_id,
        one.before or "-",
        one.after or "-",
        one.instance_id,
        one.plugin_id,
        one.env_id,
    )


def _say_document(before: str, after: str, *, found: Iterable[Difference]) -> None:
    """Print a document as its bindings come; how many there were comes last."""
    head = {"format_version": "1.0", "before": before, "after": after}
    say(json.dumps(head, ensure_ascii=False)[:-1] + ', "bindings": [')
    kinds: Counter[str] = Counter()
    sign = " "
    for one in found:
        kinds[_kind(one)] += 1
        say(sign + json.dumps(one._asdict(), ensure_ascii=False))
        sign = ","
    say(f'], "counts": {json.dumps(kinds)}}}')
