"""The seam: accounts of a run in a database, worked one by one, by whoever likes."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from bulkbind.errors import (
    CredentialsMissing,
    JobBusy,
    JobHeld,
    RefusedForSafety,
    SettingsError,
)
from bulkbind.job.accounts import (
    Came,
    approve,
    finish,
    judge_account,
    list_accounts,
    run_account,
)
from bulkbind.job.sharing import share_run
from bulkbind.settings import Overrides, load_job
from bulkbind.state.folders import StateFolder, locate_state
from tests.cluster.accounts import environ_of, rows_of_accounts, write_accounts
from tests.factories import attach_as_somebody_else, lasting, report_of, runs_in

ACCOUNTS = 3


@pytest.fixture
def rows(monkeypatch):
    for name, value in environ_of(ACCOUNTS).items():
        monkeypatch.setenv(name, value)
    return rows_of_accounts(ACCOUNTS, 40)


@pytest.fixture
def plan(state, database):
    """Plan a job and put it into the database."""

    def make(path, **values):
        values = {"cluster.ledger": database, "plan.batch_size": "5", **values}
        settings = load_job(path, Overrides(values=values), environ=os.environ)
        states = locate_state(given=state, environ={}, base=None)
        return share_run(settings, states), states

    return make


def test_a_job_without_a_database_is_not_shared(folder, state, serve, rows):
    with serve() as served:
        path = write_accounts(folder, served.url, rows)
    settings = load_job(path, Overrides(), environ={})

    with pytest.raises(SettingsError, match=r"cluster\.ledger"):
        share_run(settings, StateFolder(state))
    assert not state.exists()


def test_a_job_on_hold_is_not_planned(folder, bulkbind, state, serve, rows, plan):
    with serve() as served:
        path = write_accounts(folder, served.url, rows)
    assert bulkbind("pause", path).code == 0

    with pytest.raises(JobHeld):
        plan(path)
    assert runs_in(state) == []


def work(run, states):
    for account in (accounts := list_accounts(run)):
        judge_account(run, account)
    approve(run)
    came = [run_account(run, account).came for account in accounts]
    assert came == [Came.DONE] * len(accounts)
    return finish(run, states)


@pytest.fixture(params=["false", "true"])
def reads(request, monkeypatch):
    """Blind, and looking first."""
    monkeypatch.setenv("BULKBIND_SAFETY_LIVE", request.param)


def test_accounts_come_to_the_same_as_a_plain_run(
    bulkbind, state, tmp_path, rows, serve, plan, reads
):
    folder, wanted = state.parent, [row for _, row in rows]
    plain = ("--set", "plan.batch_size=5", "--state-dir", tmp_path / "plain")
    with serve(wanted, missing=2, unpublished=1) as served:
        path = write_accounts(folder, served.url, rows)
        expected = bulkbind("run", path, *plain, "--json")
    (tmp_path / "world.db").unlink()
    with serve(wanted, missing=2, unpublished=1) as served:
        path = write_accounts(folder, served.url, rows)
        reported = work(*plan(path))

    assert expected.code == reported.summary.exit_code == 1
    assert dict(reported.summary.verdicts) == {
        **dict.fromkeys(reported.summary.verdicts, 0),
        **expected.json["verdicts"],
    }
    assert lasting(report_of(state)) == lasting(report_of(tmp_path / "plain"))


def test_nothing_is_sent_before_all_was_approved(
    folder, rows, serve, plan, live, monkeypatch
):
    monkeypatch.setenv("BULKBIND_SAFETY_ON_REPLACE", "allow")
    with serve([row for _, row in rows]) as served:
        other = rows[0][1]._replace(plugin_id="f" * 32)
        served.add([other])
        assert attach_as_somebody_else(served, other) == 201
        served.forget()
        path = write_accounts(folder, served.url, rows)
        run, _ = plan(path, **{"safety.max_replace": "0"})
        accounts = list_accounts(run)
        with pytest.raises(RefusedForSafety, match="not approved"):
            run_account(run, accounts[0])
        for account in accounts:
            judge_account(run, account)
        with pytest.raises(RefusedForSafety, match="1 bindings would displace"):
            approve(run)
        with pytest.raises(RefusedForSafety, match="not approved"):
            run_account(run, accounts[0])

        assert not served.journal


def test_a_worker_needs_the_credential_of_its_account_only(
    folder, rows, serve, plan, monkeypatch
):
    with serve([row for _, row in rows]) as served:
        run, _ = plan(write_accounts(folder, served.url, rows))
        accounts = list_accounts(run)
        approve(run)
        monkeypatch.delenv("TEAM1_TOKEN")
        monkeypatch.delenv("TEAM2_TOKEN")

        assert run_account(run, accounts[0]).came is Came.DONE
        with pytest.raises(CredentialsMissing, match="team1"):
            run_account(run, accounts[1])


def test_accounts_are_worked_side_by_side_and_each_by_one(folder, rows, serve, plan):
    with serve([row for _, row in rows]) as served:
        run, states = plan(write_accounts(folder, served.url, rows))
        accounts = list_accounts(run) * 2
        approve(run)

        def attempt(account):
            try:
                return run_account(run, account).came
            except JobBusy:
                return "busy"

        with ThreadPoolExecutor(len(accounts)) as pool:
            came = list(pool.map(attempt, accounts))
        sent = [entry.ids for entry in served.journal if entry.status == 201]
        reported = finish(run, states)

        assert served.bound == {row.bound for _, row in rows}
    assert came.count(Came.DONE) >= ACCOUNTS
    assert len(sent) == len(set(sent)) == len(rows) // 5
    assert reported.summary.exit_code == 0
