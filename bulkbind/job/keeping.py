"""How much of a run is kept: all of it, its reports, or its summary alone.

A nightly run that finds everything as it should be has nothing to tell but that. Its
``run.json`` then stands for the ledger: where the run stands, and what it was planned
from. It is durable before anything is removed, and what a kill left is removed later.
"""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bulkbind.errors import StateError, UnknownRun
from bulkbind.job.reporting import FORMAT_VERSION, Reported
from bulkbind.model import RunState, Verdict
from bulkbind.report.files import SUMS, write_file
from bulkbind.report.forms import REPORT_NAMES
from bulkbind.report.write import SUMMARY_NAME
from bulkbind.state.folders import Kept, RunFacts, RunFolder, StateFolder
from bulkbind.state.ledgers import LEDGER_NAMES, has_ledger

#: Verdicts of rows that are as they should be, and of those that another row says.
_NOTHING_TO_TELL = frozenset({Verdict.UNCHANGED, Verdict.DUPLICATE, Verdict.SUPERSEDED})

_FILES = frozenset({SUMMARY_NAME, *REPORT_NAMES.values()})
_STAYS = {Kept.SUMMARY: frozenset({SUMMARY_NAME}), Kept.REPORTS: _FILES}


def keep_little(run: RunFolder, reported: Reported) -> Reported:
    """Keep the summary alone of a run that sent nothing and has nothing to tell.

    Returns:
        The report as it is now.

    Raises:
        StateError: The files cannot be written.
    """
    facts = run.facts()
    summary = reported.summary
    told = {Verdict(name) for name, rows in summary.verdicts.items() if rows}
    is_quiet = told <= _NOTHING_TO_TELL and not summary.requests.sent
    is_whole = facts.state is RunState.FINISHED and summary.exit_code == 0
    if facts.undoes or not (is_quiet and is_whole):
        return reported
    shrink(facts, keep=Kept.SUMMARY)
    return replace(reported, files=(run.summary,), keeps_rows=False)


def shrink(facts: RunFacts, *, keep: Kept) -> None:
    """Remove what is not kept of a run, durably; the caller holds the job's lock.

    Raises:
        StateError: The files cannot be written.
    """
    document = {
        "format_version": FORMAT_VERSION,
        "kept": keep,
        "meta": dict(facts.meta),
        "invocations": [one._asdict() for one in facts.invocations],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_file(facts.folder.stub, text)
    _remove_rest(facts.folder, keep)


def finish_shrinking(state: StateFolder) -> None:
    """Remove what killed processes left of runs that are not kept whole."""
    for run in state.runs():
        if run.stub.exists() and has_ledger(run.path):
            with suppress(StateError):
                _remove_rest(run, run.facts().kept)


def _remove_rest(run: RunFolder, keep: Kept) -> None:
    """Remove files and folders; the ledger goes last, by which it is known that some are left."""
    stays = _STAYS[keep] | {run.stub.name, SUMS}
    try:
        rest = [path for path in run.path.iterdir() if path.name not in stays]
        _write_sums(run.path, _STAYS[keep])
        for path in sorted(rest, key=lambda path: path.name in LEDGER_NAMES):
            _remove(path)
    except OSError as error:
        message = f"{run.path} cannot be cleaned ({error.strerror}); see to the disk"
        raise StateError(message) from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_sums(folder: Path, names: frozenset[str]) -> None:
    """Write ``SHA256SUMS`` anew, for the files that stay."""
    lines = (folder / SUMS).read_text("utf-8", "replace").splitlines(keepends=True)
    kept = [line for line in lines if line.partition("  ")[2].strip() in names]
    write_file(folder / SUMS, "".join(kept))


def read_summary(run: RunFolder) -> dict[str, Any]:
    """Return ``summary.json`` as it is; empty where there is none that can be read."""
    try:
        document = json.loads(run.summary.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def kept_files(run: RunFolder) -> list[Path]:
    """Return the reports and the summary that are there."""
    return [path for path in sorted(run.path.iterdir()) if path.name in _FILES]


def refuse_little(run: RunFolder) -> None:
    """Refuse to go on with a run whose ledger is not kept.

    Raises:
        UnknownRun: It is not; what is left is named.
    """
    facts = run.facts()
    if facts.kept is Kept.SUMMARY:
        message = (
            f"run {run.id} sent nothing, and every row of it was as it should be, so"
            f" that only {run.summary} was kept; `bulkbind verify JOB` looks again"
        )
        raise UnknownRun(message)
    if facts.kept is Kept.REPORTS:
        message = (
            f"run {run.id} was cleaned: its ledger is gone, and its reports are in"
            f" {run.path}; take them, or a run that `bulkbind runs` shows as whole"
        )
        raise UnknownRun(message)
