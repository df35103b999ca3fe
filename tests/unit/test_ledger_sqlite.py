"""One run in one SQLite file: what is refused, what is private, what is left behind."""

import sqlite3
import stat
from contextlib import closing

import pytest

from bulkbind.errors import LedgerDamaged, LedgerFailed, LedgerMismatch, StateError
from bulkbind.ledger import SqliteLedger
from bulkbind.ledger.schema import APPLICATION_ID, VERSION
from bulkbind.model import Aside, Scope, Verdict
from tests.contract.test_ledger import (
    LANES,
    TARGETS,
    answer,
    batch,
    intent,
    stop,
    transaction,
)

ASIDES = [Aside(7, Verdict.DUPLICATE, "the same binding as apis.csv:2")]


@pytest.fixture
def path(tmp_path):
    """A closed ledger with a little of everything in it."""
    path = tmp_path / "ledger.db"
    made = SqliteLedger.create(path, tool="bulkbind 1.2.3")
    with closing(made) as ledger, transaction(ledger):
        ledger.put_batches(batch(number, size=40) for number in range(1, 60))
        ledger.put_plan(lanes=LANES, targets=TARGETS, asides=ASIDES)
        ledger.start(command="run", operator="me@here", pid=7, at=1.5)
        ledger.put_record(intent(1))
        ledger.put_record(answer(1))
        ledger.put_stop(stop(Scope.TARGET, "0", message="why"))
    return path


def change(path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement, values)
        db.commit()


def read_everything(path) -> None:
    with closing(SqliteLedger.read(path)) as ledger:
        ledger.meta()
        ledger.lanes()
        ledger.targets()
        ledger.stops()
        ledger.tally()
        ledger.invocations()
        ledger.last_record_at()
        list(ledger.asides())
        for target in range(3):
            list(ledger.batches(target))


# --- files ----------------------------------------------------------------------------


def test_closing_leaves_one_file(path):
    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]


def test_closing_after_more_writes_leaves_one_file(path):
    with closing(SqliteLedger.open(path)) as ledger, transaction(ledger):
        ledger.put_meta({"note": "x"})

    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]


def test_reading_leaves_one_file(path):
    read_everything(path)

    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]


def test_every_file_is_private_while_it_is_written(tmp_path):
    with closing(SqliteLedger.create(tmp_path / "ledger.db", tool="t")) as ledger:
        with transaction(ledger):
            ledger.put_meta({"note": "x"})
        modes = {
            each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()
        }

    assert set(modes) == {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
    assert set(modes.values()) == {0o600}


def test_closing_while_somebody_reads_loses_nothing(path):
    ledger = SqliteLedger.open(path)
    with transaction(ledger):
        ledger.put_meta({"note": "x"})
    reader = SqliteLedger.read(path)
    next(reader.batches(0))
    ledger.close()
    reader.close()

    with closing(SqliteLedger.open(path)) as again:
        assert again.meta()["note"] == "x"


def test_every_commit_reaches_the_disk(path):
    with closing(SqliteLedger.open(path)) as ledger:
        (synchronous,) = ledger._db.execute("PRAGMA synchronous").fetchone()
        (journal,) = ledger._db.execute("PRAGMA journal_mode").fetchone()

    assert (synchronous, journal) == (2, "wal")


@pytest.mark.parametrize("name", ["a b", "a#b", "a?mode=ro", "a%20b", "ü"])
def test_a_folder_may_have_any_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    SqliteLedger.create(folder / "ledger.db", tool="t").close()

    with closing(SqliteLedger.open(folder / "ledger.db")) as ledger:
        assert ledger.meta() == {"written_by": "t"}
    assert [each.name for each in folder.iterdir()] == ["ledger.db"]


def test_a_file_that_is_there_is_never_written_over(path):
    with pytest.raises(LedgerFailed, match="cannot be used"):
        SqliteLedger.create(path, tool="t")

    read_everything(path)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(LedgerFailed, match="cannot be used"):
        SqliteLedger.create(tmp_path / "none" / "ledger.db", tool="t")


# --- what is refused ------------------------------------------------------------------

BOTH = pytest.mark.parametrize("opening", [SqliteLedger.open, SqliteLedger.read])


@BOTH
def test_a_ledger_that_is_not_there_is_told(tmp_path, opening):
    with pytest.raises(LedgerMismatch, match=r"there is no ledger at .*ledger.db"):
        opening(tmp_path / "ledger.db")


@BOTH
def test_a_newer_ledger_is_refused_naming_its_writer(path, opening):
    change(path, f"PRAGMA user_version = {VERSION + 1}")

    with pytest.raises(
        LedgerMismatch, match=rf"by bulkbind 1.2.3 \(schema {VERSION + 1}\)"
    ):
        opening(path)


@BOTH
def test_another_programmes_database_is_refused(tmp_path, opening):
    path = tmp_path / "ledger.db"
    change(path, "CREATE TABLE meta (name, value)")

    with pytest.raises(LedgerMismatch, match="is not a bulkbind ledger"):
        opening(path)


@BOTH
def test_an_empty_file_is_refused(tmp_path, opening):
    (tmp_path / "ledger.db").touch()

    with pytest.raises(LedgerMismatch, match="is not a bulkbind ledger"):
        opening(tmp_path / "ledger.db")


@BOTH
def test_a_file_that_is_no_database_is_refused(tmp_path, opening):
    (tmp_path / "ledger.db").write_bytes(b"account,api_id\n" * 1000)

    with pytest.raises(LedgerDamaged, match=r"is damaged .*start a new run"):
        opening(tmp_path / "ledger.db")


def test_a_database_that_only_claims_to_be_ours_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    change(path, f"PRAGMA application_id = {APPLICATION_ID}")

    with pytest.raises(StateError):
        read_everything(path)


@pytest.mark.parametrize("kept", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_truncated_ledger_is_never_believed(path, kept):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])

    with pytest.raises(StateError):
        read_everything(path)


def test_a_refused_file_is_let_go_of(path):
    change(path, f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(LedgerMismatch):
        SqliteLedger.open(path)

    path.unlink()
    assert list(path.parent.iterdir()) == []


# --- checksums in place ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "where"),
    [("batch", "id = 1"), ("record", "kind = 'answer'"), ("stop", "scope = 'target'")],
)
def test_any_changed_byte_of_a_body_is_seen(path, table, where):
    with closing(sqlite3.connect(path)) as db:
        (body,) = db.execute(f"SELECT body FROM {table} WHERE {where}").fetchone()  # noqa: S608
    for place in range(len(body)):
        damaged = bytearray(body)
        damaged[place] ^= 0x10
        change(
            path,
            f"UPDATE {table} SET body = ? WHERE {where}",  # noqa: S608
            bytes(damaged),
        )

        with pytest.raises(LedgerDamaged, match="is not what was written"):
            read_everything(path)


@pytest.mark.parametrize(
    ("table", "change_to"),
    [
        ("meta", "value = 'bulkbind 9'"),
        ("lane", "gateway = 'host/other'"),
        ("target", "plugin_id = 'other'"),
        ("batch", "action = 'detach'"),
        ("batch", "target = 2 WHERE id = 1"),
        ("work", "done = 1 WHERE batch = 1"),
        ("aside", "verdict = 'invalid'"),
        ("stop", "key = '1'"),
        ("invocation", "state = 'finished'"),
    ],
)
def test_a_change_beside_the_bodies_is_seen_too(path, table, change_to):
    change(path, f"UPDATE {table} SET {change_to}")  # noqa: S608

    with pytest.raises(LedgerDamaged, match="is not what was written"):
        read_everything(path)


def test_a_record_moved_to_another_batch_is_seen(path):
    change(path, "UPDATE record SET batch = 2")

    with pytest.raises(LedgerDamaged):
        read_everything(path)


# --- errors of the database -----------------------------------------------------------


def test_a_second_writer_is_told_in_our_words(path):
    with (
        closing(SqliteLedger.open(path)) as one,
        closing(SqliteLedger.open(path)) as two,
    ):
        two._db.execute("PRAGMA busy_timeout = 0")
        one.begin()

        with pytest.raises(LedgerFailed, match="locked"):
            two.begin()
        one.rollback()


def test_a_fault_in_the_middle_of_reading_is_told_in_our_words(path):
    with closing(SqliteLedger.open(path)) as ledger:
        ledger._db.execute("DROP TABLE aside")

        with pytest.raises(LedgerFailed, match="no such table"):
            list(ledger.asides())


def test_a_full_disk_keeps_nothing_and_says_so(path):
    with closing(SqliteLedger.open(path)) as ledger:
        (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
        ledger._db.execute(f"PRAGMA max_page_count = {pages}")
        ledger.begin()
        with pytest.raises(LedgerFailed, match=r"full.*see to disk space"):
            ledger.put_meta({"note": "x" * 1_000_000})
        ledger.rollback()

        assert "note" not in ledger.meta()
