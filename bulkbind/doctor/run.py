"""Is what a run left behind still what it wrote? Reads its files, and nothing else."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bulkbind.doctor.check import Check, fault, fine, from_error, warning
from bulkbind.errors import StateError
from bulkbind.job.reporting import judge_run
from bulkbind.ledger import Ledger
from bulkbind.model import RunState
from bulkbind.report.files import SUMS
from bulkbind.state.folders import Kept, RunFacts, RunFolder
from bulkbind.state.ledgers import read_ledger
from bulkbind.state.status import state_of

_KEPT = {
    Kept.SUMMARY: "the run sent nothing and had nothing to tell",
    Kept.REPORTS: "the run was cleaned",
}
_NEW_RUN = "start a new run from the manifest (what is bound stays bound)"


def check_run(run: RunFolder) -> Iterator[Check]:
    """Yield what there is to say of a run's files, one after another.

    What hangs on a file that is damaged is not looked at.
    """
    try:
        facts = run.facts()
        yield _state(facts)
        if facts.kept is not Kept.WHOLE:
            yield fine("ledger", _of(run), f"not kept: {_KEPT[facts.kept]}")
            yield from _sums(run)
            return
        with closing(read_ledger(run.path)) as ledger:
            ledger.prove()
            yield fine("ledger", _of(run), "every record is what was written")
            pin = _pin(facts)
            yield pin
            yield from _sums(run)
            if not pin.remedy:
                yield _report(facts, ledger)
    except StateError as error:
        yield from_error("ledger", _of(run), error, remedy=_NEW_RUN)


def _of(run: RunFolder) -> str:
    return f"run {run.id}"


def _state(facts: RunFacts) -> Check:
    """Say where the run stands."""
    run, state = facts.folder, state_of(facts)
    if state == "interrupted":
        found = "interrupted: it was killed while it was at work"
        return warning("state", _of(run), found, f"bulkbind resume {run.handle}")
    if facts.state is RunState.STOPPED:
        found = f"stopped ({facts.stopped_by})" if facts.stopped_by else "stopped"
        return warning("state", _of(run), found, f"bulkbind resume {run.handle}")
    return fine("state", _of(run), state)


def _pin(facts: RunFacts) -> Check:
    """Hold the pinned copy against the checksum in the ledger."""
    run = facts.folder
    expected, found = facts.meta["pin_sha256"], _sha256(run.pinned())
    if found == expected:
        return fine("pinned copy", _of(run), f"SHA-256 {expected[:12]}, as was planned")
    what = "is not what was planned" if found else "cannot be read"
    remedy = f"restore the file whose SHA-256 is {expected}, or {_NEW_RUN}"
    return fault("pinned copy", _of(run), f"{run.pin} {what}", remedy)


def _sums(run: RunFolder) -> Iterator[Check]:
    """Hold the reports against ``SHA256SUMS``."""
    try:
        lines = (run.path / SUMS).read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        if run.summary.exists():
            found = f"{SUMS} is gone, so the reports cannot be held against it"
            yield warning("checksums", _of(run), found, f"bulkbind report {run.handle}")
        else:
            yield fine("checksums", _of(run), "there is no report yet")
        return
    except OSError as error:
        found = f"{SUMS} cannot be read ({error.strerror})"
        yield fault("checksums", _of(run), found, "see to the disk")
        return
    pairs = [line.partition("  ") for line in lines]
    # a name with a path in it is none of ours
    wrong = [
        name
        for digest, _, name in pairs
        if Path(name).name != name or _sha256(run.path / name) != digest
    ]
    if wrong:
        found = f"not what was written, or gone: {', '.join(map(repr, wrong))}"
        remedy = f"`bulkbind report {run.handle}` writes them again, from the ledger"
        yield fault("checksums", _of(run), found, remedy)
    else:
        yield fine(
            "checksums", _of(run), f"{len(pairs)} files are as they were written"
        )


def _report(facts: RunFacts, ledger: Ledger) -> Check:
    """Judge every row again, and hold that against the summary."""
    run = facts.folder
    try:
        counts = Counter(judged.shared.verdict for judged in judge_run(facts, ledger))
    except StateError as error:
        return from_error("report", _of(run), error, remedy=_NEW_RUN)
    found = f"{counts.total():,} rows, each with one verdict"
    told = _summary(run)
    if told is None:
        return fine("report", _of(run), found)
    if told != {verdict.value: rows for verdict, rows in counts.items()}:
        found = "summary.json counts other verdicts than the ledger has"
        remedy = f"`bulkbind report {run.handle}` writes it again, from the ledger"
        return fault("report", _of(run), found, remedy)
    return fine("report", _of(run), f"{found}, as summary.json has them")


def _summary(run: RunFolder) -> dict[str, int] | None:
    """Return the verdicts that a summary counts; None: there is no summary."""
    try:
        verdicts = json.loads(run.summary.read_bytes())["verdicts"]
        return {name: rows for name, rows in verdicts.items() if rows}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _sha256(path: Path) -> str:
    """Return a file's SHA-256; empty: it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
