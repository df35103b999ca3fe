"""Several accounts in one manifest: each with its endpoint, credential and pace."""

import csv
import json
import sys

import pytest

from bulkbind.sandbox import SandboxOptions
from bulkbind.sandbox.records import plugin_scope
from bulkbind.sandbox.world import Plugin
from tests.factories import (
    PROJECT,
    bindings,
    gateways,
    report_of,
    runs_in,
    write_manifest,
)


@pytest.fixture(autouse=True)
def reads(live):
    """What runs do by default."""


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Serve two accounts' gateways, each of which takes its own token only."""
    mine, theirs = bindings(30), bindings(60, gateways=3)
    monkeypatch.setenv("BULKBIND_TOKEN", "token-of-mine")
    monkeypatch.setenv("PAY_TOKEN", "token-of-theirs")
    options = [SandboxOptions(token=f"token-of-{who}") for who in ("mine", "theirs")]
    with (
        gateways(tmp_path / "mine.db", mine, options=options[0]) as one,
        gateways(tmp_path / "theirs.db", theirs, options=options[1]) as other,
    ):
        yield (one, mine), (other, theirs)


def write_job(folder, two, *, rate=""):
    (one, mine), (other, theirs) = two
    with (folder / "apis.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(
            ("account", "instance_id", "plugin_id", "plugin_type", "env_id", "api_id")
        )
        lines.writerows(("default", *row[:5]) for row in mine)
        lines.writerows(("pay", *row[:5]) for row in theirs)
    (folder / "job.toml").write_text(
        'manifest = "apis.csv"\n[pace]\nrate = "unlimited"\n'
        f'[account]\nendpoint = "{one.url}"\nproject_id = "{PROJECT}"\n'
        f'[accounts.pay]\nendpoint = "{other.url}"\nproject_id = "{PROJECT}"\n'
        f'credential = "env:PAY_"\n{rate}'
    )
    return folder / "job.toml"


def verdicts_by_account(state):
    found: dict[str, set[tuple[str, str]]] = {}
    for row in report_of(state):
        found.setdefault(row["account"], set()).add((row["verdict"], row["cause"]))
    return found


def test_each_account_has_its_own_endpoint_and_credential(bulkbind, folder, two):
    (one, mine), (other, theirs) = two

    said = bulkbind("run", write_job(folder, two), "--json")

    assert said.code == 0
    assert one.bound == {row.bound for row in mine}
    assert other.bound == {row.bound for row in theirs}
    assert "token-of" not in said.out + said.err


def test_a_refused_account_stops_and_the_other_finishes(
    bulkbind, folder, state, two, monkeypatch
):
    (one, mine), (other, theirs) = two
    job = write_job(folder, two)

    monkeypatch.setenv("PAY_TOKEN", "wrong")
    said = bulkbind("run", job)
    asked = other.requests.total()
    monkeypatch.setenv("PAY_TOKEN", "token-of-theirs")
    resumed = bulkbind("resume", "latest")

    assert said.code == 3
    assert asked <= 2
    assert one.bound == {row.bound for row in mine}
    assert resumed.code == 0
    assert other.bound == {row.bound for row in theirs}
    assert verdicts_by_account(state) == {
        "default": {("bound", "")},
        "pay": {("bound", "")},
    }


def test_rows_of_a_refused_account_are_not_sent_and_say_so(
    bulkbind, folder, state, two, monkeypatch
):
    job = write_job(folder, two)

    monkeypatch.setenv("PAY_TOKEN", "wrong")
    bulkbind("run", job)

    assert verdicts_by_account(state) == {
        "default": {("bound", "")},
        "pay": {("not_sent", "account")},
    }


def test_a_missing_credential_of_any_account_ends_before_the_first_request(
    bulkbind, folder, state, two, monkeypatch
):
    (one, _), (other, _) = two
    job = write_job(folder, two)

    monkeypatch.delenv("PAY_TOKEN")
    said = bulkbind("run", job)

    assert said.code == 2
    assert "'pay'" in said.err
    assert not one.requests
    assert not other.requests
    assert runs_in(state) == []


def test_an_unknown_account_is_a_fault_of_its_line(bulkbind, folder, two):
    job = write_job(folder, two)
    text = (folder / "apis.csv").read_text()
    (folder / "apis.csv").write_text(text.replace("pay,", "shop,", 1))

    said = bulkbind("run", job)

    assert said.code == 2
    assert '"shop" is not an account of this job; known are' in said.err


def test_a_project_may_come_with_the_credential(bulkbind, folder, state, two):
    (one, mine), _ = two
    printed = json.dumps({"token": "token-of-mine", "project_id": PROJECT})
    command = json.dumps([sys.executable, "-c", f"print({printed!r})"])
    with (folder / "apis.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("instance_id", "plugin_id", "plugin_type", "env_id", "api_id"))
        lines.writerows(row[:5] for row in mine)
    (folder / "job.toml").write_text(
        'manifest = "apis.csv"\n[defaults]\naccount = "shop"\n'
        f'[accounts.shop]\nendpoint = "{one.url}"\ncredential_command = {command}\n'
    )

    said = bulkbind("run", "job.toml", "--rate", "unlimited")

    assert said.code == 0
    assert one.bound == {row.bound for row in mine}
    assert {row["project_id"] for row in report_of(state)} == {PROJECT}


def test_roma_connect_is_worked_by_its_own_paths(
    bulkbind, folder, state, serve, remote, monkeypatch
):
    monkeypatch.setenv("BULKBIND_SAFETY_LIVE", "true")
    monkeypatch.setenv("BULKBIND_SAFETY_ON_REPLACE", "stop")
    rows = bindings(20, gateways=2)
    manifest = write_manifest(folder / "apis.csv", rows)
    roma = ("--set", "account.product=roma")

    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served), *roma)
        checked = bulkbind("verify", "latest")
        bound = set(served.bound)
        undone = bulkbind("undo", "latest", "--no-hold")

        assert served.bound == set()
        products = {seen.path["product"] for seen in served.journal}
    assert said.code == checked.code == undone.code == 0, said.err
    assert bound == {row.bound for row in rows}
    assert products == {"apic"}


def test_plugins_of_an_app_of_roma_connect_are_found_by_name_and_bound(
    bulkbind, folder, state, serve, remote, monkeypatch
):
    rows = bindings(240, gateways=4)
    plugins = {row.plugin_id for row in rows}
    scopes = {plugin_scope(Plugin(0, one, "cors"), product="apic") for one in plugins}
    header = ("instance_id", "plugin_name", "env_id", "api_id")
    with (folder / "apis.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(header)
        lines.writerows(
            (row.instance_id, f"plugin_{row.plugin_id}", row.env_id, row.api_id)
            for row in rows
        )

    with serve(rows) as served:
        said = bulkbind(
            "run", folder / "apis.csv", *remote(served), "--set", "account.product=roma"
        )
        assert served.bound == {row.bound for row in rows}

    assert scopes == {"app", "global"}
    assert said.code == 0, said.err
