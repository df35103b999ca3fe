"""Runs whose accounts many machines work: a real Dask scheduler, real processes."""

import pytest

from tests.cluster.accounts import environ_of, rows_of_accounts, write_accounts
from tests.factories import lasting, report_of

ACCOUNTS = 4


@pytest.fixture
def rows(monkeypatch):
    for name, value in environ_of(ACCOUNTS).items():
        monkeypatch.setenv(name, value)
    return rows_of_accounts(ACCOUNTS, 50)


def many(database, scheduler="local"):
    return (
        *("--set", f"cluster.ledger={database}", "--set", "plan.batch_size=5"),
        *("--set", f"cluster.scheduler={scheduler}"),
    )


def test_workers_on_this_machine_come_to_the_same_as_one_process(
    bulkbind, state, tmp_path, rows, serve, database, live
):
    wanted = [row for _, row in rows]
    plain = ("--set", "plan.batch_size=5", "--state-dir", tmp_path / "plain")
    with serve(wanted, missing=2, unpublished=1) as served:
        path = write_accounts(state.parent, served.url, rows)
        expected = bulkbind("run", path, *plain, "--json")
    (tmp_path / "world.db").unlink()
    with serve(wanted, missing=2, unpublished=1) as served:
        path = write_accounts(state.parent, served.url, rows)
        said = bulkbind("run", path, *many(database), "--json")

    assert said.code == expected.code == 1, said.err
    assert said.json["verdicts"] == expected.json["verdicts"]
    assert lasting(report_of(state)) == lasting(report_of(tmp_path / "plain"))
