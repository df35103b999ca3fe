"""Rows that the gateway refuses: found, told apart, and mended."""

from collections import Counter

import pytest

from tests.factories import (
    attaches_by_gateway,
    binding,
    bindings,
    fewest_requests,
    latest,
    read_csv,
    report_of,
    slot_of,
    verdicts_of,
    write_manifest,
)


@pytest.fixture
def rows():
    """Two gateways, 600 APIs on each: two full requests and two short ones."""
    return bindings(1200, gateways=2)


def test_bad_rows_fail_with_their_own_code_and_the_good_ones_are_bound(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows, missing=4, unpublished=3, seed=5) as served:
        said = bulkbind("run", manifest, *remote(served), "--json")
        journal, bound, planted = served.journal, served.bound, served.planted

    assert said.code == 1
    report = report_of(state)
    failed = [row for row in report if row["verdict"] == "failed"]
    assert {row["api_id"] for row in failed} == planted
    assert {row["cause"] for row in failed} == {"item"}
    # by the gateway's word, or, once its list has been read, by ours
    codes = Counter(row["error_code"] for row in failed)
    assert codes["APIG.3002"] + codes["BULKBIND.API_UNKNOWN"] == 4
    assert codes["APIG.3707"] + codes["BULKBIND.API_UNPUBLISHED"] == 3
    assert said.json["codes"] == codes
    refused = [row for row in failed if row["error_code"].startswith("APIG.")]
    for row in failed:
        assert row["advice"]
    for row in refused:
        assert row["api_id"] in row["error_msg"]
        assert (
            row["http_status"]
            == {"APIG.3002": "404", "APIG.3707": "409"}[row["error_code"]]
        )
    # who is refused by the gateway was asked about alone: no good one is blamed
    alone = {entry.ids[0] for entry in journal if len(entry.ids) == 1}
    assert {row["api_id"] for row in refused} <= alone
    good = [row for row in report if row["verdict"] == "bound"]
    assert len(good) == 1200 - 7
    assert bound == {slot_of(row) for row in good}
    # requests are counted as they were sent, and reading keeps them few
    requests = said.json["requests"]
    assert requests["sent"] == len(journal)
    assert requests["isolation"] == len(journal) - fewest_requests(rows)
    assert requests["reads"] in {2, 4}  # two pages of a gateway's APIs
    assert len(journal) <= fewest_requests(rows) + 7 * 2


def test_a_named_bad_row_costs_two_requests_and_every_attempt_is_counted(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(8)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows, missing=1) as served:
        bulkbind("run", manifest, *remote(served))
        journal = served.journal

    assert [len(e.ids) for e in journal if e.status == 201] == [7]
    assert sorted(len(e.ids) for e in journal if e.status != 201) == [1, 8]
    attempts = Counter(api_id for entry in journal for api_id in entry.ids)
    assert {row["api_id"]: int(row["attempts"]) for row in report_of(state)} == attempts


def test_resume_takes_no_failed_rows_unless_asked(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows, missing=2) as served:
        bulkbind("run", manifest, *remote(served))
        before = len(served.journal)
        said = bulkbind("resume", "latest")

        assert len(served.journal) == before
    assert said.code == 0
    assert "nothing is left to do" in said.err
    assert verdicts_of(state)["failed"] == 2


def test_resume_failed_binds_what_was_mended_meanwhile(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows, missing=3, unpublished=2) as served:
        first = bulkbind("run", manifest, *remote(served))
        before, planted = len(served.journal), served.planted
        served.add(rows)  # the owners add and publish their APIs
        said = bulkbind("resume", "latest", "--failed", "--json")
        journal, bound = served.journal[before:], served.bound

    assert (first.code, said.code) == (1, 0), said.err
    assert said.json["verdicts"]["bound"] == len(rows)
    assert said.json["state"] == "finished"
    # only the failed rows were sent again
    assert {api_id for entry in journal for api_id in entry.ids} == planted
    assert bound == {row.bound for row in rows}
    assert read_csv(latest(state) / "failed.csv") == []


def test_resume_failed_fails_again_what_was_not_mended(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(20)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows, missing=2) as served:
        bulkbind("run", manifest, *remote(served))
        said = bulkbind("resume", "latest", "--failed", "--json")

    assert said.code == 1
    assert said.json["verdicts"]["failed"] == 2
    assert verdicts_of(state) == {"bound": 18, "failed": 2}


def test_failed_csv_runs_as_a_manifest_and_fails_the_same_rows(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows, missing=3, unpublished=2) as served:
        options = remote(served)
        bulkbind("run", manifest, *options)
        first = read_csv(latest(state) / "failed.csv")
        # no job file, no --project-id, no defaults: it stands alone
        again = bulkbind(
            *("run", latest(state) / "failed.csv", "--endpoint", served.url),
            *("--rate", "unlimited", "--state-dir", state, "--json"),
        )
        second = read_csv(latest(state) / "failed.csv")

    assert again.code == 1, again.err
    assert again.json["verdicts"]["invalid"] == 0
    assert again.json["verdicts"]["failed"] == again.json["rows"] == 5
    assert len(first) == 5
    # who said so, the gateway or its list, may differ: the batches are other ones
    keep = (
        *("project_id", "instance_id", "plugin_id", "env_id", "api_id", "owner"),
        "verdict",
    )
    assert all(row["error_code"] and row["advice"] for row in first + second)
    assert [[row[name] for name in keep] for row in first] == [
        [row[name] for name in keep] for row in second
    ]
    assert list(first[0]) == list(second[0])


def test_a_missing_plugin_fails_its_rows_at_once_and_nothing_else(
    bulkbind, folder, state, serve, remote
):
    good = bindings(1100)
    gone = bindings(1100, plugin="jwt_auth")
    manifest = write_manifest(folder / "apis.csv", [*gone, *good])

    with serve(good) as served:  # the world has not heard of the other plug-in
        said = bulkbind("run", manifest, *remote(served), "--json")
        journal, bound = served.journal, served.bound

    assert said.code == 1
    assert said.json["verdicts"]["failed"] == said.json["verdicts"]["bound"] == 1100
    asked = [e for e in journal if e.path["plugin_id"] == gone[0].plugin_id]
    assert len(asked) == 1
    assert len(journal) == 1 + fewest_requests(good)
    failed = [row for row in report_of(state) if row["verdict"] == "failed"]
    assert {row["error_code"] for row in failed} == {"APIG.3068"}
    assert {row["cause"] for row in failed} == {"target"}
    assert bound == {row.bound for row in good}


def test_resume_failed_sends_a_whole_target_once_its_plugin_exists(
    bulkbind, folder, state, serve, remote
):
    good, gone = bindings(10), bindings(700, plugin="jwt_auth")
    manifest = write_manifest(folder / "apis.csv", [*gone, *good])

    with serve(good) as served:
        bulkbind("run", manifest, *remote(served))
        served.add(gone)
        said = bulkbind("resume", "latest", "--failed", "--json")

        assert served.bound == {row.bound for row in [*gone, *good]}
    assert said.code == 0
    assert said.json["verdicts"]["bound"] == 710


def test_a_missing_environment_fails_its_rows_at_once(
    bulkbind, folder, state, serve, remote
):
    good = bindings(30)
    gone = [row._replace(env_id="nowhere") for row in good]
    manifest = write_manifest(folder / "apis.csv", [*gone, *good])

    with serve(good) as served:
        said = bulkbind("run", manifest, *remote(served))
        journal = served.journal

    assert said.code == 1
    assert len(journal) == 2
    failed = [row for row in report_of(state) if row["verdict"] == "failed"]
    assert {(row["error_code"], row["cause"]) for row in failed} == {
        ("APIG.3003", "target")
    }


def test_a_missing_gateway_is_parked_and_the_others_go_on(
    bulkbind, folder, state, serve, remote
):
    good = bindings(1100, gateways=2)
    lost = [binding(no, gateway=9) for no in range(1100)]
    manifest = write_manifest(folder / "apis.csv", [*lost, *good])

    with serve(good) as served:
        said = bulkbind("run", manifest, *remote(served), "--json")
        journal = attaches_by_gateway(served.journal)
        bound = served.bound

    assert said.code == 3
    assert len(journal[lost[0].instance_id]) == 1
    assert said.json["state"] == "stopped"
    assert said.json["verdicts"]["not_sent"] == said.json["verdicts"]["bound"] == 1100
    assert bound == {row.bound for row in good}
    stuck = [row for row in report_of(state) if row["verdict"] == "not_sent"]
    assert {(row["error_code"], row["cause"]) for row in stuck} == {
        ("APIG.3030", "gateway")
    }
    assert all(row["advice"] and row["error_msg"] for row in stuck)
    assert "bulkbind resume" in said.err


def test_resume_goes_on_with_a_gateway_that_came_back(
    bulkbind, folder, state, serve, remote
):
    good = bindings(10)
    lost = [binding(no, gateway=9) for no in range(10)]
    manifest = write_manifest(folder / "apis.csv", [*lost, *good])

    with serve(good) as served:
        bulkbind("run", manifest, *remote(served))
        served.add(lost)
        said = bulkbind("resume", "latest")

        assert served.bound == {row.bound for row in [*lost, *good]}
        assert len(served.journal) == 3
    assert said.code == 0
    assert verdicts_of(state) == {"bound": 20}
