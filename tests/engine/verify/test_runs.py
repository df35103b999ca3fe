"""What a run did is read back: same, drifted, or honestly not known."""

import shutil
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest

from bulkbind.host import JobLock
from bulkbind.job.checking import LOOKS, SETTLE_S
from bulkbind.job.errand import Surroundings
from bulkbind.job.verifying import verify_run
from bulkbind.ledger import SqliteLedger
from bulkbind.model import RecordKind
from bulkbind.sandbox import SandboxOptions, parse_weather
from bulkbind.settings import Overrides, revise
from bulkbind.state.folders import RunFolder, StateFolder
from tests.drift import drift, rival
from tests.engine.undo_scene import refusing
from tests.engine.verify.conftest import MANY
from tests.factories import (
    PROJECT,
    attach_as_somebody_else,
    bindings,
    latest,
    report_of,
    runs_in,
    write_manifest,
)
from tests.forbidding import forbidding

ATTACHED = "attached_apis"


def verified(state):
    return [row["verified"] for row in report_of(state)]


def weather(text):
    return SandboxOptions(weather=parse_weather(text))


# --- a run ----------------------------------------------------------------------------


def test_a_run_that_nobody_touched_is_the_same_for_a_list_per_target(
    bulkbind, state, bound, rows
):
    before = bound.requests[ATTACHED]

    said = bulkbind("verify", "--json")

    assert said.code == 0, said.err
    assert (said.json["rows"], said.json["same"], said.json["drift"]) == (MANY, MANY, 0)
    assert said.json["reads"] == bound.requests[ATTACHED] - before == 2
    assert verified(state) == ["yes"] * MANY


def test_who_took_a_slot_and_what_is_gone_are_told_apart(bulkbind, state, bound, rows):
    drift(bound, rows)

    said = bulkbind("verify", "--json")

    assert said.code == 1
    assert (said.json["same"], said.json["drift"]) == (MANY - 2, 2)
    seen = {one["api_id"]: one["seen"] for one in said.json["drifted"]}
    assert seen == {rows[0].api_id: rival(rows[0]).plugin_id, rows[1].api_id: ""}
    taken, missing, *others = verified(state)
    assert (taken, missing) == (rival(rows[0]).plugin_id, "missing")
    assert set(others) == {"yes"}
    verdicts = {row["verdict"] for row in report_of(state)}
    assert verdicts == {"bound"}


def test_rows_that_a_run_did_not_come_to_are_named_and_are_no_success(
    bulkbind, folder, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)
    locked = refusing("locked", rows[1].instance_id)
    with serve(rows, options=locked) as served:
        assert bulkbind("run", manifest, *remote(served)).code == 3
        said = bulkbind("verify")
        as_json = bulkbind("verify", "--json").json
        chosen = bulkbind("verify", "--only", f"instance_id={rows[0].instance_id}")

    assert said.code == as_json["exit_code"] == 3
    assert f"not looked at: {MANY // 2} not_sent" in said.out
    assert as_json["not_looked_at"] == {"not_sent": MANY // 2}
    assert as_json["same"] == MANY // 2
    assert chosen.code == 0


def test_drift_is_said_by_target_with_the_first_rows(bulkbind, bound, rows):
    drift(bound, rows)

    said = bulkbind("verify")

    assert said.code == 1
    assert f"2 of {MANY} rows DRIFTED" in said.out
    assert rows[0].api_id in said.out
    assert rival(rows[0]).plugin_id in said.out


def test_the_last_verification_is_the_one_that_counts(bulkbind, state, bound, rows):
    assert bulkbind("verify").code == 0
    drift(bound, rows)
    assert bulkbind("verify").code == 1

    assert bulkbind("run", "apis.csv", *same(bound), "--on-replace", "allow").code == 0
    first = runs_in(state)[0]
    said = bulkbind("verify", first.name, "--json")

    assert said.code == 0
    kinds = [record.kind for record in records_of(first)]
    # one for each batch, and another for the rows that were looked at again
    assert kinds.count(RecordKind.CHECK) == 2 + 4 + 2


def same(served):
    return "--endpoint", served.url, "--project-id", PROJECT, "--rate", "unlimited"


def records_of(run):
    with closing(SqliteLedger.read(run / "ledger.db")) as ledger:
        return [
            record
            for target in ledger.targets()
            for _, records in ledger.batches(target.no)
            for record in records
        ]


def test_rows_that_claim_nothing_are_not_read_back(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows, missing=5) as served:
        assert bulkbind("run", manifest, *remote(served)).code == 1
        said = bulkbind("verify", "--json")

    assert (said.code, said.json["rows"]) == (0, MANY - 5)
    told = [(row["verdict"], row["verified"]) for row in report_of(state)]
    assert sorted(set(told)) == [("bound", "yes"), ("failed", "")]


def test_rows_that_were_so_already_are_read_back_too(bulkbind, state, bound, rows):
    more = bindings(MANY + 2, gateways=2)
    bound.add(more[MANY:])
    write_manifest(Path("apis.csv"), [*rows, *more[MANY:]])
    assert bulkbind("run", "apis.csv", *same(bound)).code == 0
    drift(bound, rows)

    assert bulkbind("verify").code == 1

    verdicts = [row["verdict"] for row in report_of(state)]
    assert verdicts == ["unchanged"] * MANY + ["bound"] * 2
    assert verified(state)[:3] == [rival(rows[0]).plugin_id, "missing", "yes"]


def test_what_was_detached_has_drifted_when_it_is_back(bulkbind, state, bound, rows):
    unbind = bulkbind("run", "apis.csv", *same(bound), "--unbind")
    assert unbind.code == 0, unbind.err
    assert bulkbind("verify").code == 0
    attach_as_somebody_else(bound, rows[0])
    attach_as_somebody_else(bound, rival(rows[1]))

    said = bulkbind("verify", "--json")

    assert (said.code, said.json["drift"]) == (1, 1)
    assert verified(state)[:3] == [rows[0].plugin_id, "yes", "yes"]


def test_only_chosen_rows_are_read_back_by_any_column_of_the_report(
    bulkbind, state, bound, rows
):
    drift(bound, rows)

    said = bulkbind("verify", "--only", "owner=team-2", "--json")

    chosen = [row for row in rows if row.owner == "team-2"]
    assert (said.code, said.json["rows"]) == (0, len(chosen))
    report = report_of(state)
    assert len(report) == MANY
    read = {row["api_id"] for row in report if row["verified"]}
    assert read == {row.api_id for row in chosen}


@pytest.mark.parametrize("only", ["colour=red", "owner=nobody", "owner"])
def test_a_filter_that_fits_nothing_reads_nothing(bulkbind, bound, only):
    before = bound.requests.total()

    said = bulkbind("verify", "--only", only)

    assert said.code == 2
    assert "--only" in said.err
    assert bound.requests.total() == before


def test_a_run_that_another_process_works_on_is_left_alone(bulkbind, state, bound):
    job = RunFolder(latest(state)).facts().job
    with JobLock(StateFolder(state).lock_path(job), job=job, holder="pid 1 (me)"):
        said = bulkbind("verify")

    assert said.code == 75
    assert "pid 1 (me)" in said.err


def test_what_the_plan_fixed_cannot_be_given_to_a_verification(bulkbind, bound):
    said = bulkbind("verify", "latest", "--endpoint", "sandbox")

    assert said.code == 2
    assert "--endpoint" in said.err


def test_a_run_is_found_by_path_without_its_state(bulkbind, folder, state, bound):
    shutil.move(state, folder / "elsewhere")

    said = bulkbind("verify", latest(folder / "elsewhere"))

    assert said.code == 0


# --- what cannot be read --------------------------------------------------------------


def test_a_gateway_that_cannot_be_read_is_neither_same_nor_drift(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served), "--verify")
        port = served.port
    gone = rows[0].instance_id
    with serve((), port=port, options=weather(f"away=0s@{gone}")):
        said = bulkbind("verify", "--json")

    half = MANY // 2
    assert said.code == 3
    told = said.json
    assert (told["same"], told["drift"], told["unread"]) == (half, 0, half)
    assert gone in said.err
    # what an earlier verification saw there is taken back
    assert verified(state) == ["", "yes"] * half


@pytest.mark.parametrize("lie", ["repeated_page", "moving_total"])
def test_lists_that_contradict_themselves_prove_nothing(
    bulkbind, folder, state, serve, remote, lie
):
    rows = bindings(600)
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows) as served:
        assert bulkbind("run", manifest, *remote(served)).code == 0
        port = served.port
    with serve((), port=port, options=weather(f"{lie}=1")) as served:
        said = bulkbind("verify", "--json")
        asked = served.requests.total()

    assert (said.code, said.json["unread"]) == (3, 600)
    assert said.json["drift"] == said.json["same"] == 0
    assert set(verified(state)) == {""}
    assert asked <= 30


def test_a_refused_credential_is_exit_2_and_says_nothing_of_any_row(
    bulkbind, state, bound, monkeypatch
):
    monkeypatch.setenv("BULKBIND_TOKEN", "wrong")

    said = bulkbind("verify")

    assert said.code == 2
    assert "nothing was read" in said.err
    assert set(verified(state)) == {""}


def test_without_a_credential_nothing_is_asked(bulkbind, bound, monkeypatch):
    monkeypatch.delenv("BULKBIND_TOKEN")
    before = bound.requests.total()

    assert bulkbind("verify").code == 2
    assert bound.requests.total() == before


def test_who_took_a_slot_needs_a_right_of_its_own(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve([*rows, *map(rival, rows)]) as served:
        refused = []
        with forbidding(served.port, lambda path: path in refused) as url:
            bulkbind("run", manifest, *remote(served))
            # the run goes to the gateways, its verification through the door
            move(latest(state), served.url, url)
            drift(served, rows)
            plugins = f"/v2/{PROJECT}/apigw/instances/{rows[0].instance_id}/plugins"
            refused.append(f"{plugins}?limit=500&offset=0")
            said = bulkbind("verify", "--json")

    # on the other gateway it is known that nobody took the slot
    told = said.json
    assert (said.code, told["drift"], told["unread"]) == (3, 1, 1)
    assert "apig:plugin:list" in said.err


def move(run, old, new):
    """Let a run's settings name another endpoint."""
    with closing(SqliteLedger.open(run / "ledger.db")) as ledger:
        ledger.begin()
        settings = ledger.meta()["settings"].replace(old, new)
        ledger.put_meta({"settings": settings})
        ledger.commit()


# --- lists lag ------------------------------------------------------------------------


def test_a_new_binding_that_does_not_show_is_looked_at_again_a_few_times(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows, options=weather("lag=1h")) as served:
        assert bulkbind("run", manifest, *remote(served)).code == 0
        before = served.requests[ATTACHED]
        said = bulkbind("verify", "--json")
        asked = served.requests[ATTACHED] - before

    assert (said.code, said.json["drift"]) == (1, MANY)
    assert said.err.count("do not show yet") == LOOKS
    assert asked == 2 * (1 + LOOKS)
    assert set(verified(state)) == {"missing"}


def test_an_old_binding_that_does_not_show_is_drift_at_once(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)
    told: list[str] = []
    with serve(rows, options=weather("lag=1h")) as served:
        bulkbind("run", manifest, *remote(served))
        found = anyio.run(
            partial(
                verify_run,
                RunFolder(latest(state)),
                state=StateFolder(state),
                around=Surroundings(now=lambda: time.time() + SETTLE_S + 1),
                change=partial(revise, overrides=Overrides()),
                tell=told.append,
            )
        )

    assert found.checked.drift == MANY
    assert told == []
