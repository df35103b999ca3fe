"""Errors, lost answers, limits, refused credentials: nothing untrue is ever told."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    PATIENCE_S,
    Door,
    attach_as_somebody_else,
    binding,
    bindings,
    latest,
    report_of,
    slot_of,
    started,
    until,
    verdicts_of,
    write_manifest,
)

FAULTS = ("error_before", "error_after", "lost_before", "lost_after")

#: So that an outage is given up on soon.
FEW_TRIES = ("--set", "retry.max_attempts=2")


@pytest.fixture
def rows():
    return bindings(3000, gateways=3)


def failing(fault, share):
    """Make gateways at which a share of the requests meets a fault."""
    shares: dict[str, Any] = {fault: share}
    return SandboxOptions(**shares, seed=11)


def assert_true(report, bound):
    """Hold a report against the world: what it claims, holds."""
    for row in report:
        if row["verdict"] == "bound":
            assert slot_of(row) in bound
        elif row["verdict"] in {"failed", "not_sent"}:
            assert slot_of(row) not in bound
        else:
            assert row["verdict"] == "unconfirmed"


@pytest.mark.parametrize("fault", FAULTS)
def test_now_and_then_a_fault_is_got_over(
    bulkbind, folder, state, serve, remote, rows, fault
):
    manifest = write_manifest(folder / "apis.csv", rows)
    options = failing(fault, 0.3)

    with serve(rows, options=options) as served:
        said = bulkbind(
            *("run", manifest, *remote(served), "--json"),
            *("--set", "retry.max_attempts=20", "--set", "plan.batch_size=250"),
        )
        faults, bound = served.sandbox.counters.faults, served.bound
        sent = len(served.journal)

    assert faults[fault] > 0
    assert said.code == 0, said.err
    assert said.json["verdicts"]["bound"] == len(rows)
    assert said.json["requests"]["sent"] == sent
    assert said.json["requests"]["retries"] == faults[fault]
    assert bound == {row.bound for row in rows}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_gateway_that_always_fails_leaves_rows_unconfirmed_and_not_failed(
    bulkbind, folder, state, serve, remote, rows, fault
):
    manifest = write_manifest(folder / "apis.csv", rows)
    options = failing(fault, 1.0)

    with serve(rows, options=options) as served:
        said = bulkbind("run", manifest, *remote(served), *FEW_TRIES, "--json")
        bound = served.bound
        posted = {i for entry in served.journal for i in entry.ids}

    assert said.code in {1, 3}
    verdicts = said.json["verdicts"]
    assert verdicts["failed"] == verdicts["bound"] == 0
    assert verdicts["unconfirmed"] == len(posted)
    assert said.json["state"] == "stopped"
    report = report_of(state)
    assert_true(report, bound)
    unsure = [row for row in report if row["verdict"] == "unconfirmed"]
    assert {row["cause"] for row in unsure} == {"outage"}
    assert all(row["error_code"] and row["advice"] for row in unsure)
    assert {row["http_status"] for row in unsure} == (
        {"500"} if fault.startswith("error") else {""}
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_resume_after_an_outage_makes_everything_certain(
    bulkbind, folder, state, serve, remote, rows, fault
):
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows, options=failing(fault, 0.9)) as served:
        bulkbind("run", manifest, *remote(served), *FEW_TRIES)
        assert_true(report_of(state), served.bound)
        port = served.port
    with serve(rows, port=port) as served:  # the same gateways, well again
        said = bulkbind("resume", "latest", "--failed", "--json")

        assert served.bound == {row.bound for row in rows}
    assert said.code == 0
    assert said.json["verdicts"]["bound"] == len(rows)
    assert said.json["state"] == "finished"


def test_a_limit_of_the_gateway_slows_the_run_and_fails_nothing(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(40, gateways=3)
    manifest = write_manifest(folder / "apis.csv", rows)
    options = SandboxOptions(rate=(25, 1.0))

    with serve(rows, options=options) as served:
        said = bulkbind(
            "run", manifest, *remote(served), "--set", "plan.batch_size=1", "--json"
        )
        refused = served.requests["throttled"]

    assert refused > 0
    assert said.code == 0
    assert said.json["verdicts"]["bound"] == 40
    assert said.json["requests"]["sent"] == 40 + refused
    assert said.json["requests"]["retries"] == refused


def test_a_refused_token_stops_the_account_after_one_request_per_lane(
    bulkbind, folder, state, serve, remote, rows, monkeypatch
):
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        monkeypatch.setenv("BULKBIND_TOKEN", "stale")
        said = bulkbind("run", manifest, *remote(served), "--json")
        asked, journal = served.requests["unauthorized"], served.journal

    assert said.code == 3
    assert 1 <= asked <= 3
    assert not journal
    assert said.json["verdicts"]["not_sent"] == len(rows)
    report = report_of(state)
    assert {(row["cause"], row["error_code"]) for row in report} == {
        ("account", "APIG.1002")
    }
    assert all("token" in row["advice"] for row in report)
    assert "stale" not in said.out + said.err
    assert not [
        p
        for p in latest(state).rglob("*")
        if p.is_file() and b"stale" in p.read_bytes()
    ]


def test_a_token_that_ends_in_the_middle_is_renewed_by_resume(
    bulkbind, folder, state, serve, remote, rows, monkeypatch
):
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        monkeypatch.setenv("BULKBIND_TOKEN", "stale")
        bulkbind("run", manifest, *remote(served))
        monkeypatch.setenv("BULKBIND_TOKEN", "sandbox")
        said = bulkbind("resume", "latest", "--json")

        assert served.bound == {row.bound for row in rows}
        assert len(served.journal) == 6
    assert said.code == 0
    assert said.json["verdicts"]["bound"] == len(rows)
    assert said.json["credential"] == "env:BULKBIND_TOKEN"


def test_resume_without_a_token_sends_nothing_and_says_so(
    bulkbind, folder, state, serve, remote, rows, monkeypatch
):
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        monkeypatch.setenv("BULKBIND_TOKEN", "stale")
        bulkbind("run", manifest, *remote(served))
        monkeypatch.delenv("BULKBIND_TOKEN")
        before = served.requests
        said = bulkbind("resume", "latest")

        assert served.requests == before
    assert said.code == 2
    assert "BULKBIND_TOKEN" in said.err


@contextmanager
def somebody_at(served, door, one):
    """While the block runs, somebody else's change is under way on a gateway."""
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(attach_as_somebody_else, served, one)
        until(lambda: served.requests["attach_apis"] == 1)
        with door:
            yield
        assert theirs.result(PATIENCE_S) == 201


def test_a_busy_gateway_is_waited_for_and_nothing_fails(folder, state, serve, remote):
    rows, theirs = bindings(40), binding(99)
    manifest = write_manifest(folder / "apis.csv", rows)
    door = Door()

    with (
        serve([*rows, theirs], clock=door.clock) as served,
        somebody_at(served, door, theirs),
        started("run", manifest, *remote(served), folder=folder) as process,
    ):
        until(lambda: len(served.journal) >= 2, alive=process)
        door.open()
        said = process.wait()
        journal = served.journal

    assert said.code == 0, said.err
    assert [entry.status for entry in journal[:2]] == [500, 500]
    assert journal[-1].status == 201
    assert verdicts_of(state) == {"bound": 40}


def test_a_gateway_busy_for_too_long_is_parked(bulkbind, folder, state, serve, remote):
    rows, theirs = bindings(10), binding(99)
    manifest = write_manifest(folder / "apis.csv", rows)
    door = Door()

    with (
        serve([*rows, theirs], clock=door.clock) as served,
        somebody_at(served, door, theirs),
    ):
        said = bulkbind(
            *("run", manifest, *remote(served)),
            *("--set", "retry.busy_timeout=0", "--set", "plan.batch_size=5"),
        )
        assert_true(report_of(state), served.bound)

    # what was sent may be stored although the answer said busy; the rest was not sent
    assert said.code == 3
    report = report_of(state)
    verdicts = [row["verdict"] for row in report]
    assert verdicts == ["unconfirmed"] * 5 + ["not_sent"] * 5
    assert {row["error_code"] for row in report[5:]} == {"BULKBIND.BUSY_TOO_LONG"}
    assert {row["cause"] for row in report[5:]} == {"gateway"}
