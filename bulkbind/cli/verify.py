"""``bulkbind verify``: read back what is bound, and say what is not as it should be."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from bulkbind.cli import completing, options
from bulkbind.cli.finding import is_archive, state_for, whole_run
from bulkbind.cli.plan import reading_progress
from bulkbind.cli.progress import watching
from bulkbind.cli.saying import say
from bulkbind.cli.words import count, duration, table
from bulkbind.errors import SettingsError
from bulkbind.job.checked import Checked, TargetCheck
from bulkbind.job.looping import run_async
from bulkbind.job.planfile import is_plan_file
from bulkbind.job.verifying import Verified, verify_run, verify_source
from bulkbind.model import Target
from bulkbind.settings import revise

#: Targets, and rows, shown in a table.
SHOWN = 20

#: Files that are a SOURCE even if they are not there, so that this is what is said.
_SUFFIXES = frozenset({".toml", ".csv", ".tsv", ".json", ".jsonl", ".gz", ".zst"})


@click.command("verify")
@click.argument(
    "what",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="[RUN|SOURCE]",
    default="latest",
    shell_complete=completing.runs,
)
@options.everywhere
def command(
    *,
    what: Path,
    quiet: bool,
    as_json: bool,
    state_dir: Path | None,
    **given: Any,  # noqa: ANN401 - click's
) -> int:
    """Read back what is bound now: is it as RUN left it, or as SOURCE wants it?

    Of RUN (default: the newest one) every row that is bound, unchanged or unbound is
    looked at; what is seen stands in its report, under `verified`. SOURCE is a job file
    or a manifest: whatever a run of it would change has drifted. Nothing is sent.

    Exit code 1: drift; 3: not everything could be read, or RUN has rows that it did not
    come to (`resume`).
    """
    if _is_source(what):
        verified = _verify_source(what, state_dir, quiet=quiet, **given)
    else:
        verified = _verify_run(str(what), state_dir, quiet=quiet, **given)
    for warning in verified.warnings:
        say(f"warning: {warning}", err=True)
    for gateway, why in verified.checked.unread.items():
        say(f"warning: {gateway}: {why}", err=True)
    if as_json:
        text = json.dumps(verify_document(verified), indent=2, ensure_ascii=False)
        say(text)
    elif verified.checked.exit_code or not quiet:
        say("\n".join(verify_lines(verified)))
    return verified.checked.exit_code


def _is_source(what: Path) -> bool:
    """Tell a job file or manifest from what names a run."""
    if is_archive(what):
        return False
    return str(what) == "-" or what.is_file() or what.suffix.lower() in _SUFFIXES


def _verify_run(
    name: str,
    state_dir: Path | None,
    *,
    quiet: bool,
    only: tuple[str, ...],
    **given: Any,  # noqa: ANN401 - click's
) -> Verified:
    run = whole_run(name, state_dir)
    wanted = options.only_pairs(only)
    overrides = options.gather(None, state_dir=state_dir, **given).overrides
    with watching(quiet=quiet, sends=False) as around:
        return run_async(
            partial(
                verify_run,
                run,
                state=state_for(run, state_dir),
                around=around,
                change=partial(revise, overrides=replace(overrides, only=())),
                only=[(column, sorted(values)) for column, values in wanted],
                tell=_silent if quiet else _tell,
            )
        )


def _verify_source(
    source: Path,
    state_dir: Path | None,
    *,
    quiet: bool,
    **given: Any,  # noqa: ANN401 - click's
) -> Verified:
    if is_plan_file(source):
        problem = (
            f"{source}: a saved plan; name the job, or the run that carried it out"
        )
        raise SettingsError([problem])
    shared = options.gather(source, state_dir=state_dir, **given)
    settings = shared.load()
    with watching(quiet=quiet, sends=False) as around:
        return run_async(
            partial(
                verify_source,
                settings,
                state=shared.state,
                around=around,
                progress=None if quiet else reading_progress,
            )
        )


def _tell(text: str) -> None:
    say(text, err=True)


def _silent(_: str) -> None:
    """Say nothing."""


# --- what is said ---------------------------------------------------------------------


def verify_lines(verified: Verified) -> Iterator[str]:
    """Write a verification as totals, targets that drifted, and the first rows."""
    checked = verified.checked
    name = f"run {verified.run.id}" if verified.run else verified.job
    yield f"{name}: {_outcome(checked)}"
    yield ""
    counts = [
        (checked.same, "as they should be"),
        (sum(check.missing for check in checked.targets), "missing"),
        (sum(check.other for check in checked.targets), "with another plug-in"),
        (checked.not_read, "not read"),
    ]
    yield from (f"  {many:>10,}  {word}" for many, word in counts if many)
    yield from _left_lines(verified)
    wanting = [check for check in checked.targets if check.drift or check.unread]
    if wanting:
        yield ""
        yield from _target_lines(wanting)
    if checked.drifted:
        yield ""
        yield from _row_lines(checked)
    yield ""
    yield f"{count(checked.reads, 'page')} read, in {duration(checked.seconds)}"
    if verified.run is None or verified.run.archive is None:
        yield from (f"  {path}" for path in verified.files)


def _left_lines(verified: Verified) -> Iterator[str]:
    """Name the rows that nobody looked at: they are not as they should be either."""
    left = verified.checked.left
    if left and verified.run is not None:
        words = ", ".join(f"{many:,} {verdict}" for verdict, many in left.items())
        yield f"  not looked at: {words}; `bulkbind report {verified.run.handle}`"


def _outcome(checked: Checked) -> str:
    if not checked.rows:
        return "no row claims anything of what is bound; there was nothing to read back"
    words = []
    if checked.drift:
        words.append(f"{checked.drift:,} of {checked.rows:,} rows DRIFTED")
    if checked.not_read:
        words.append(f"{checked.not_read:,} could not be read")
    if not words:
        done = " that were done" if checked.is_partial else ""
        words.append(f"all {checked.rows:,} rows{done} are as they should be")
    return ", ".join(words)


def _target_lines(checks: list[TargetCheck]) -> Iterator[str]:
    header = ("gateway", "plug-in", "environment", "#rows", "#same", "#missing")
    rows = [
        (
            check.target.instance_id,
            check.target.plugin_id,
            check.target.env_id,
            *(f"{n:,}" for n in (check.rows, check.same, check.missing)),
            *(f"{n:,}" for n in (check.other, check.unread)),
        )
        for check in checks[:SHOWN]
    ]
    yield from table((*header, "#other", "#unread"), rows)
    if len(checks) > SHOWN:
        yield f"... and {len(checks) - SHOWN:,} more targets; --json has them all"


def _row_lines(checked: Checked) -> Iterator[str]:
    targets = {check.target.no: check.target for check in checked.targets}
    rows = [
        (
            one.api_id,
            targets[one.target].instance_id,
            targets[one.target].plugin_id,
            targets[one.target].env_id,
            one.seen or one.code or "nothing",
        )
        for one in checked.drifted[:SHOWN]
    ]
    yield from table(("API", "gateway", "plug-in", "environment", "is there now"), rows)
    more = checked.drift - len(rows)
    if more > 0:
        yield f"... and {more:,} more rows"


def verify_document(verified: Verified) -> dict[str, object]:
    """Return a verification as the JSON document of ``verify --json``."""
    checked = verified.checked
    targets = {check.target.no: check.target for check in checked.targets}
    return {
        "format_version": "1.0",
        "job": verified.job,
        "run_id": verified.run.id if verified.run else "",
        "rows": checked.rows,
        "same": checked.same,
        "drift": checked.drift,
        "unread": checked.not_read,
        "not_looked_at": dict(checked.left),
        "reads": checked.reads,
        "seconds": round(checked.seconds, 3),
        "exit_code": checked.exit_code,
        "unread_gateways": dict(checked.unread),
        "targets": [
            {
                **_ids(check.target),
                "rows": check.rows,
                "same": check.same,
                "missing": check.missing,
                "other": check.other,
                "unread": check.unread,
            }
            for check in checked.targets
        ],
        "drifted": [
            {
                **_ids(targets[one.target]),
                "api_id": one.api_id,
                "seen": one.seen,
                "error_code": one.code,
            }
            for one in checked.drifted
        ],
    }


def _ids(target: Target) -> dict[str, str]:
    return {
        "account": target.account,
        "instance_id": target.instance_id,
        "plugin_id": target.plugin_id,
        "env_id": target.env_id,
    }
