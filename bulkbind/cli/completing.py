"""What a shell may complete: runs, jobs, columns, values, codes.

It reads names only, and stays silent about whatever it cannot read: a completion must
never be in the way.
"""

import os
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

from bulkbind.errors import BulkbindError
from bulkbind.model import ID_COLUMNS, REPORT_COLUMNS, Verdict

if TYPE_CHECKING:
    from bulkbind.state.folders import StateFolder

#: Runs offered by id.
_MOST = 100

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def install() -> None:
    """Let bash complete ``NAME=VALUE``, which it cuts, and fish lists with commas."""
    for name, kind in SHELLS.items():
        add_completion_class(kind, name)


class _Fish(FishComplete):
    """Splits an answer at its first comma only."""

    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split -m 1 ","'
    )


class _Bash(BashComplete):
    """Joins what bash has cut, and gives back only the piece that it replaces."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before, and the one to complete, whole."""
        words, incomplete = super().get_completion_args()
        self._cut = ""
        if incomplete == "=":
            incomplete = ""
            words.append("=")
        if len(words) > 1 and words[-1] == "=":
            self._cut = f"{words[-2]}="
            words = words[:-2]
        return words, self._cut + incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Return a line of the answer."""
        return f"{item.type},{str(item.value).removeprefix(self._cut)}"


#: What writes and answers for each shell.
SHELLS: dict[str, type[ShellComplete]] = {
    "bash": _Bash,
    "zsh": ZshComplete,
    "fish": _Fish,
}


def _silent(completer: Completer) -> Completer:
    @wraps(completer)
    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            return completer(ctx, param, incomplete)
        except (BulkbindError, OSError, ValueError):
            return []

    return complete


def _state(ctx: click.Context) -> "StateFolder":
    from bulkbind.state.folders import locate_state

    given = ctx.params.get("state_dir")
    return locate_state(given=given, environ=os.environ, base=None)


@_silent
def runs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a run: its id, newest first; ``latest``; an archived one's file.

    The file comes first: bash forgets what came before it.
    """
    del param
    state = _state(ctx)
    ids = [run.id for run in state.runs()[:_MOST]]
    return [_file(incomplete), *_begin(["latest", *ids], incomplete)]


@_silent
def jobs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a job: a name that was run, or a file."""
    del param
    state = _state(ctx)
    names = {run.facts().job for run in state.runs()[:_MOST]}
    return [_file(incomplete), *_begin(sorted(names), incomplete)]


@_silent
def subjects(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a run or a job."""
    return [*runs(ctx, param, incomplete), *jobs(ctx, param, incomplete)[1:]]


@_silent
def only(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete ``COLUMN=V1,V2``: columns, verdicts, accounts."""
    del ctx, param
    column, sign, values = incomplete.partition("=")
    if not sign:
        return _begin([f"{name}=" for name in REPORT_COLUMNS], column)
    before, comma, _ = values.rpartition(",")
    head = f"{column}={before}{comma}"
    return _begin([head + value for value in _values(column)], incomplete)


def columns(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a column of the report."""
    del ctx, param
    return _begin(REPORT_COLUMNS, incomplete)


def defaults(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a column that a manifest may lack."""
    del ctx, param
    return _begin([f"{name}=" for name in ID_COLUMNS], incomplete)


def words(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete what ``explain`` knows: codes, verdicts, exit codes."""
    del ctx, param
    from bulkbind.retry import explained

    codes = [code for code, _ in explained()]
    numbers = ("0", "1", "2", "3", "4", "10", "75", "130", "143")
    return _begin([*map(str, Verdict), *codes, *numbers], incomplete)


def _values(column: str) -> Iterator[str]:
    if column == "verdict":
        yield from map(str, Verdict)
    if column == "account":
        yield "default"
        # click forgets SOURCE where an option lacks its value, as it does here
        for word in split_arg_string(os.environ.get("COMP_WORDS", "")):
            if word.endswith(".toml"):
                text = Path(word).read_text("utf-8")
                yield from tomllib.loads(text).get("accounts", {})


def _begin(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _file(incomplete: str) -> CompletionItem:
    return CompletionItem(incomplete, type="file")
