"""Names and selectors in a manifest are resolved by asking the gateway, and pinned."""

import csv

import pytest

from tests.factories import RELEASE, bindings, hex_id, report_of

HEADER = ("instance_name", "plugin_name", "env_name", "apis", "owner")


@pytest.fixture(autouse=True)
def reads(live):
    """What runs do by default."""


def write_rows(path, *rows, header=HEADER):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def named(row, apis="*"):
    """A row that says the same by the sandbox's names."""
    return (
        f"apig_{row.instance_id}",
        f"plugin_{row.plugin_id}",
        "RELEASE",
        apis,
        "team",
    )


@pytest.mark.parametrize("selector", ["*", "group:DEFAULT"])
def test_a_selector_becomes_a_row_for_each_api(
    bulkbind, folder, state, serve, remote, selector
):
    rows = bindings(30)
    manifest = write_rows(folder / "apis.csv", named(rows[0], selector))

    with serve(rows, unpublished=3) as served:
        said = bulkbind("run", manifest, *remote(served), "--json")
        planted, bound = served.planted, served.bound

    assert said.code == 0
    assert said.json["rows"] == 27
    report = report_of(state)
    assert {row["api_id"] for row in report} == {r.api_id for r in rows} - planted
    assert {(row["line"], row["env_id"], row["owner"]) for row in report} == {
        ("2", RELEASE, "team")
    }
    assert {slot[2] for slot in bound} == {r.api_id for r in rows} - planted


def test_names_beside_api_ids(bulkbind, folder, state, serve, remote):
    rows = bindings(4, gateways=2)
    header = ("instance_name", "plugin_name", "env_id", "api_id")
    lines = [(*named(row)[:2], row.env_id, row.api_id) for row in rows]
    manifest = write_rows(folder / "apis.csv", *lines, header=header)

    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served))
        bound = served.bound

    assert said.code == 0
    assert bound == {row.bound for row in rows}


def test_names_in_json(bulkbind, folder, serve, remote):
    row = bindings(1)[0]
    manifest = folder / "apis.json"
    manifest.write_text(
        f'[{{"instance_id": "{row.instance_id}", "plugin_name":'
        f' "plugin_{row.plugin_id}", "env_name": "RELEASE",'
        f' "api_ids": ["{row.api_id}"]}}]'
    )

    with serve([row]) as served:
        said = bulkbind("run", manifest, *remote(served))
        bound = served.bound

    assert said.code == 0
    assert bound == {row.bound}


@pytest.mark.parametrize(
    ("at", "text", "words"),
    [
        (0, "apig_nowhere", "instance_name 'apig_nowhere' is not there"),
        (1, "plugin_other", "plugin_name 'plugin_other' is not there"),
        (2, "RELEASED", "did you mean 'RELEASE'?"),
        (3, "group:OTHER", "means no API; there are 'DEFAULT'"),
        (3, "tag:x", "means no API; there are none"),
        (3, "everything", "write group:NAME, tag:NAME, or *"),
        (1, "", "plugin_name is empty"),
    ],
)
def test_a_name_that_means_nothing_is_a_fault_of_its_line(
    bulkbind, folder, serve, remote, at, text, words
):
    row = list(named(bindings(1)[0]))
    row[at] = text
    manifest = write_rows(folder / "apis.csv", row)

    with serve(bindings(3)) as served:
        said = bulkbind("run", manifest, *remote(served))
        sent = served.journal

    assert said.code == 2
    assert "apis.csv:2" in said.err
    assert words in said.err
    assert not sent


def test_an_offline_plan_counts_names_and_has_no_digest(bulkbind, folder):
    manifest = write_rows(folder / "apis.csv", named(bindings(1)[0]))

    said = bulkbind("plan", manifest, "--json")

    assert said.code == 0
    assert said.json["unresolved"] == 1
    assert said.json["digest"] == ""
    assert "plan --live" in said.err


def test_an_offline_plan_of_names_cannot_be_saved(bulkbind, folder):
    manifest = write_rows(folder / "apis.csv", named(bindings(1)[0]))

    said = bulkbind("plan", manifest, "--offline", "-o", "it.plan")

    assert said.code == 2
    assert "plan with --live" in said.err


def test_a_live_plan_of_names_is_that_of_the_ids(bulkbind, folder, serve, remote):
    rows = bindings(5)
    by_name = write_rows(folder / "names.csv", named(rows[0]))

    with serve(rows) as served:
        said = bulkbind("plan", by_name, "--live", *remote(served), "--json")

    assert said.json["judged"]["bind"] == 5
    assert said.json["targets"][0]["plugin_id"] == rows[0].plugin_id
    assert said.json["digest"].startswith("v1:")


def test_names_from_standard_input_are_refused(
    bulkbind, folder, serve, remote, monkeypatch
):
    manifest = write_rows(folder / "apis.csv", named(bindings(1)[0]))

    with serve(bindings(1)) as served, manifest.open(encoding="utf-8") as text:
        monkeypatch.setattr("sys.stdin", text)
        said = bulkbind("plan", "-", "--live", *remote(served))

    assert said.code == 2
    assert "save it as a file" in said.err


def test_only_knows_names(bulkbind, folder, serve, remote):
    rows = bindings(4, gateways=2)
    manifest = write_rows(folder / "apis.csv", named(rows[0]), named(rows[1]))
    wanted = f"instance_name=apig_{hex_id('gateway', 1)}"

    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served), "--only", wanted)
        bound = served.bound

    assert said.code == 0
    assert bound == {row.bound for row in rows[1::2]}
