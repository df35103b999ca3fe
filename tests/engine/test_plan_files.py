"""Plans: looked at, saved, approved, carried out, and refused when they changed."""

import zipfile

import pytest

from tests.factories import (
    binding,
    bindings,
    latest,
    report_of,
    runs_in,
    write_job,
    write_manifest,
)


@pytest.fixture
def rows():
    return bindings(1100, gateways=2)


@pytest.fixture
def job(folder, rows):
    write_manifest(folder / "apis.csv", rows)
    return write_job(folder / "job.toml")


def test_a_saved_plan_is_carried_out_without_job_and_manifest(
    bulkbind, folder, state, rows, serve, remote, job
):
    with serve(rows) as served:
        plan = bulkbind("plan", job, *remote(served), "-o", "big.plan", "--json")
        assert not served.requests
        job.unlink()
        (folder / "apis.csv").unlink()
        said = bulkbind("run", "big.plan", "--json")

        assert len(served.journal) == plan.json["requests"] == 4
        assert served.bound == {row.bound for row in rows}
    assert plan.code == said.code == 0
    assert said.json["plan_digest"] == plan.json["digest"] != ""
    assert said.json["job"] == "job"
    report = report_of(state)
    assert [row["api_id"] for row in report] == [row.api_id for row in rows]


def test_a_saved_plan_holds_no_token(
    bulkbind, folder, rows, serve, remote, job, monkeypatch
):
    monkeypatch.setenv("BULKBIND_TOKEN", "very-secret")

    with serve(rows) as served:
        bulkbind("plan", job, *remote(served), "-o", "big.plan")

    assert b"very-secret" not in (folder / "big.plan").read_bytes()


def test_the_plan_that_was_expected_is_run(bulkbind, rows, serve, remote, job):
    with serve(rows) as served:
        digest = bulkbind("plan", job, *remote(served), "--json").json["digest"]
        said = bulkbind("run", job, *remote(served), "--expect", digest, "--json")

    assert said.code == 0
    assert said.json["plan_digest"] == digest


def test_another_plan_than_expected_is_refused_and_nothing_is_sent(
    bulkbind, folder, state, rows, serve, remote, job
):
    with serve(rows) as served:
        digest = bulkbind("plan", job, *remote(served), "--json").json["digest"]
        write_manifest(folder / "apis.csv", rows[1:])
        said = bulkbind("run", job, *remote(served), "--expect", digest)

        assert not served.requests
    assert said.code == 4
    assert digest in said.err
    assert "nothing was sent" in said.err
    assert runs_in(state) == []


def test_a_saved_plan_other_than_expected_is_refused(
    bulkbind, state, rows, serve, remote, job
):
    with serve(rows) as served:
        bulkbind("plan", job, *remote(served), "-o", "big.plan")
        said = bulkbind("run", "big.plan", "--expect", "v1:0000")

        assert not served.requests
    assert said.code == 4
    assert runs_in(state) == []


def test_same_rows_same_digest_and_other_rows_another(bulkbind, folder, rows, job):
    first = bulkbind("plan", job, "--json").json["digest"]
    again = bulkbind("plan", job, "--json").json["digest"]
    write_manifest(folder / "apis.csv", [*rows, binding(5000)])
    other = bulkbind("plan", job, "--json").json["digest"]

    assert first == again != other


def swap(path, name, content):
    """Put other content into a saved plan, as somebody careful would."""
    with zipfile.ZipFile(path) as old:
        members = {one: old.read(one) for one in old.namelist()}
    members[name] = content(members[name])
    with zipfile.ZipFile(path, "w") as new:
        for one, data in members.items():
            new.writestr(one, data)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "tamper",
    [
        cut,
        flip,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("not a plan"),
        lambda path: swap(path, "ledger.db", lambda data: data[:-1] + b"x"),
        lambda path: swap(path, "manifest.csv.gz", lambda _: b""),
        lambda path: swap(path, "plan.json", lambda _: b"{}"),
        lambda path: swap(path, "plan.json", lambda _: b"[]"),
    ],
    ids=["cut", "flipped", "empty", "text", "ledger", "manifest", "index", "list"],
)
def test_a_saved_plan_that_was_changed_is_refused(  # noqa: PLR0917
    bulkbind, folder, state, rows, serve, remote, job, tamper
):
    with serve(rows) as served:
        bulkbind("plan", job, *remote(served), "-o", "big.plan")
        tamper(folder / "big.plan")
        said = bulkbind("run", "big.plan")

        assert not served.requests
    assert said.code == 2
    assert "big.plan" in said.err
    assert "bulkbind plan -o" in said.err
    assert "Traceback" not in said.err
    assert runs_in(state) == []


def test_a_saved_plan_that_is_not_there_is_refused(bulkbind, state):
    said = bulkbind("run", "none.plan")

    assert said.code == 2
    assert "none.plan" in said.err
    assert runs_in(state) == []


def test_a_saved_plan_takes_pace_and_note_anew_and_nothing_else(
    bulkbind, state, rows, serve, remote, job
):
    with serve(rows) as served:
        bulkbind("plan", job, *remote(served), "-o", "big.plan")
        refused = bulkbind("run", "big.plan", "--only", "owner=team-1")
        said = bulkbind(
            "run", "big.plan", "--rate", "900/s", "--note", "CHG-17", "--json"
        )

    assert refused.code == 2
    assert "--only" in refused.err
    assert said.code == 0
    assert said.json["note"] == "CHG-17"


def test_a_saved_plan_can_be_run_twice(bulkbind, state, rows, serve, remote, job):
    with serve(rows) as served:
        bulkbind("plan", job, *remote(served), "-o", "big.plan")
        codes = [bulkbind("run", "big.plan").code for _ in range(2)]

    assert codes == [0, 0]
    assert len(runs_in(state)) == 2


def test_a_dry_run_prints_the_plan_and_leaves_nothing(
    bulkbind, folder, state, rows, serve, remote, job
):
    with serve(rows) as served:
        plan = bulkbind("plan", job, *remote(served))
        said = bulkbind("run", job, *remote(served), "--dry-run")

        assert not served.requests
    assert said.code == 0
    assert said.out == plan.out
    assert not state.exists()


def test_a_dry_run_needs_no_token(bulkbind, rows, serve, remote, job, monkeypatch):
    with serve(rows) as served:
        monkeypatch.delenv("BULKBIND_TOKEN")
        said = bulkbind("run", job, *remote(served), "--dry-run", "--json")

    assert said.code == 0
    assert said.json["requests"] == 4


# --- choosing and filling -------------------------------------------------------------


def test_only_sends_the_rows_chosen(bulkbind, state, rows, serve, remote, job):
    wanted = [row for row in rows if row.owner in {"team-1", "team-2"}]
    wanted = [row for row in wanted if row.instance_id == rows[0].instance_id]

    with serve(rows) as served:
        said = bulkbind(
            *("run", job, *remote(served), "--json"),
            *("--only", "owner=team-1,team-2"),
            *("--only", f"instance_id={rows[0].instance_id}"),
        )

        assert served.bound == {row.bound for row in wanted}
    assert said.code == 0
    assert said.json["rows"] == len(wanted)
    # what was dropped is no row of the run, and lines stay the manifest's
    lines = [int(row["line"]) for row in report_of(state)]
    assert lines == [n for n, row in enumerate(rows, start=2) if row in wanted]


def test_default_fills_a_column_that_the_manifest_lacks(
    bulkbind, folder, serve, remote
):
    rows = bindings(5)
    lines = [",".join(("api_id", "instance_id", "plugin_id"))]
    lines += [",".join((row.api_id, row.instance_id, row.plugin_id)) for row in rows]
    (folder / "short.csv").write_text("\n".join(lines))

    with serve(rows) as served:
        said = bulkbind(
            *("run", "short.csv", *remote(served)),
            *("--default", f"env_id={rows[0].env_id}", "--default", "plugin_type=cors"),
        )

        assert served.bound == {row.bound for row in rows}
    assert said.code == 0


def test_set_lays_any_key_over_the_job_file(bulkbind, rows, serve, remote, job):
    with serve(rows) as served:
        said = bulkbind(
            "run", job, *remote(served), "--set", "plan.batch_size=100", "--json"
        )

        assert {len(entry.ids) for entry in served.journal} == {100, 50}
    assert said.json["requests"]["sent"] == 12


def test_the_environment_sets_keys_and_the_command_line_wins(
    bulkbind, rows, serve, remote, job, monkeypatch
):
    monkeypatch.setenv("BULKBIND_PLAN_BATCH_SIZE", "10")
    monkeypatch.setenv("BULKBIND_NOTE", "from the environment")

    with serve(rows) as served:
        said = bulkbind(
            "run", job, *remote(served), "--set", "plan.batch_size=200", "--json"
        )

    assert said.json["requests"]["sent"] == 6
    assert said.json["note"] == "from the environment"


def test_the_job_files_columns_and_defaults_are_used(bulkbind, folder, serve, remote):
    rows = bindings(5)
    lines = ["API ID;Owner"] + [f"{row.api_id};{row.owner}" for row in rows]
    (folder / "apis.csv").write_text("\n".join(lines))
    job = write_job(
        folder / "job.toml",
        f"""
[columns]
api_id = "API ID"
[defaults]
instance_id = "{rows[0].instance_id}"
plugin_id = "{rows[0].plugin_id}"
env_id = "{rows[0].env_id}"
""",
    )

    with serve(rows) as served:
        said = bulkbind("run", job, *remote(served))

        assert served.bound == {row.bound for row in rows}
    assert said.code == 0
    failed = latest(folder / ".bulkbind") / "failed.csv"
    assert failed.read_text().startswith("account,project_id,instance_id,plugin_id")


def test_two_plugins_of_one_type_for_an_api_are_a_conflict_that_names_both_lines(
    bulkbind, folder, state, serve, remote
):
    one = binding(0)
    rows = [one, binding(1), one._replace(plugin_id="f" * 32)]
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served))

        assert not served.requests
    assert said.code == 2
    assert "apis.csv:4" in said.err
    assert "2" in said.err
    assert runs_in(state) == []


@pytest.mark.parametrize(("rule", "winner"), [("first", 0), ("last", 1)])
def test_a_conflict_is_decided_by_line_when_the_job_says_so(
    bulkbind, folder, state, serve, remote, rule, winner
):
    rows = [binding(0), binding(0)._replace(plugin_id="f" * 32)]
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        said = bulkbind(
            "run", manifest, *remote(served), "--set", f"plan.on_conflict={rule}"
        )

        assert served.bound == {rows[winner].bound}
    assert said.code == 0
    verdicts = [row["verdict"] for row in report_of(state)]
    assert verdicts[winner] == "bound"
    assert verdicts[1 - winner] == "superseded"
