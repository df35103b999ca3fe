"""What is bound becomes a manifest that changes nothing; what could be, one to fill in."""

import csv
import gzip
import json
import os
from itertools import product

import pytest

from bulkbind.sandbox import SandboxOptions, parse_weather
from tests.factories import (
    PROJECT,
    RELEASE,
    attach_as_somebody_else,
    binding,
    bindings,
    read_csv,
    write_job,
    write_manifest,
)
from tests.forbidding import forbidding

TYPES = ("cors", "rate_limit", "jwt_auth")


@pytest.fixture(autouse=True)
def reads(live):
    """What runs do by default."""


@pytest.fixture
def rows():
    """Bindings of three types, in two environments, on two gateways."""
    places = product(range(2), TYPES, (RELEASE, "staging"))
    return [
        binding(no, gateway=gateway, plugin=plugin, env=env)
        for gateway, plugin, env in places
        for no in range(10)
    ]


@pytest.fixture
def served(bulkbind, folder, serve, remote, rows):
    """Serve gateways on which all of it is bound."""
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows) as served:
        assert bulkbind("run", manifest, *remote(served)).code == 0
        served.forget()
        yield served


def at(served):
    return "--endpoint", served.url, "--project-id", PROJECT, "--rate", "unlimited"


def weather(text):
    return SandboxOptions(weather=parse_weather(text))


def bound_by(exported):
    return {
        tuple(row[c] for c in ("instance_id", "env_id", "api_id", "plugin_id"))
        for row in exported
    }


# --- bindings -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["live.csv", "live.jsonl", "live.csv.gz"])
def test_a_plan_calls_every_row_of_an_export_unchanged(bulkbind, served, rows, name):
    said = bulkbind("export", *at(served), "-o", name)
    plan = bulkbind("plan", name, "--live", *at(served), "--json")

    assert said.code == 0, said.err
    assert f"{len(rows)} bindings of 2 gateways in {name}" in said.out
    assert plan.code == 0, plan.err
    assert plan.json["judged"]["unchanged"] == plan.json["rows"] == len(rows)
    assert plan.json["requests"] == plan.json["extra"] == 0


def test_an_export_has_every_binding_with_its_type_and_names(
    bulkbind, folder, served, rows
):
    bulkbind("export", *at(served), "-o", "live.csv")

    exported = read_csv(folder / "live.csv")
    assert bound_by(exported) == served.bound == {row.bound for row in rows}
    types = {row["plugin_id"]: row["plugin_type"] for row in exported}
    assert types == {row.plugin_id: row.plugin_type for row in rows}
    names = {(row["env_id"], row["env_name"]) for row in exported}
    assert names == {(RELEASE, "RELEASE"), ("staging", "env_staging")}
    assert {row["plugin_name"] for row in exported} == {
        f"plugin_{row.plugin_id}" for row in rows
    }


def test_the_same_world_is_the_same_bytes(bulkbind, folder, served):
    for name in ("a.csv", "b.csv", "a.csv.gz", "b.csv.gz", "a.jsonl"):
        assert bulkbind("export", *at(served), "-o", name).code == 0

    plain, packed = (folder / "a.csv").read_bytes(), (folder / "a.csv.gz").read_bytes()
    assert plain == (folder / "b.csv").read_bytes()
    assert packed == (folder / "b.csv.gz").read_bytes()
    assert gzip.decompress(packed) == plain
    lines = (folder / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == read_csv(folder / "a.csv")


def test_an_export_reads_a_list_per_plug_in_and_sends_nothing(bulkbind, served):
    before = served.requests

    said = bulkbind("export", *at(served), "-o", "live.csv", "--json")

    asked = served.requests - before
    assert asked == {"instances": 1, "plugins": 2, "envs": 2, "attached_apis": 6}
    assert said.json["reads"] == asked.total()
    assert not served.journal


def test_a_job_gives_the_account_and_its_manifest_the_gateways(
    bulkbind, folder, served, rows
):
    first = [row for row in rows if row.instance_id == rows[0].instance_id]
    write_manifest(folder / "apis.csv", first[:1])
    account = f'[account]\nendpoint = "{served.url}"\nproject_id = "{PROJECT}"\n'
    job = write_job(folder / "job.toml", account)

    said = bulkbind("export", job, "-o", "live.csv")

    assert said.code == 0, said.err
    assert bound_by(read_csv(folder / "live.csv")) == {row.bound for row in first}


def test_a_job_without_a_manifest_means_every_gateway(bulkbind, folder, served, rows):
    job = folder / "account.toml"
    job.write_text(
        f'[account]\nendpoint = "{served.url}"\nproject_id = "{PROJECT}"\n',
        encoding="utf-8",
    )

    said = bulkbind("export", job, "-o", "live.csv", "--json")

    assert said.code == 0, said.err
    assert (said.json["rows"], said.json["gateways"]) == (len(rows), 2)


def test_a_gateway_that_two_accounts_see_is_counted_once(
    bulkbind, folder, served, rows, monkeypatch
):
    monkeypatch.setenv("PAY_TOKEN", os.environ["BULKBIND_TOKEN"])
    seen = f'endpoint = "{served.url}"\nproject_id = "{PROJECT}"\n'
    job = folder / "accounts.toml"
    job.write_text(
        f'[account]\n{seen}[accounts.pay]\n{seen}credential = "env:PAY_"\n',
        encoding="utf-8",
    )

    said = bulkbind("export", job, "-o", "live.csv", "--json")

    assert said.code == 0, said.err
    assert (said.json["rows"], said.json["gateways"]) == (2 * len(rows), 2)


def test_a_gateway_may_be_named(bulkbind, folder, served, rows):
    instance_id = rows[0].instance_id
    manifest = folder / "names.csv"
    manifest.write_text(
        "instance_name,plugin_id,env_id,api_id\n"
        f"apig_{instance_id},{rows[0].plugin_id},{RELEASE},{rows[0].api_id}\n",
        encoding="utf-8",
    )

    said = bulkbind("export", manifest, *at(served), "-o", "live.csv")

    assert said.code == 0, said.err
    found = {row["instance_id"] for row in read_csv(folder / "live.csv")}
    assert found == {instance_id}


def test_the_sandbox_exports_its_own_world(bulkbind, folder, rows):
    manifest = write_manifest(folder / "apis.csv", rows)
    here = ("--endpoint", "sandbox", "--rate", "unlimited")
    assert bulkbind("run", manifest, *here).code == 0

    said = bulkbind("export", *here, "-o", "live.csv")
    plan = bulkbind("plan", "live.csv", "--live", *here, "--json")

    assert said.code == 0, said.err
    assert plan.json["judged"]["unchanged"] == len(rows)


def test_a_binding_that_was_replaced_is_exported_as_what_it_is_now(
    bulkbind, folder, served, rows
):
    other = rows[0]._replace(plugin_id=binding(0, plugin="second").plugin_id)
    served.add([other])
    assert attach_as_somebody_else(served, other) == 201

    bulkbind("export", *at(served), "-o", "live.csv")

    assert bound_by(read_csv(folder / "live.csv")) == served.bound
    assert other.bound in served.bound


# --- chosen rows ----------------------------------------------------------------------


def test_only_what_is_chosen_is_read_and_written(bulkbind, folder, served, rows):
    chosen = [
        row
        for row in rows
        if row.plugin_type == "cors" and row.instance_id == rows[0].instance_id
    ]
    before = served.requests
    only = (
        "--only",
        "plugin_type=cors",
        "--only",
        f"instance_id={rows[0].instance_id}",
    )

    said = bulkbind("export", *at(served), *only, "-o", "live.csv")

    assert said.code == 0, said.err
    assert bound_by(read_csv(folder / "live.csv")) == {row.bound for row in chosen}
    assert (served.requests - before)["attached_apis"] == 1


@pytest.mark.parametrize("only", ["plugin_type=none", "owner=team-1"])
def test_a_filter_that_fits_nothing_writes_nothing(bulkbind, folder, served, only):
    said = bulkbind("export", *at(served), "--only", only, "-o", "live.csv")

    assert said.code == 2
    assert "--only" in said.err
    assert [path.name for path in folder.glob("*live*")] == []


# --- published APIs -------------------------------------------------------------------


def test_every_published_api_becomes_a_row_to_fill_in(bulkbind, folder, served, rows):
    said = bulkbind("export", *at(served), "--apis", "-o", "open.csv")

    assert said.code == 0, said.err
    assert "plugin_id is empty in every row" in said.err
    exported = read_csv(folder / "open.csv")
    published = {(row.instance_id, row.env_id, row.api_id) for row in rows}
    found = [(row["instance_id"], row["env_id"], row["api_id"]) for row in exported]
    assert set(found) == published
    assert len(found) == len(published)
    assert {row["plugin_id"] for row in exported} == {""}
    assert exported[0]["api_name"] == f"api_{exported[0]['api_id']}"
    assert exported[0]["api_group"] == "DEFAULT"


def test_it_is_a_fault_until_it_is_filled_in(bulkbind, folder, served):
    bulkbind("export", *at(served), "--apis", "-o", "open.csv")

    said = bulkbind("plan", "open.csv", *at(served))

    assert said.code == 2
    assert "plugin_id: is empty; fill it in" in said.err


def test_one_plug_in_may_be_given_to_all_of_it(bulkbind, folder, served, rows):
    first = rows[0]
    only = ("--only", f"instance_id={first.instance_id}")
    bulkbind("export", *at(served), "--apis", *only, "-o", "open.csv")

    said = bulkbind(
        *("plan", "open.csv", "--live", *at(served), "--json"),
        *("--default", f"plugin_id={first.plugin_id}", "--set", "plan.fill_blank=true"),
    )

    assert said.code == 0, said.err
    assert said.json["judged"]["unchanged"] == said.json["rows"] == 20


def test_a_filled_in_export_runs(bulkbind, folder, served, rows):
    fresh = binding(0, plugin="breaker")
    served.add([fresh])
    bulkbind("export", *at(served), "--apis", "-o", "open.csv")
    exported = read_csv(folder / "open.csv")[:5]
    with (folder / "filled.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, exported[0].keys())
        writer.writeheader()
        writer.writerows(
            {**row, "plugin_id": fresh.plugin_id, "plugin_type": "breaker"}
            for row in exported
        )

    said = bulkbind("run", "filled.csv", *at(served), "--json")

    assert said.code == 0, said.err
    assert said.json["verdicts"]["bound"] == 5


# --- what cannot be read --------------------------------------------------------------


def test_a_gateway_that_cannot_be_read_is_missing_loudly(
    bulkbind, folder, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))
        port = served.port
    gone = rows[0].instance_id
    with serve((), port=port, options=weather(f"away=0s@{gone}")) as served:
        said = bulkbind("export", *at(served), "-o", "live.csv", "--json")

    assert said.code == 3
    assert "NOT COMPLETE" in said.err
    assert list(said.json["unread_gateways"]) == [f"127.0.0.1:{port}/{gone}"]
    assert said.json["complete"] is False
    left = {row.bound for row in rows if row.instance_id != gone}
    assert bound_by(read_csv(folder / "live.csv")) == left


@pytest.mark.parametrize("lie", ["repeated_page=1", "moving_total=1", "read_lost=1"])
def test_when_nothing_can_be_read_an_older_export_stays(
    bulkbind, folder, serve, remote, lie
):
    rows = bindings(600)
    (folder / "live.csv").write_text("mine", encoding="utf-8")
    with serve(rows, options=weather(lie)) as served:
        tries = ("--set", "retry.max_attempts=1")
        said = bulkbind(*("export", *at(served), *tries, "--apis", "-o", "live.csv"))

    assert said.code == 3
    assert "nothing could be read, and nothing was written" in said.err
    assert (folder / "live.csv").read_text(encoding="utf-8") == "mine"


LISTS = {
    "/instances?": "apig:instance:list",
    "/plugins?": "apig:plugin:list",
    "/attached-apis?": "apig:plugin:listBoundApi",
}


@pytest.mark.parametrize(("path", "right"), LISTS.items())
def test_a_missing_right_is_named_and_what_works_without_it(
    bulkbind, folder, served, path, right
):
    with forbidding(served.port, lambda asked: path in asked) as url:
        said = bulkbind(
            *("export", "--endpoint", url, "--project-id", PROJECT),
            *("--rate", "unlimited", "-o", "live.csv"),
        )

    assert said.code == 2
    assert right in said.err
    assert "still work" in said.err
    assert not (folder / "live.csv").exists()


def test_without_the_right_to_list_bindings_apis_are_exported_still(
    bulkbind, folder, served
):
    with forbidding(served.port, lambda asked: "/attached-apis" in asked) as url:
        said = bulkbind(
            *("export", "--apis", "--endpoint", url, "--project-id", PROJECT),
            *("--rate", "unlimited", "-o", "open.csv"),
        )

    assert said.code == 0, said.err


def test_what_a_killed_export_left_is_removed_by_the_next(bulkbind, folder, served):
    left = folder / ".live.csv.4194305-abcdefgh"
    left.touch()
    bulkbind("export", *at(served), "-o", "live.csv")

    assert not left.exists()


# --- what is asked wrongly ------------------------------------------------------------


@pytest.mark.parametrize("name", ["live", "live.txt", "live.gz", "live.parquet"])
def test_a_file_whose_name_says_no_format_is_refused(bulkbind, served, name):
    before = served.requests.total()

    said = bulkbind("export", *at(served), "-o", name)

    assert said.code == 2
    assert ".csv or .jsonl" in said.err
    assert served.requests.total() == before


def test_a_folder_that_is_not_there_is_found_out_before_anything_is_read(
    bulkbind, served
):
    before = served.requests.total()

    said = bulkbind("export", *at(served), "-o", "nowhere/live.csv")

    assert said.code == 2
    assert "nowhere/live.csv cannot be written" in said.err
    assert served.requests.total() == before


def test_gateways_cannot_be_found_without_a_project(bulkbind, served):
    said = bulkbind("export", "--endpoint", served.url, "-o", "live.csv")

    assert said.code == 2
    assert "no project_id" in said.err


def test_without_a_credential_nothing_is_asked(bulkbind, served, monkeypatch):
    monkeypatch.delenv("BULKBIND_TOKEN")
    before = served.requests.total()

    assert bulkbind("export", *at(served), "-o", "live.csv").code == 2
    assert served.requests.total() == before
