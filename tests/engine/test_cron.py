"""A job on cron: silent while all is well, no two at once, and nothing piles up."""

import json

import pytest

from bulkbind.cli.main import BLOCKS
from bulkbind.job.keeping import finish_shrinking
from bulkbind.state.folders import RunFolder, StateFolder
from tests.factories import (
    Door,
    bindings,
    gateways,
    latest,
    runs_in,
    started,
    until,
    write_job,
    write_manifest,
)

BLIND = ("--no-live", "--on-replace", "allow")
TICK = ("run", "job.toml", "--resume", "-q")


@pytest.fixture
def rows(folder, live):
    found = bindings(30, gateways=2)
    write_manifest(folder / "apis.csv", found)
    write_job(folder / "job.toml", '[pace]\nrate = "unlimited"\n', name="night")
    return found


@pytest.fixture
def quiet_run(bulkbind, rows, state):
    """The second night: everything is as it should be."""
    assert bulkbind(*TICK).code == 0
    assert bulkbind(*TICK).code == 0
    return latest(state)


def tick(folder, *more):
    with started(*TICK, *more, folder=folder) as process:
        return process.wait()


def test_two_good_nights_say_nothing_at_all(folder, rows):
    first, second = tick(folder), tick(folder)

    assert (first.code, first.out, first.err) == (0, "", "")
    assert (second.code, second.out, second.err) == (0, "", "")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--set", "sandbox.missing=2"), 1),
        (("--set", "pace.rate=never"), 2),
        (("--only", "api_id=nobody"), 2),
    ],
)
def test_what_is_wrong_is_said_on_standard_error(folder, rows, more, code):
    said = tick(folder, *more)

    assert said.code == code
    assert said.out == ""
    assert said.err


def test_a_manifest_without_rows_is_no_news(folder, rows):
    write_manifest(folder / "apis.csv", [])

    said = tick(folder)

    assert (said.code, said.out, said.err) == (0, "", "")


def test_a_tick_on_top_of_another_is_75_at_once_and_names_who_is_at_it(
    folder, tmp_path, rows, remote, monkeypatch
):
    monkeypatch.setenv("BULKBIND_TOKEN", "sandbox")
    with (
        Door() as door,
        gateways(tmp_path / "world.db", rows, clock=door.clock) as served,
        started(*TICK, *remote(served), *BLIND, folder=folder) as first,
    ):
        until(lambda: served.requests["attach_apis"], alive=first)
        before = served.requests
        second = tick(folder, *remote(served))

        assert (second.code, second.out) == (75, "")
        assert f"pid {first.pid} " in second.err
        assert served.requests == before
        assert first.is_running
        door.open()
        assert first.wait().code == 0


# --- what is kept of a night without news ---------------------------------------------


def test_a_run_without_news_keeps_its_summary_and_digest_only(quiet_run):
    summary = json.loads((quiet_run / "summary.json").read_text())

    names = {path.name for path in quiet_run.iterdir()}
    assert names == {"summary.json", "run.json", "SHA256SUMS"}
    assert summary["verdicts"]["unchanged"] == 30
    assert summary["plan_digest"].startswith("v1:")
    (line,) = (quiet_run / "SHA256SUMS").read_text().splitlines()
    assert line.endswith("  summary.json")


def test_a_run_that_did_something_is_kept_whole(bulkbind, rows, state):
    bulkbind(*TICK)

    assert {"ledger.db", "manifest.csv.gz", "report.csv"} <= {
        path.name for path in latest(state).iterdir()
    }


def test_repeats_and_losers_are_no_news_and_failures_are(bulkbind, rows, folder, state):
    bulkbind(*TICK)
    write_manifest(folder / "apis.csv", [*rows, rows[0]])
    bulkbind(*TICK)
    repeats = latest(state)
    bulkbind(*TICK, "--set", "sandbox.missing=1")
    write_manifest(
        folder / "apis.csv", [*rows, bindings(31, gateways=2)[30]._replace(api_id="x")]
    )
    code = bulkbind(*TICK, "--set", "sandbox.missing=31").code

    assert not (repeats / "ledger.db").exists()
    assert code == 1
    assert (latest(state) / "ledger.db").exists()


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("runs",), 0, "finished (summary only)"),
        (("status",), 0, "nothing was sent"),
        (("report",), 0, "30 unchanged"),
        (("report", "--format", "csv"), 2, "only"),
        (("verify",), 2, "`bulkbind verify JOB`"),
        (("undo", "latest"), 0, "nothing to undo"),
        (("resume", "latest"), 0, "nothing is left to do"),
        (("doctor", "latest"), 0, "not kept: the run sent nothing"),
    ],
)
def test_every_command_says_what_such_a_run_is(
    bulkbind, quiet_run, command, code, words
):
    said = bulkbind(*command)

    assert said.code == code, said.err
    assert words in said.out + said.err
    assert quiet_run.name in said.out + said.err
    assert {command[0] for block in BLOCKS.values() if command[0] in block}


def test_scripts_are_told_how_much_is_kept(bulkbind, quiet_run):
    listed = bulkbind("runs", "--json").json["runs"]
    status = bulkbind("status", "--json").json

    assert [one["keeps"] for one in listed] == ["summary", "whole"]
    assert (status["keeps"], status["unchanged"], status["kept"]) == ("summary", 30, 0)


def test_after_a_run_without_news_the_next_one_starts_as_ever(
    bulkbind, quiet_run, folder, state, rows
):
    more = bindings(40, gateways=2)
    write_manifest(folder / "apis.csv", more)

    said = bulkbind("run", "job.toml", "--resume", "--json")

    assert said.json["verdicts"]["bound"] == 10
    assert said.json["verdicts"]["unchanged"] == 30
    assert len(runs_in(state)) == 3


def test_what_a_kill_left_is_removed_by_the_next_run(bulkbind, rows, state):
    bulkbind(*TICK)
    whole = latest(state)
    bulkbind(*TICK)
    run = latest(state)
    for name in ("ledger.db", "manifest.csv.gz", "report.csv"):
        (run / name).write_bytes((whole / name).read_bytes())
    (run / "control").mkdir()
    (run / "control/now").write_text("{}")

    assert RunFolder(run).facts().kept == "summary"
    finish_shrinking(StateFolder(state))

    assert not {"ledger.db", "manifest.csv.gz", "report.csv", "control"} & {
        path.name for path in run.iterdir()
    }
    assert (whole / "ledger.db").exists()
