"""A run converges: it looks first, sends what is not so yet, and displaces nobody."""

import json

import pytest

from bulkbind.sandbox import SandboxOptions, parse_weather
from tests.engine.undo_scene import refusing
from tests.factories import (
    attach_as_somebody_else,
    binding,
    bindings,
    hex_id,
    report_of,
    write_manifest,
)


@pytest.fixture(autouse=True)
def reads(live):
    """What runs do by default."""


def rival(row):
    """The same API, and another plug-in of the same type."""
    plugin = hex_id("plugin", row.instance_id, "rival")
    return row._replace(plugin_id=plugin)


@pytest.fixture
def occupied(folder, bulkbind, serve, remote):
    """Serve gateways on which every third API has a rival of the wanted plug-in."""
    rows = bindings(300, gateways=2)
    rivals = [rival(row) for row in rows[::3]]
    manifest = write_manifest(folder / "apis.csv", rows)
    before = write_manifest(folder / "before.csv", rivals)
    with serve([*rows, *rivals]) as served:
        said = bulkbind("run", before, *remote(served))
        assert said.code == 0
        served.forget()
        yield manifest, served, rows, rivals


def test_a_plan_says_whom_it_would_displace(bulkbind, remote, occupied):
    manifest, served, rows, rivals = occupied

    said = bulkbind("plan", manifest, "--live", *remote(served), "--json")

    assert said.code == 0
    assert said.json["judged"]["replace"] == len(rivals)
    assert said.json["judged"]["bind"] == len(rows) - len(rivals)
    replaced = {
        (one["api_id"], one["replaced_plugin_id"]) for one in said.json["replacements"]
    }
    assert replaced == {(row.api_id, row.plugin_id) for row in rivals}
    assert not served.journal


def test_a_run_displaces_nobody_without_leave(bulkbind, state, remote, occupied):
    manifest, served, _, rivals = occupied

    said = bulkbind("run", manifest, *remote(served))

    assert said.code == 4
    assert f"{len(rivals)} of 300 bindings would displace" in said.err
    assert "--on-replace allow" in said.err
    assert not served.journal


def test_a_run_with_leave_writes_down_whom_it_displaced(
    bulkbind, state, remote, occupied
):
    manifest, served, rows, rivals = occupied

    said = bulkbind("run", manifest, *remote(served), "--on-replace", "allow")

    assert said.code == 0
    replaced = {
        (row["api_id"], row["replaced_plugin_id"])
        for row in report_of(state)
        if row["replaced_plugin_id"]
    }
    assert replaced == {(row.api_id, row.plugin_id) for row in rivals}
    assert served.bound == {row.bound for row in rows}


def test_skipped_rows_are_kept_and_name_who_is_there(bulkbind, state, remote, occupied):
    manifest, served, _, rivals = occupied

    said = bulkbind("run", manifest, *remote(served), "--on-replace", "skip")

    assert said.code == 1
    kept = [row for row in report_of(state) if row["verdict"] == "kept"]
    assert {(row["api_id"], row["replaced_plugin_id"]) for row in kept} == {
        (row.api_id, row.plugin_id) for row in rivals
    }
    assert {row["error_code"] for row in kept} == {"BULKBIND.OTHER_BOUND"}
    assert {row.bound for row in rivals} <= served.bound


@pytest.mark.parametrize(
    ("most", "code"), [("99", 4), ("33%", 4), ("100", 0), ("34%", 0)]
)
def test_leave_has_a_limit(bulkbind, remote, occupied, most, code):
    manifest, served, *_ = occupied

    said = bulkbind(
        *("run", manifest, *remote(served), "--on-replace", "allow"),
        *("--max-replace", most),
    )

    assert said.code == code


def test_a_saved_plan_approves_its_own_replacements(bulkbind, remote, occupied):
    manifest, served, rows, _ = occupied

    bulkbind("plan", manifest, *remote(served), "-o", "it.plan")
    said = bulkbind("run", "it.plan")

    assert said.code == 0
    assert served.bound == {row.bound for row in rows}


def test_a_saved_plan_approves_no_others(bulkbind, folder, state, remote, occupied):
    manifest, served, rows, _ = occupied
    bulkbind("plan", manifest, *remote(served), "-o", "it.plan")
    late = write_manifest(folder / "late.csv", [rival(rows[1])])
    assert bulkbind("run", late, *remote(served)).code == 0
    served.forget()

    said = bulkbind("run", "it.plan")

    assert said.code == 4
    assert rows[1].api_id in said.err
    assert not served.journal


def test_a_saved_plan_run_twice_sends_nothing_twice(bulkbind, remote, occupied):
    manifest, served, rows, _ = occupied
    bulkbind("plan", manifest, *remote(served), "-o", "it.plan")
    bulkbind("run", "it.plan")
    served.forget()

    said = bulkbind("run", "it.plan", "--json")

    assert said.code == 0
    assert said.json["verdicts"]["unchanged"] == len(rows)
    assert not served.journal


def test_what_was_so_when_a_plan_was_saved_is_looked_at_again(
    bulkbind, folder, serve, remote
):
    rows = bindings(40)
    manifest = write_manifest(folder / "apis.csv", rows)
    drifted = write_manifest(folder / "drift.csv", rows[:10])

    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))
        bulkbind("plan", manifest, *remote(served), "-o", "it.plan")
        bulkbind("run", drifted, "--unbind", *remote(served))
        said = bulkbind("run", "it.plan", "--json")

    assert said.code == 0
    assert said.json["verdicts"]["bound"] == 10
    assert said.json["verdicts"]["unchanged"] == 30
    assert served.bound == {row.bound for row in rows}


def test_a_saved_plan_counts_its_own_reads_alone(bulkbind, folder, serve, remote):
    rows = bindings(40)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        planned = bulkbind("plan", manifest, *remote(served), "--live", "--json")
        bulkbind("plan", manifest, *remote(served), "-o", "it.plan")
        said = bulkbind("run", "it.plan", "--json")

    assert said.json["requests"]["reads"] == planned.json["reads"]


def test_an_offline_plan_approves_none(bulkbind, remote, occupied):
    manifest, served, *_ = occupied
    bulkbind("plan", manifest, "--offline", *remote(served), "-o", "it.plan")

    said = bulkbind("run", "it.plan")

    assert said.code == 4
    assert not served.journal


def test_the_same_job_again_sends_nothing(bulkbind, folder, state, serve, remote):
    rows = bindings(3000, gateways=2)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))
        served.forget()
        said = bulkbind("run", manifest, *remote(served), "--json")
        sent = len(served.journal)

    assert said.code == 0
    assert said.json["verdicts"]["unchanged"] == 3000
    assert said.json["requests"]["sent"] == sent == 0
    own_pages = 2 * 3
    assert said.json["requests"]["reads"] <= own_pages + 2 * 2


def test_drift_of_one_target_costs_one_attach(bulkbind, folder, serve, remote):
    rows = bindings(8000)
    manifest = write_manifest(folder / "apis.csv", rows)
    drifted = write_manifest(folder / "drift.csv", rows[::100])

    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))
        bulkbind("run", drifted, "--unbind", *remote(served))
        served.forget()
        said = bulkbind("run", manifest, *remote(served), "--json")
        sent = len(served.journal)

    assert said.json["verdicts"]["bound"] == 80
    assert said.json["verdicts"]["unchanged"] == 7920
    assert said.json["requests"]["sent"] == sent == 1


def test_rebind_sends_what_is_so_already(bulkbind, folder, serve, remote):
    rows = bindings(10)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))
        said = bulkbind("run", manifest, "--rebind", *remote(served), "--json")

    assert said.json["verdicts"]["bound"] == 10


def test_impossible_rows_fail_without_an_attach(bulkbind, folder, state, serve, remote):
    rows = bindings(40)
    gone = [binding(no, plugin="gone") for no in range(5)]
    nowhere = [row._replace(env_id=hex_id("env")) for row in rows[:5]]
    manifest = write_manifest(folder / "apis.csv", [*rows, *gone, *nowhere])

    with serve(rows, missing=3, unpublished=2) as served:
        said = bulkbind("run", manifest, *remote(served), "--json")

    assert said.code == 1
    assert said.json["requests"]["sent"] == 1
    codes = {row["error_code"]: row["cause"] for row in report_of(state)}
    assert codes == {
        "": "",
        "BULKBIND.API_UNKNOWN": "item",
        "BULKBIND.API_UNPUBLISHED": "item",
        "BULKBIND.PLUGIN_UNKNOWN": "target",
        "BULKBIND.ENV_UNKNOWN": "target",
    }


def test_impossible_rows_are_judged_anew_by_resume_failed(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(40)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows, unpublished=2) as served:
        assert bulkbind("run", manifest, *remote(served)).code == 1
        served.add(rows)
        said = bulkbind("resume", "latest", "--failed", "--json")
        bound = served.bound

    assert said.code == 0
    assert bound == {row.bound for row in rows}
    assert said.json["verdicts"]["bound"] == 40


def test_a_gateway_that_cannot_be_read_is_unknown_and_the_others_go_on(
    bulkbind, folder, state, serve, remote
):
    good = bindings(10)
    lost = [binding(no, gateway=9) for no in range(10)]
    manifest = write_manifest(folder / "apis.csv", [*lost, *good])

    with serve(good) as served:
        planned = bulkbind("plan", manifest, "--live", *remote(served), "--json")
        said = bulkbind("run", manifest, *remote(served), "--json")

    assert planned.code == 3
    assert planned.json["judged"]["unknown"] == 10
    assert len(planned.json["unread"]) == 1
    assert said.code == 3
    assert said.json["verdicts"]["not_sent"] == said.json["verdicts"]["bound"] == 10
    codes = {row["error_code"] for row in report_of(state)}
    assert codes == {"", "APIG.3030"}


def test_types_of_the_gateway_decide_conflicts(bulkbind, folder, serve, remote):
    rows = bindings(3)
    rivals = [rival(row)._replace(plugin_type="") for row in rows]
    untyped = [row._replace(plugin_type="") for row in rows]
    manifest = write_manifest(folder / "apis.csv", [*untyped, *rivals])

    with serve([*rows, *map(rival, rows)]) as served:
        said = bulkbind("plan", manifest, "--live", *remote(served))

    assert said.code == 2
    assert "also of type cors" in said.err
    assert "apis.csv:2" in said.err


def test_a_live_plan_without_a_credential_is_refused(
    bulkbind, folder, serve, remote, monkeypatch
):
    manifest = write_manifest(folder / "apis.csv", bindings(2))

    with serve(bindings(2)) as served:
        monkeypatch.delenv("BULKBIND_TOKEN")
        said = bulkbind("plan", manifest, "--live", *remote(served))
        requests = served.requests

    assert said.code == 2
    assert not requests


def test_a_refused_credential_ends_a_live_plan(
    bulkbind, folder, serve, remote, monkeypatch
):
    manifest = write_manifest(folder / "apis.csv", bindings(20, gateways=10))

    with serve(bindings(20, gateways=10)) as served:
        monkeypatch.setenv("BULKBIND_TOKEN", "wrong")
        said = bulkbind("plan", manifest, "--live", *remote(served))
        requests = served.requests

    assert said.code == 2
    assert "credential is refused" in said.err
    assert requests.total() == 1


def test_something_to_do_has_an_exit_code_of_its_own(bulkbind, folder, serve, remote):
    rows = bindings(3)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        plan = ("plan", manifest, "--live", "--detailed-exitcode", *remote(served))
        before = bulkbind(*plan)
        bulkbind("run", manifest, *remote(served))
        after = bulkbind(*plan)

    assert (before.code, after.code) == (10, 0)


def test_a_plan_row_by_row(bulkbind, remote, occupied):
    manifest, served, rows, rivals = occupied

    said = bulkbind("plan", manifest, "--live", *remote(served), "--format", "jsonl")

    lines = [json.loads(line) for line in said.out.splitlines()]
    replaced = {line["api_id"]: line["replaces"] for line in lines if line["replaces"]}
    assert len(lines) == len(rows)
    assert replaced == {row.api_id: row.plugin_id for row in rivals}


def test_a_plan_as_a_comment_for_a_merge_request(bulkbind, remote, occupied):
    manifest, served, *_ = occupied

    said = bulkbind("plan", manifest, "--live", *remote(served), "--format", "md")

    assert "| 100 | to bind in place of ANOTHER plug-in |" in said.out
    assert "**Plug-ins to be displaced**" in said.out


def test_a_blind_run_needs_leave_and_says_what_it_costs(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(3)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        refused = bulkbind("run", manifest, "--no-live", *remote(served))
        said = bulkbind(
            "run", manifest, "--no-live", "--on-replace", "allow", *remote(served)
        )

    assert refused.code == 2
    assert said.code == 0
    assert "cannot be undone" in said.err
    assert {row["replaced_plugin_id"] for row in report_of(state)} == {"unknown"}


def test_pages_smaller_than_asked_for_are_read_to_the_end(
    bulkbind, folder, serve, remote
):
    rows = bindings(700)
    manifest = write_manifest(folder / "apis.csv", rows)
    clamped = SandboxOptions(weather=parse_weather("page_limit=100"))

    with serve(rows, options=clamped) as served:
        bulkbind("run", manifest, *remote(served))
        said = bulkbind("run", manifest, *remote(served), "--json")

    assert said.json["verdicts"]["unchanged"] == 700


def test_status_counts_by_verdict(bulkbind, remote, occupied):
    manifest, served, rows, rivals = occupied
    bulkbind("run", manifest, *remote(served), "--on-replace", "skip")
    skipped = bulkbind("status", "--json").json
    bulkbind("run", manifest, *remote(served), "--on-replace", "allow")
    again = bulkbind("status", "--json").json
    bulkbind("run", manifest, "--unbind", *remote(served))
    unbound = bulkbind("status", "--json").json

    free = len(rows) - len(rivals)
    names = ("bound", "unbound", "unchanged", "kept", "failed")
    assert [[said[name] for name in names] for said in (skipped, again, unbound)] == [
        [free, 0, 0, len(rivals), 0],
        [len(rivals), 0, free, 0, 0],
        [0, len(rows), 0, 0, 0],
    ]
    assert "not settled" not in bulkbind("status").out


def test_max_replace_holds_over_all_resumes_of_a_saved_plan(
    bulkbind, folder, state, remote, serve
):
    rows = bindings(1100)
    rivals = [rival(rows[no]) for no in (0, 600, 1050)]
    manifest = write_manifest(folder / "apis.csv", rows)
    before = write_manifest(folder / "before.csv", rivals)
    leave = ("--set", "safety.on_replace=allow", "--set", "safety.max_replace=1")
    with serve([*rows, *rivals]) as served:
        bulkbind("plan", manifest, *remote(served), *leave, "-o", "free.plan")
        bulkbind("run", before, *remote(served))
        served.forget()

        codes = [bulkbind("run", "free.plan").code]
        codes += [bulkbind("resume", manifest).code for _ in range(3)]

        assert codes == [4, 4, 4, 4]
        assert not served.journal


def test_a_plan_that_skips_says_what_is_kept(bulkbind, remote, occupied):
    manifest, served, *_ = occupied
    skip = ("--set", "safety.on_replace=skip")

    said = bulkbind("plan", manifest, *remote(served), "--live", *skip)
    written = bulkbind(
        "plan", manifest, *remote(served), "--live", "--format=md", *skip
    )

    for text in (said.out, written.out):
        assert "kept: ANOTHER plug-in is bound" in text
        assert "to be kept" in text
        assert "displaced" not in text.lower()


def test_what_is_bound_anew_uses_no_leave_also_after_a_resume(
    bulkbind, folder, serve, remote
):
    rows = bindings(20, gateways=2)
    manifest = write_manifest(folder / "apis.csv", rows)
    wanted = ("--on-replace", "allow", "--max-replace", "1", "--rebind")
    small = ("--set", "plan.batch_size=5")  # the second batch of a gateway is not sent
    with serve([*rows, *map(rival, rows)]) as served:
        bulkbind("run", manifest, *remote(served))
        port = served.port
    locked = refusing("locked", rows[-1].instance_id)
    with serve(options=locked, port=port) as served:
        stopped = bulkbind("run", manifest, *remote(served), *wanted, *small)
    with serve(port=port) as served:
        attach_as_somebody_else(served, rival(rows[-1]))
        said = bulkbind("resume", "latest", "--set", "safety.live_max_age=0")

        assert served.bound == {row.bound for row in rows}
    assert (stopped.code, said.code) == (3, 0), said.err
