"""Looking at many runs: who bound this API when, and how two runs differ."""

import csv
import gzip
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bulkbind.errors import StateError
from bulkbind.job.reporting import judge_run
from bulkbind.model import Verdict
from bulkbind.state.folders import Kept, RunFacts, RunFolder, StateFolder
from bulkbind.state.ledgers import read_ledger

_CHUNK = 1024 * 1024


class Deed(NamedTuple):
    """What one run made of one API."""

    facts: RunFacts
    line: int
    instance_id: str
    env_id: str
    plugin_id: str
    verdict: str
    replaced_plugin_id: str
    error_code: str
    at: str
    """ISO 8601, UTC; empty: never sent."""


def deeds_of(state: StateFolder, api_id: str) -> Iterator[Deed]:
    """Yield what every run made of an API, newest first.

    A run whose manifest does not hold the id is passed over without a look at its
    ledger; of one that was cleaned, its report is read. A run that sent nothing and
    keeps its summary only did nothing to any API.

    Raises:
        StateError: A run's files cannot be read.
    """
    for run in state.runs():
        facts = run.facts()
        if facts.kept is Kept.REPORTS:
            yield from _reported(facts, api_id)
        elif facts.kept is Kept.WHOLE and _holds(run.pinned(), api_id.encode()):
            yield from _judged(facts, api_id)


def _holds(pin: Path, api_id: bytes) -> bool:
    """Tell whether a pinned copy has some bytes anywhere, at the speed of unpacking."""
    rest = b""
    try:
        with gzip.open(pin) as file:
            while chunk := file.read(_CHUNK):
                if api_id in rest + chunk:
                    return True
                rest = chunk[-len(api_id) :]
    except (OSError, EOFError, zlib.error) as error:
        message = f"{pin} cannot be read ({error}); restore it, or remove the run"
        raise StateError(message) from error
    return False


def _judged(facts: RunFacts, api_id: str) -> Iterator[Deed]:
    from bulkbind.report.cells import time_text

    with closing(read_ledger(facts.folder.path)) as ledger:
        for judged in judge_run(facts, ledger):
            if judged.row.api_id == api_id:
                shared = judged.shared
                yield Deed(
                    facts,
                    judged.row.line,
                    shared.instance_id,
                    shared.env_id,
                    shared.plugin_id,
                    shared.verdict.value,
                    shared.replaced_plugin_id,
                    shared.error_code,
                    time_text(shared.finished_at),
                )


def _reported(facts: RunFacts, api_id: str) -> Iterator[Deed]:
    path = facts.folder.path / "report.csv"
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["api_id"] == api_id:
                yield Deed(
                    facts,
                    int(row["line"]),
                    *(row[name] for name in ("instance_id", "env_id", "plugin_id")),
                    *(row[name] for name in ("verdict", "replaced_plugin_id")),
                    *(row[name] for name in ("error_code", "finished_at")),
                )


class Difference(NamedTuple):
    """A binding that two runs say different things of."""

    account: str
    instance_id: str
    env_id: str
    plugin_id: str
    api_id: str
    before: str
    """Verdict in the first run; empty: it has no such row."""
    after: str
    """Verdict in the second run; empty: it has no such row."""


_PUT = "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?)"
_DIFFERENCES = """
SELECT account, instance, env, plugin, api,
    coalesce(max(CASE side WHEN 0 THEN verdict END), '') AS before,
    coalesce(max(CASE side WHEN 1 THEN verdict END), '') AS after
FROM row GROUP BY account, instance, env, plugin, api HAVING before <> after
"""


def differences(old: RunFolder, new: RunFolder) -> Iterator[Difference]:
    """Yield the bindings that two runs say different things of, sorted by their ids.

    A row of one binding that repeats another does not count. Rows are sorted by SQLite
    in a temporary file, so that memory does not grow with them.

    Raises:
        LedgerDamaged: A run's files are not what was written.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bulkbind-") as folder,
        closing(sqlite3.connect(Path(folder, "rows.db"))) as db,
    ):
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA temp_store = FILE")
        db.execute(
            "CREATE TABLE row (side, account, instance, env, plugin, api, verdict)"
        )
        for side, run in enumerate((old, new)):
            db.executemany(_PUT, ((side, *row) for row in _keyed(run)))
        for found in db.execute(_DIFFERENCES):
            yield Difference(*found)


def _keyed(run: RunFolder) -> Iterator[tuple[str, ...]]:
    with closing(read_ledger(run.path)) as ledger:
        for judged in judge_run(run.facts(), ledger):
            shared = judged.shared
            if shared.verdict is not Verdict.DUPLICATE:
                yield (
                    shared.account,
                    shared.instance_id,
                    shared.env_id,
                    shared.plugin_id,
                    judged.row.api_id,
                    shared.verdict.value,
                )
