"""Options that many commands share, and what they become."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from bulkbind.cli import completing
from bulkbind.errors import SettingsError
from bulkbind.model import ID_COLUMNS
from bulkbind.settings import JobSettings, Overrides, ledger_url, load_job
from bulkbind.state.adopting import adopt_runs
from bulkbind.state.folders import StateFolder, locate_state

P = ParamSpec("P")
T = TypeVar("T")

Decorator = Callable[[Callable[P, T]], Callable[P, T]]

#: Command-line options that stand for a key of the job file.
KEYS = {
    "project_id": "account.project_id",
    "region": "account.region",
    "rate": "pace.rate",
    "concurrency": "pace.concurrency",
    "report_dir": "report.dir",
    "note": "note",
    "live": "safety.live",
    "on_replace": "safety.on_replace",
    "max_replace": "safety.max_replace",
}

#: Flags that stand for a key, and what they say.
FLAGS = {
    "unbind": ("action", "unbind"),
    "canary": ("plan.canary", "true"),
    "rebind": ("safety.rebind", "true"),
    "verify": ("safety.verify", "true"),
}


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Stack option decorators into one, the first shown first."""

    def decorate(function: Any) -> Any:  # noqa: ANN401 - click's own type
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


source = click.argument(
    "source", type=click.Path(path_type=Path, allow_dash=True), metavar="SOURCE"
)

run_name = click.argument(
    "run_name", metavar="[RUN]", default="latest", shell_complete=completing.runs
)

state_dir = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where runs are kept; else BULKBIND_STATE_DIR, else .bulkbind beside SOURCE.",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")

canary = click.option(
    "--canary", is_flag=True, help="Bind 1, then 10 APIs of each target first."
)

pacing = options(
    click.option("--rate", metavar="N/W", help="Ceiling, such as 10/s or 60/min."),
    click.option("--concurrency", metavar="N", help="Requests out at once."),
    click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="[SECTION.]KEY=VALUE",
        help="Any key of a job file.",
    ),
)

everywhere = options(
    click.option(
        "--only",
        multiple=True,
        metavar="COLUMN=V1[,V2]",
        shell_complete=completing.only,
        help="Only rows with one of the values; repeated: all must hold.",
    ),
    click.option(
        "--default",
        "defaults",
        multiple=True,
        metavar="COLUMN=VALUE",
        shell_complete=completing.defaults,
        help="Fill a column that the manifest lacks.",
    ),
    click.option("--endpoint", metavar="URL|sandbox", default="", help="The gateway."),
    click.option("--region", metavar="ID", help="The gateway's region."),
    click.option("--project-id", metavar="ID", help="The account's project."),
    pacing,
    click.option("--report-dir", metavar="DIR", help="Also put reports here."),
    state_dir,
    quiet,
    as_json,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the shared options came to."""

    overrides: Overrides
    source: Path | None
    state: StateFolder

    def load(self) -> JobSettings:
        """Read the job."""
        return load_job(self.source, self.overrides, environ=os.environ)


def gather(source: Path | None, *, state_dir: Path | None, **given: Any) -> Given:  # noqa: ANN401
    """Turn the shared options into overrides, and find STATE.

    Raises:
        SettingsError: An option is not of the form it should be; all are named.
    """
    path = None if source is not None and str(source) == "-" else source
    problems: list[str] = []
    values = dict(_pairs(given.get("sets", ()), "--set", problems))
    for option, key in KEYS.items():
        if given.get(option) is not None:
            values[key] = str(given[option])
    values |= dict(what for flag, what in FLAGS.items() if given.get(flag))
    defaults = dict(_pairs(given.get("defaults", ()), "--default", problems))
    unknown = sorted(set(defaults) - set(ID_COLUMNS))
    if unknown:
        problems.append(
            f"--default {unknown[0]}: no such column; ours are {', '.join(ID_COLUMNS)}"
        )
    only = [
        (column, frozenset(text.split(",")))
        for column, text in _pairs(given.get("only", ()), "--only", problems)
    ]
    if problems:
        raise SettingsError(problems)
    overrides = Overrides(
        values=values,
        defaults=defaults,
        only=tuple(only),
        endpoint=given.get("endpoint", ""),
    )
    base = path.resolve().parent if path is not None else Path.cwd()
    state = locate_state(given=state_dir, environ=os.environ, base=base)
    return Given(overrides=overrides, source=path, state=state)


def runs_state(state_dir: Path | None) -> StateFolder:
    """Find STATE for a command that names a run and no job.

    With BULKBIND_LEDGER, the runs of that database are in it, too.

    Raises:
        SettingsError: That is no address of a database.
        StateError: The database does not answer.
    """
    state = locate_state(given=state_dir, environ=os.environ, base=None)
    adopt_runs(state, url=shared_ledger())
    return state


def shared_ledger() -> str:
    """Return the database that this user's runs of other hosts are in; empty: none."""
    return ledger_url(os.environ.get("BULKBIND_LEDGER", ""), where="BULKBIND_LEDGER")


def only_pairs(texts: Sequence[str]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Read ``--only`` of a command that works on a finished run."""
    problems: list[str] = []
    pairs = [
        (column, frozenset(text.split(",")))
        for column, text in _pairs(texts, "--only", problems)
    ]
    if problems:
        raise SettingsError(problems)
    return tuple(pairs)


def _pairs(
    texts: Sequence[str], option: str, problems: list[str]
) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            problems.append(f"{option} {text!r}: write {option} NAME=VALUE")
        else:
            pairs.append((name.strip(), value))
    return pairs
