"""Commands on the built-in sandbox: what goes to which stream, and the small ones."""

import json
import signal
import urllib.error
import urllib.request

import pytest

from tests.engine import conftest as engine
from tests.factories import (
    PROJECT,
    binding,
    bindings,
    latest,
    read_csv,
    runs_in,
    started,
    until,
    world_of,
    write_job,
    write_manifest,
)

surroundings = engine.surroundings
folder = engine.folder
state = engine.state
bulkbind = engine.bulkbind
live = engine.live

FAST = ("--endpoint", "sandbox", "--rate", "2000/s")


@pytest.fixture
def manifest(folder):
    return write_manifest(folder / "apis.csv", bindings(30, gateways=2))


# --- init -----------------------------------------------------------------------------


def test_init_writes_a_job_that_runs(bulkbind, folder):
    first = bulkbind("init", "mine")
    plan = bulkbind("plan", "mine/job.toml", "--json")
    said = bulkbind("run", "mine/job.toml", "--json")

    assert first.code == plan.code == said.code == 0
    assert "bulkbind plan" in first.out
    assert plan.json["rows"] == said.json["verdicts"]["bound"] == 2
    assert said.json["job"] == "mine"
    assert (folder / "mine" / ".bulkbind" / ".gitignore").read_text() == "*\n"


def test_init_overwrites_nothing(bulkbind, folder):
    bulkbind("init")
    (folder / "job.toml").write_text("mine")
    said = bulkbind("init")

    assert said.code == 2
    assert "job.toml" in said.err
    assert (folder / "job.toml").read_text() == "mine"


# --- plan -----------------------------------------------------------------------------


def test_plan_shows_targets_requests_and_digest_and_warns_that_it_is_blind(
    bulkbind, manifest, state
):
    said = bulkbind("plan", manifest)

    assert said.code == 0
    assert "30  rows" in said.out
    assert "2 requests to 2 gateways" in said.out
    assert "digest v1:" in said.out
    assert "REPLACE" in said.err
    assert not state.exists()


def test_a_detailed_exit_code_is_refused_where_nothing_is_read(bulkbind, manifest):
    said = bulkbind("plan", manifest, "--detailed-exitcode")

    assert said.code == 2
    assert not said.out
    assert "add --live" in said.err


@pytest.mark.parametrize("command", ["status", "report", "verify"])
def test_help_shows_that_a_run_need_not_be_named(bulkbind, command):
    usage = bulkbind(command, "--help").out.splitlines()[0]

    assert "[RUN" in usage


def test_the_exit_code_of_a_plan_with_something_to_do_is_explained(bulkbind):
    said = bulkbind("explain", "10")

    assert said.code == 0
    assert "--detailed-exitcode" in said.out


def test_plan_as_json_is_one_document_on_standard_output(bulkbind, manifest):
    for options in (("--json",), ("--format", "json")):
        plan = bulkbind("plan", manifest, *options).json

        assert plan["format_version"] == "1.0"
        assert plan["rows"] == plan["bindings"] == 30
        assert plan["requests"] == plan["gateways"] == len(plan["targets"]) == 2
        assert plan["average_fill"] == 15
        assert plan["eta_seconds"] == 0.2
        assert plan["faults"] == []


def test_plan_without_types_warns_and_prints_no_digest(bulkbind, folder):
    rows = [one._replace(plugin_type="") for one in bindings(3)]
    lines = ["instance_id,plugin_id,env_id,api_id"]
    lines += [",".join((r[0], r[1], r[3], r[4])) for r in rows]
    (folder / "apis.csv").write_text("\n".join(lines))
    said = bulkbind("plan", "apis.csv", "--json")

    assert said.code == 0
    assert said.json["digest"] == ""
    assert said.json["untyped"] == 3
    assert "plugin_type" in said.err


def test_plan_as_json_lists_every_fault(bulkbind, folder):
    rows = [
        binding(0),
        binding(1)._replace(api_id="a b"),
        binding(2)._replace(env_id=""),
    ]
    write_manifest(folder / "apis.csv", rows)
    said = bulkbind("plan", "apis.csv", "--json")

    assert said.code == 2
    assert said.json["fault_count"] == 2
    assert [(f["line"], f["column"]) for f in said.json["faults"]] == [
        (3, "api_id"),
        (4, "env_id"),
    ]


# --- run ------------------------------------------------------------------------------


def test_only_the_answer_goes_to_standard_output(bulkbind, manifest, state):
    said = bulkbind("run", manifest, *FAST)

    run = latest(state)
    assert said.code == 0
    assert said.out.startswith(f"run {run.name}: finished\n")
    assert "30  bound" in said.out
    assert str(run / "report.csv") in said.out
    assert f"run {run.name}: 30 rows to do" in said.err


def test_quiet_says_nothing_when_all_is_well(bulkbind, manifest):
    said = bulkbind("run", manifest, *FAST, "-q")

    assert (said.code, said.out, said.err) == (0, "", "")


def test_quiet_still_says_what_failed(bulkbind, manifest):
    said = bulkbind("run", manifest, *FAST, "-q", "--set", "sandbox.missing=1")

    assert said.code == 1
    assert said.out == ""
    assert "APIG.3002" in said.err


def test_json_is_the_summary_and_nothing_else(bulkbind, manifest, state):
    said = bulkbind("run", manifest, *FAST, "--json", "--note", "CHG-1")

    assert said.json == json.loads((latest(state) / "summary.json").read_text())
    assert said.json["note"] == "CHG-1"
    assert said.json["credential"] == "sandbox"


def test_the_sandbox_of_a_job_keeps_its_world_from_run_to_run(
    bulkbind, folder, manifest, state
):
    bulkbind("run", manifest, *FAST)
    other = write_manifest(folder / "more.csv", bindings(40)[30:])
    bulkbind("run", other, *FAST)

    wanted = {*bindings(30, gateways=2), *bindings(40)[30:]}
    assert world_of(state / "sandbox.db") == {one.bound for one in wanted}


def test_a_rehearsal_is_a_job_of_its_own(bulkbind, folder, manifest, state):
    job = write_job(
        folder / "job.toml", '[account]\nendpoint = "https://apig.example.com"\n'
    )
    said = bulkbind("run", job, *FAST, "--json")
    newest = bulkbind("status", "latest")
    named = bulkbind("status", "job@sandbox", "--json")

    assert said.json["job"] == "job@sandbox"
    assert newest.code == 2  # latest is never a rehearsal
    assert named.json["run_id"] == said.json["run_id"]


def test_a_state_folder_is_private_and_can_be_elsewhere(bulkbind, folder, manifest):
    said = bulkbind("run", manifest, *FAST, "--state-dir", folder / "elsewhere")

    assert said.code == 0
    assert (folder / "elsewhere").stat().st_mode & 0o777 == 0o700
    assert not (folder / ".bulkbind").exists()
    assert bulkbind("runs").out == ""
    assert "finished" in bulkbind("runs", "--state-dir", "elsewhere").out


def test_the_environment_says_where_state_is(bulkbind, folder, manifest, monkeypatch):
    monkeypatch.setenv("BULKBIND_STATE_DIR", str(folder / "by-env"))
    bulkbind("run", manifest, *FAST)

    assert len(runs_in(folder / "by-env")) == 1


# --- runs and status ------------------------------------------------------------------


def test_runs_lists_the_newest_first_and_one_jobs_runs(bulkbind, folder, manifest):
    one, two = (write_job(folder / f"{n}.toml", name=n) for n in ("one", "two"))
    first = bulkbind("run", one, *FAST, "--json").json["run_id"]
    second = bulkbind("run", two, *FAST, "--json").json["run_id"]
    listed = bulkbind("runs", "--json")
    of_one = bulkbind("runs", "--job", "one", "--json")
    table = bulkbind("runs")

    runs = listed.json["runs"]
    assert {run["run_id"] for run in runs} == {first, second}
    assert [run["run_id"] for run in of_one.json["runs"]] == [first]
    assert runs[0]["verdicts"]["bound"] == 30
    assert "30 bound" in table.out


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (("run", "gone.csv", "--json"), 2, "no such file"),
        (("run", ".", "--json"), 2, "folder"),
        (("plan", "gone.csv", "--live", "--format", "json"), 2, "no such file"),
        (("verify", "gone.csv", "--json"), 2, "no such file"),
        (("plan", "gone.csv", "--format", "json"), 2, "no such file"),
        (("plan", "gone.csv", "--format=json"), 2, "no such file"),
        (("status", "--json"), 2, "bulkbind run"),
        (("run", "--frob", "--json"), 2, "--frob"),
    ],
)
def test_a_script_is_told_of_an_error_in_json_too(bulkbind, given, code, words):
    said = bulkbind(*given)

    assert said.code == said.json["exit_code"] == code
    assert words in said.json["error"]
    assert said.json["error"] in said.err


@pytest.mark.parametrize("form", ["jsonl", "table"])
def test_who_asks_for_no_json_gets_none(bulkbind, form):
    assert bulkbind("plan", "gone.csv", "--format", form).out == ""


def test_a_manifest_without_rows_is_json_too(bulkbind, folder):
    header = folder / "none.csv"
    header.write_text("instance_id,plugin_id,env_id,api_id\n")

    said = bulkbind("run", header, *FAST, "--json")

    assert (said.code, said.json["rows"], said.json["run_id"]) == (0, 0, "")


def test_runs_of_an_empty_state_says_so(bulkbind):
    said = bulkbind("runs")

    assert (said.code, said.out) == (0, "")
    assert "no runs" in said.err


def test_status_without_a_run_says_how_to_start_one(bulkbind):
    said = bulkbind("status")

    assert said.code == 2
    assert "bulkbind run" in said.err


def test_status_shows_each_gateway(bulkbind, manifest):
    bulkbind("run", manifest, *FAST)
    said = bulkbind("status")

    assert said.code == 0
    assert said.out.count("1 of 1") == 2
    assert "2 requests sent" in said.out


def test_state_is_found_from_a_folder_below(bulkbind, folder, manifest, monkeypatch):
    bulkbind("run", manifest, *FAST)
    (folder / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(folder / "deep" / "down")

    assert bulkbind("status").code == 0


# --- sandbox --------------------------------------------------------------------------


def url_of(sandbox):
    """Wait until a sandbox is ready, and return where it listens."""
    line = until(lambda: sandbox.out[:-1], alive=sandbox)
    words, _, url = line.rpartition(" ")
    assert words == "sandbox listening on"
    assert url.startswith("http://127.0.0.1:")
    return url


def test_the_sandbox_serves_a_manifests_world_until_it_is_stopped(
    bulkbind, folder, manifest, monkeypatch
):
    command = ("sandbox", "--manifest", manifest, "--world", "w.db", "--missing", "2")
    with started(*command, folder=folder) as sandbox:
        url = url_of(sandbox)
        monkeypatch.setenv("BULKBIND_TOKEN", "sandbox")
        options = ("--endpoint", url, "--project-id", PROJECT, "--rate", "2000/s")
        said = bulkbind("run", manifest, *options, "--json")
        sandbox.send(signal.SIGINT)
        ended = sandbox.wait()

    assert said.code == 1
    assert said.json["codes"] == {"APIG.3002": 2}
    assert said.json["endpoint"] == url
    assert len(world_of(folder / "w.db")) == 28
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert len(read_csv(latest(folder / ".bulkbind") / "failed.csv")) == 2


def test_the_sandbox_lets_nobody_in_without_a_token(folder, manifest):
    with started("sandbox", "--manifest", manifest, folder=folder) as sandbox:
        url = url_of(sandbox) + f"/v2/{PROJECT}/apigw/instances"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url)  # noqa: S310 - our own sandbox
        asked = urllib.request.Request(url, headers={"X-Auth-Token": "sandbox"})  # noqa: S310
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            listed = json.load(answer)

    with refused.value:
        assert refused.value.code == 401
    assert listed["total"] == 2


@pytest.mark.parametrize(
    "options",
    [("--latency", "soon"), ("--rate", "fast"), ("--errors", "2"), ("--port", "70000")],
)
def test_the_sandbox_refuses_what_it_cannot_be(bulkbind, options):
    said = bulkbind("sandbox", *options)

    assert said.code == 2
    assert "Traceback" not in said.err


def test_the_sandbox_refuses_a_port_that_is_taken(bulkbind, folder, manifest):
    with started("sandbox", folder=folder) as sandbox:
        port = url_of(sandbox).rpartition(":")[2]
        said = bulkbind("sandbox", "--port", port, "--world", "other.db")

    assert said.code == 2
    assert port in said.err


def test_a_plan_that_is_saved_needs_its_project(bulkbind, folder, manifest):
    options = ("--endpoint", "https://apig.example.com", "-o", "saved.plan")
    looked = bulkbind("plan", manifest, *options[:2])
    refused = bulkbind("plan", manifest, *options)

    assert looked.code == 0
    assert refused.code == 2
    assert "--project-id" in refused.err
    assert not (folder / "saved.plan").exists()


def test_a_run_that_finds_all_as_it_should_be_keeps_its_summary_and_no_folder(
    bulkbind, live, manifest, state
):
    first = bulkbind("run", manifest, *FAST)
    second = bulkbind("run", manifest, *FAST, "-q")

    assert (first.code, second.code, second.err) == (0, 0, "")
    kept = sorted(path.name for path in latest(state).iterdir())
    assert kept == ["SHA256SUMS", "run.json", "summary.json"]
