"""What a run came to, said on standard output; and the exit code."""

import json

import msgspec

from bulkbind.cli.saying import say
from bulkbind.job.reporting import Reported
from bulkbind.job.signalling import Outcome
from bulkbind.model import RunState, Verification
from bulkbind.report import describe
from bulkbind.state.folders import RunFolder


def answer(outcome: Outcome, *, as_json: bool, quiet: bool) -> int:
    """Print an outcome; return the exit code.

    Quiet, for cron: nothing at all if all is well, else what is wrong on standard error.
    """
    for problem in outcome.untold:
        say(f"warning: {problem}", err=True)
    if outcome.reported is None or outcome.run is None:
        return _nothing(as_json=as_json, quiet=quiet)
    summary = outcome.reported.summary
    code = 0 if outcome.nothing_to_do else summary.exit_code
    if code or not quiet:
        _notices(outcome, outcome.run, outcome.reported)
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
        say(text.decode())
    elif code or not quiet:
        _say(outcome.reported, err=quiet)
    if summary.state is RunState.STOPPED:
        reason = f" ({summary.stopped_by})" if summary.stopped_by else ""
        say(
            f"stopped{reason}: `bulkbind resume {outcome.run.handle}` goes on", err=True
        )
    return code


def _notices(outcome: Outcome, run: RunFolder, reported: Reported) -> None:
    """Say what is no answer, on standard error."""
    if outcome.abandoned:
        say(
            f"run {outcome.abandoned} was closed: the manifest or the plan's settings"
            f" changed; this is run {run.id}",
            err=True,
        )
    if outcome.nothing_to_do:
        say(f"run {run.id}: nothing is left to do", err=True)
    for warning in reported.summary.warnings:
        say(f"warning: {warning}", err=True)


def _nothing(*, as_json: bool, quiet: bool) -> int:
    if not quiet:
        say("the manifest has no rows: there is nothing to do", err=True)
    if as_json:
        nothing = {"run_id": "", "exit_code": 0, "rows": 0, "verdicts": {}}
        say(json.dumps({"format_version": "1.0", **nothing}, indent=2))
    return 0


def _say(reported: Reported, *, err: bool) -> None:
    summary = reported.summary
    say(f"run {summary.run_id}: {summary.state}", err=err)
    say(describe(reported.totals, files=reported.files), err=err)
    if not reported.keeps_rows:
        say("nothing was sent, so only the summary was kept", err=err)
    if summary.verification is not None:
        say(_verified(summary.verification), err=err)


def _verified(found: Verification) -> str:
    """Say in a line what reading back came to."""
    if found.drift or found.unread:
        return (
            f"verified: {found.drift:,} of {found.rows:,} rows DRIFTED,"
            f" {found.unread:,} could not be read; `verified` in the report says which"
        )
    return f"verified: all {found.rows:,} rows are as they should be"
