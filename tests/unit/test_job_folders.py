"""STATE and its runs: where they are, how one is found, what a killed run leaves."""

import json
import os
import stat
import subprocess
from contextlib import closing

import pytest

from bulkbind.errors import StateError, UnknownRun
from bulkbind.ledger import SqliteLedger
from bulkbind.model import PlanTotals, RunState, SourceFile
from bulkbind.report.files import sync_folder
from bulkbind.state.folders import RunFolder, StateFolder, locate_state

T0 = 1_767_323_045.0  # 2026-01-02T03:04:05Z


@pytest.fixture
def state(tmp_path) -> StateFolder:
    return StateFolder(tmp_path / ".bulkbind")


def make_run(
    state: StateFolder, *, job="cors", now=T0, ended=None, **meta
) -> RunFolder:
    """Make a run as far as its ledger; ``ended``: how its one invocation ended."""
    draft = state.new_run(now=now)
    with closing(SqliteLedger.create(draft.draft / "ledger.db", tool="t")) as ledger:
        ledger.begin()
        ledger.put_meta({"job": job, **meta})
        if ended is not None:
            number = ledger.start(command="run", operator="me@here", pid=1, at=now)
            if ended is not RunState.RUNNING:
                ledger.end(number, at=now + 1, state=ended, stopped_by="SIGINT")
        ledger.commit()
    return draft.keep()


# --- where STATE is -------------------------------------------------------------------


def located(tmp_path, *, given=None, environ=None, base=None) -> str:
    found = locate_state(given=given, environ=environ or {}, base=base)
    return str(found.path.relative_to(tmp_path))


def test_state_is_where_the_command_line_says(tmp_path):
    environ = {"BULKBIND_STATE_DIR": str(tmp_path / "b")}

    assert (
        located(tmp_path, given=tmp_path / "a", environ=environ, base=tmp_path) == "a"
    )


def test_state_is_where_the_environment_says(tmp_path):
    environ = {"BULKBIND_STATE_DIR": str(tmp_path / "b")}

    assert located(tmp_path, environ=environ, base=tmp_path) == "b"


def test_state_is_beside_the_job(tmp_path):
    assert located(tmp_path, base=tmp_path / "job") == "job/.bulkbind"


def test_without_a_job_state_is_looked_for_upwards(tmp_path, monkeypatch):
    (tmp_path / "a" / ".bulkbind").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b" / "c")

    assert located(tmp_path) == "a/.bulkbind"


def test_without_any_state_it_is_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert located(tmp_path) == ".bulkbind"


# --- what STATE is made of ------------------------------------------------------------


def test_state_is_private_and_invisible_to_git(state):
    state.prepare()

    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700
    assert (state.path / ".gitignore").read_text() == "*\n"


def test_preparing_twice_keeps_what_is_there(state):
    state.prepare()
    (state.path / ".gitignore").write_text("mine\n")
    state.prepare()

    assert (state.path / ".gitignore").read_text() == "mine\n"


def test_a_state_that_cannot_be_written_is_told(state, tmp_path):
    state.prepare()
    (state.path / ".gitignore").unlink()
    (state.path / ".gitignore").symlink_to(tmp_path / "none" / "x")

    with pytest.raises(StateError, match="cannot be written"):
        state.prepare()


def test_jobs_have_lock_files_of_their_own_whatever_they_are_called(state):
    paths = {state.lock_path(job) for job in ("a", "b", "../../x", "/abs/apis.csv", "")}

    assert len(paths) == 5
    assert {path.parent for path in paths} == {state.path / "locks"}


# --- runs come and go -----------------------------------------------------------------


def test_a_run_is_named_by_its_time_and_six_digits(state):
    run = make_run(state)

    assert run.id.startswith("20260102T030405Z-")
    assert len(run.id) == len("20260102T030405Z-") + 6


def test_a_run_appears_under_its_name_when_it_is_complete(state):
    draft = state.new_run(now=T0)
    unseen = state.runs()
    run = draft.keep()

    assert unseen == []
    assert state.runs() == [run]
    assert run.path.parent == state.runs_path
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700


def test_a_run_that_is_dropped_leaves_nothing(state):
    draft = state.new_run(now=T0)
    (draft.draft / "ledger.db").touch()
    draft.drop()

    assert list(state.runs_path.iterdir()) == []


def test_dropping_a_run_that_was_kept_does_it_no_harm(state):
    draft = state.new_run(now=T0)
    run = draft.keep()
    draft.drop()

    assert run.path.is_dir()


def test_a_half_made_run_of_a_dead_process_is_swept_away(state):
    state.prepare()
    dead = subprocess.Popen(["true"])
    dead.wait()
    (state.runs_path / f".unfinished-{dead.pid}-20260102T030405Z-abcdef").mkdir()
    state.sweep()

    assert list(state.runs_path.iterdir()) == []


def test_a_half_made_run_of_a_living_process_stays(state):
    draft = state.new_run(now=T0)
    state.sweep()

    assert draft.draft.is_dir()
    assert str(os.getpid()) in draft.draft.name


def test_sweeping_before_there_is_anything_does_nothing(state):
    state.sweep()

    assert not state.path.exists()


def test_runs_come_newest_first_and_nothing_else_is_one(state):
    old, new = make_run(state, now=T0), make_run(state, now=T0 + 60)
    for name in ("notes", "20260102T030405Z", "20260102T030405Z-abcdeg", "latest"):
        (state.runs_path / name).mkdir()

    assert state.runs() == [new, old]


def test_there_are_no_runs_before_the_first(state):
    assert state.runs() == []


def test_a_folder_can_be_made_durable(tmp_path):
    sync_folder(tmp_path)

    assert tmp_path.is_dir()


# --- finding a run --------------------------------------------------------------------


def test_a_run_is_found_by_id_and_by_a_unique_beginning(state):
    old, new = make_run(state, now=T0), make_run(state, now=T0 + 86_400)

    assert state.find(old.id) == old
    assert state.find(new.id[:8]) == new


def test_a_beginning_of_several_ids_is_refused(state):
    make_run(state, now=T0)
    make_run(state, now=T0 + 86_400)

    with pytest.raises(UnknownRun, match="'202601' begins 2 run ids; write more of it"):
        state.find("202601")


def test_a_job_name_finds_its_newest_run(state):
    make_run(state, job="cors", now=T0)
    newest = make_run(state, job="cors", now=T0 + 60)
    make_run(state, job="other", now=T0 + 120)

    assert state.find("cors") == newest


def test_latest_is_the_newest_run_of_any_job(state):
    make_run(state, job="cors", now=T0)
    newest = make_run(state, job="other", now=T0 + 60)

    assert state.find("latest") == newest


def test_latest_and_a_job_name_never_mean_a_rehearsal(state):
    real = make_run(state, job="cors", now=T0)
    rehearsal = make_run(state, job="cors@sandbox", now=T0 + 60)

    assert state.find("latest") == real
    assert state.find("cors") == real
    assert state.find("cors@sandbox") == rehearsal


def test_a_run_is_found_by_its_path(state, tmp_path, monkeypatch):
    run = make_run(state)
    monkeypatch.chdir(run.path.parent)

    assert StateFolder(tmp_path / "other").find(str(run.path)) == run
    assert state.find(f"./{run.id}") == run


def test_an_unknown_run_says_where_it_was_looked_for(state):
    make_run(state)

    with pytest.raises(
        UnknownRun, match=r"no run 'nope' in .*`bulkbind runs` lists them"
    ):
        state.find("nope")


@pytest.mark.parametrize("name", ["latest", "cors", "2026"])
def test_when_there_are_no_runs_one_is_told_how_to_start(state, name):
    with pytest.raises(UnknownRun, match=r"there are no runs in .*`bulkbind run`"):
        state.find(name)


def test_the_files_of_a_run_are_in_its_folder(state):
    run = make_run(state)
    files = (run.ledger, run.pin, run.events, run.summary)

    assert {path.parent for path in files} == {run.path}
    assert run.state_path == state.path


def test_a_run_of_the_state_at_hand_is_called_by_its_id(state, tmp_path, monkeypatch):
    run = make_run(state)
    monkeypatch.delenv("BULKBIND_STATE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)

    assert run.handle == run.id


def test_a_run_elsewhere_is_called_by_its_path(state, tmp_path, monkeypatch):
    run = make_run(state)
    monkeypatch.delenv("BULKBIND_STATE_DIR", raising=False)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".bulkbind").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)

    assert run.handle == f"../.bulkbind/runs/{run.id}"


# --- what a ledger says of its run ----------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "meta", "expected", "unfinished"),
    [
        (None, {}, RunState.PLANNED, True),
        (RunState.RUNNING, {}, RunState.RUNNING, True),
        (RunState.STOPPED, {}, RunState.STOPPED, True),
        (RunState.FINISHED, {}, RunState.FINISHED, False),
        (RunState.STOPPED, {"abandoned_by": "R2"}, RunState.ABANDONED, False),
    ],
)
def test_a_run_stands_where_its_last_invocation_left_it(
    state, ended, meta, expected, unfinished
):
    facts = make_run(state, ended=ended, **meta).facts()

    assert facts.state is expected
    assert facts.is_unfinished is unfinished


def test_what_stopped_a_run_is_what_stopped_its_last_invocation(state):
    assert make_run(state, ended=RunState.STOPPED).facts().stopped_by == "SIGINT"
    assert make_run(state, now=T0 + 1).facts().stopped_by == ""


def test_facts_of_the_plan_come_back(state):
    facts = make_run(
        state,
        carried=json.dumps(["owner", "ü"]),
        files=json.dumps([["apis.csv", "ab" * 32, 7]]),
        totals=json.dumps({"rows": 3, "bindings": 2}),
    ).facts()

    assert facts.texts("carried") == ("owner", "ü")
    assert facts.files == (SourceFile("apis.csv", "ab" * 32, 7),)
    assert facts.totals == PlanTotals(rows=3, bindings=2)


def test_runs_of_one_second_sort_by_age(tmp_path):
    state = StateFolder(tmp_path / ".bulkbind")

    made = []
    for _ in range(20):
        draft = state.new_run(now=1_700_000_000.0)
        draft.draft.rename(draft.final)
        made.append(draft.final.name)

    assert [run.id for run in state.runs()] == made[::-1]
