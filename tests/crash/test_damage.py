"""Damaged files are recovered or refused with advice, never believed: a sample.

``python -m tests.crash.damage`` does more of it, or all; see there.
"""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from bulkbind.errors import LedgerDamaged
from bulkbind.job.planfile import open_plan
from bulkbind.ledger import SqliteLedger
from bulkbind.ledger.schema import SEALED
from tests.crash.damage import (
    LEDGER,
    PIN,
    WAL,
    Damage,
    cuts,
    flips,
    is_refused,
    open_damaged,
    prepare,
    read_damaged,
    resume_damaged,
    told,
)
from tests.fixtures import make_ledger

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("damage") / "finished", half=False)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("damage") / "killed", half=True)


def test_a_flipped_bit_of_a_finished_ledger_is_never_believed(finished):
    damages = flips(LEDGER, len(finished.whole(LEDGER)), count=60)

    seen = Counter(read_damaged(damage, subject=finished) for damage in damages)

    assert seen["refused"] > 5
    assert seen.total() == 60


#: Every column that a checksum covers, and the tables whose rows have a body.
COLUMNS = [
    *((table, column) for table, columns in SEALED.items() for column in columns),
    *(("batch", column) for column in ("target", "lane", "action", "body", "crc")),
    *(("record", column) for column in ("batch", "kind", "why", "body", "crc")),
]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_changed_column_is_refused(tmp_path, table, column):
    path = tmp_path / LEDGER
    make_ledger.make(path)
    key = "name" if table == "meta" else "rowid"
    with closing(sqlite3.connect(path)) as db:
        query = f"SELECT {key}, {column} FROM {table} LIMIT 1"  # noqa: S608
        row, value = db.execute(query).fetchone()
        other = value + 1000 if isinstance(value, int | float) else value + value[:1]
        changed = other if other != value else "x"
        statement = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"  # noqa: S608
        db.execute(statement, (changed, row))
        db.commit()

    with pytest.raises(LedgerDamaged) as refusal:
        _read_everything(path)

    assert is_refused(refusal.value)


def _read_everything(path):
    with closing(SqliteLedger.read(path)) as ledger:
        ledger.meta(), ledger.lanes(), ledger.stops(), ledger.invocations()
        ledger.tally(), ledger.requests_by_reason()
        list(ledger.asides())
        for target in ledger.targets():
            list(ledger.batches(target.no))
        ledger.prove()


def test_a_cut_ledger_is_never_believed(finished):
    damages = cuts(LEDGER, len(finished.whole(LEDGER)), count=20)

    seen = Counter(read_damaged(damage, subject=finished) for damage in damages)

    assert set(seen) == {"refused"}


def test_a_pinned_manifest_that_was_flipped_or_cut_is_always_refused(finished):
    size = len(finished.whole(PIN))
    damages = [*flips(PIN, size, count=20), *cuts(PIN, size, count=5)]

    seen = Counter(read_damaged(damage, subject=finished) for damage in damages)

    assert set(seen) == {"refused"}


def test_a_killed_run_leaves_a_wal_and_is_read_with_it(killed):
    assert (killed.run / WAL).stat().st_size > 0
    verdicts = {row["verdict"] for row in killed.report}
    assert "bound" in verdicts
    assert verdicts & {"not_sent", "unconfirmed"}


@pytest.mark.parametrize("file", [LEDGER, WAL])
def test_a_flipped_bit_of_a_killed_runs_files_is_never_believed(killed, file):
    damages = flips(file, len(killed.whole(file)), count=25)

    seen = Counter(read_damaged(damage, subject=killed) for damage in damages)

    assert seen.total() == 25


@pytest.mark.parametrize("file", [LEDGER, WAL])
def test_a_cut_of_a_killed_runs_files_is_never_believed(killed, file):
    damages = cuts(file, len(killed.whole(file)), count=8)

    seen = Counter(read_damaged(damage, subject=killed) for damage in damages)

    assert seen.total() == len(damages)


@pytest.mark.parametrize("file", [LEDGER, WAL])
def test_a_resume_on_damaged_files_ends_as_it_should_or_is_refused(killed, file):
    size = len(killed.whole(file))
    damages = [*flips(file, size, count=6, seed=1), *cuts(file, size, count=3)]

    seen = Counter(resume_damaged(damage, subject=killed) for damage in damages)

    assert seen["finished"]
    assert seen.total() == len(damages)


def test_a_resume_on_whole_files_ends_as_an_undisturbed_run(killed):
    size = len(killed.whole(WAL))

    assert resume_damaged(Damage(WAL, size), subject=killed) == "finished"


def test_a_wal_without_its_index_is_still_read(killed):
    with killed.copied() as copy:
        (copy.run / f"{LEDGER}-shm").unlink()

        assert told(copy.run) == (killed.report, killed.status)


def test_a_saved_plan_that_was_flipped_or_cut_is_refused_or_means_the_same(
    bulkbind, folder, finished
):
    shutil.copy(finished.folder / "job" / "apis.csv", folder)
    (folder / "job.toml").write_text(
        'manifest = "apis.csv"\n[account]\nendpoint = "sandbox"\n'
    )
    assert bulkbind("plan", "job.toml", "-o", "job.plan").code == 0
    whole = (folder / "job.plan").read_bytes()
    out = folder / "whole"
    out.mkdir()
    run = open_plan(folder / "job.plan", out)
    members = {path.name: path.read_bytes() for path in run.path.iterdir()}
    size = len(whole)
    damages = [*flips("job.plan", size, count=150), *cuts("job.plan", size, count=25)]

    seen = Counter(
        open_damaged(damage, whole=whole, members=members) for damage in damages
    )

    assert seen["refused"] >= 25
    assert seen.total() == len(damages)
