"""What a manifest asks for is held against what is bound; nothing is written."""

import pytest

from tests.drift import detach_as_somebody_else, drift, rival
from tests.engine.verify.conftest import MANY
from tests.factories import PROJECT, hex_id, runs_in, write_manifest


def same(served):
    return "--endpoint", served.url, "--project-id", PROJECT, "--rate", "unlimited"


def test_a_manifest_that_holds_is_exit_0_and_leaves_nothing(bulkbind, state, bound):
    before = list(runs_in(state))

    said = bulkbind("verify", "apis.csv", *same(bound), "--json")

    assert (said.code, said.json["same"], said.json["run_id"]) == (0, MANY, "")
    assert runs_in(state) == before


def test_whatever_a_run_would_change_has_drifted(bulkbind, folder, bound, rows):
    drift(bound, rows)
    before = len(bound.journal)
    nowhere = rows[2]._replace(api_id=hex_id("nowhere"))
    manifest = write_manifest(folder / "apis.csv", [*rows, nowhere])

    said = bulkbind("verify", manifest, *same(bound), "--json")

    assert (said.code, said.json["same"], said.json["drift"]) == (1, MANY - 2, 3)
    seen = {one["api_id"]: one["seen"] for one in said.json["drifted"]}
    assert seen[rows[0].api_id] == rival(rows[0]).plugin_id
    codes = {one["api_id"]: one["error_code"] for one in said.json["drifted"]}
    assert codes[nowhere.api_id] == "BULKBIND.API_UNKNOWN"
    assert len(bound.journal) == before


def test_a_manifest_to_be_unbound_has_drifted_where_it_is_still_bound(
    bulkbind, bound, rows
):
    detach_as_somebody_else(bound, rows[0])
    unbind = ("--set", "action=unbind")

    said = bulkbind("verify", "apis.csv", *same(bound), *unbind, "--json")

    assert (said.code, said.json["same"], said.json["drift"]) == (1, 1, MANY - 1)
    assert {one["seen"] for one in said.json["drifted"]} == {
        row.plugin_id for row in rows
    }


def test_a_job_that_runs_blind_is_read_all_the_same(bulkbind, bound):
    blind = ("--set", "safety.live=false", "--set", "safety.on_replace=allow")

    said = bulkbind("verify", "apis.csv", *same(bound), *blind, "--json")

    assert (said.code, said.json["same"]) == (0, MANY)


@pytest.mark.parametrize("name", ["gone.csv", "gone.toml"])
def test_a_manifest_that_is_not_there_is_no_run(bulkbind, bound, name):
    said = bulkbind("verify", name, *same(bound))

    assert said.code == 2
    assert f"{name}: " in said.err
    assert "no such file" in said.err


def test_a_saved_plan_is_not_verified(bulkbind, folder, bound):
    bulkbind("plan", "apis.csv", *same(bound), "-o", "a.plan")

    said = bulkbind("verify", "a.plan", *same(bound))

    assert said.code == 2
    assert "saved plan" in said.err
