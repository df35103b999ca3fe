"""A job on hold: its `run` and `resume` send nothing, and say who holds it and why."""

import json
import shutil
import stat

import pytest

from tests.factories import bindings, latest, runs_in, write_job, write_manifest


@pytest.fixture
def rows():
    return bindings(20)


@pytest.fixture
def job(folder, rows):
    write_manifest(folder / "apis.csv", rows)
    return write_job(folder / "job.toml", name="cors-rollout")


def the_hold(state):
    (path,) = (state / "holds").iterdir()
    return path


def test_a_paused_job_does_not_run_and_says_who_holds_it_and_how_to_release_it(
    bulkbind, state, rows, serve, remote, job
):
    with serve(rows) as served:
        paused = bulkbind("pause", job, "--note", "freeze until Monday")
        said = bulkbind("run", job, *remote(served))

        assert not served.requests
    holder = json.loads(the_hold(state).read_text())["holder"]
    assert paused.code == 0
    assert said.code == 3
    assert "cors-rollout is on hold" in said.err
    assert "freeze until Monday" in said.err
    assert holder in said.err
    assert "`bulkbind unpause cors-rollout`" in said.err
    assert runs_in(state) == []


def test_an_unpaused_job_runs(bulkbind, rows, serve, remote, job):
    with serve(rows) as served:
        bulkbind("pause", job)
        bulkbind("unpause", job)
        said = bulkbind("run", job, *remote(served))

        assert served.bound == {row.bound for row in rows}
    assert said.code == 0


def test_a_run_of_a_paused_job_is_not_resumed(
    bulkbind, state, rows, serve, remote, job
):
    with serve(rows) as served:
        bulkbind("run", job, *remote(served))
        bulkbind("pause", "cors-rollout")
        said = bulkbind("resume", latest(state).name)

    assert said.code == 3
    assert "on hold" in said.err


def test_a_saved_plan_of_a_paused_job_is_not_run(bulkbind, rows, serve, remote, job):
    with serve(rows) as served:
        bulkbind("plan", job, *remote(served), "-o", "big.plan")
        bulkbind("pause", "big.plan")
        said = bulkbind("run", "big.plan")

        assert not served.journal
    assert said.code == 3


@pytest.mark.parametrize("command", [["plan"], ["run", "--dry-run"]])
def test_a_plan_of_a_paused_job_is_shown(bulkbind, rows, serve, remote, job, command):
    with serve(rows) as served:
        bulkbind("pause", job)
        said = bulkbind(*command, job, *remote(served))

    assert said.code == 0


def test_another_job_goes_on(bulkbind, folder, rows, serve, remote, job):
    other = write_job(folder / "other.toml", name="other")

    with serve(rows) as served:
        bulkbind("pause", job)
        said = bulkbind("run", other, *remote(served))

    assert said.code == 0


def test_a_rehearsal_has_a_hold_of_its_own(bulkbind, folder, rows, job):
    endpoint = '[account]\nendpoint = "https://apig.example.com"\n'
    real = write_job(folder / "real.toml", endpoint, name="real")
    bulkbind("pause", real)

    said = bulkbind("run", real, "--endpoint", "sandbox")

    assert said.code == 0


def test_a_hold_is_private(bulkbind, state, job):
    bulkbind("pause", job)

    path = the_hold(state)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_first_hold_stands(bulkbind, state, job):
    bulkbind("pause", job, "--note", "first")
    said = bulkbind("pause", job, "--note", "second")

    assert said.code == 0
    assert "on hold already" in said.err
    assert json.loads(the_hold(state).read_text())["why"] == "first"


def test_a_hold_that_cannot_be_read_holds(bulkbind, state, job):
    bulkbind("pause", job)
    the_hold(state).write_text("{")

    said = bulkbind("run", job)

    assert said.code == 3
    assert "cannot be read" in said.err


def test_a_job_that_is_not_on_hold_may_be_unpaused(bulkbind, job):
    said = bulkbind("unpause", job)

    assert said.code == 0
    assert "not on hold" in said.err


@pytest.mark.parametrize("command", ["pause", "unpause"])
def test_a_job_that_nobody_knows_is_a_mistake(bulkbind, state, command):
    said = bulkbind(command, "cors-rolout")

    assert said.code == 2
    assert "no job 'cors-rolout'" in said.err
    assert not (state / "holds").exists()


@pytest.mark.parametrize("command", ["pause", "unpause"])
def test_a_run_that_has_ended_is_neither_paused_nor_unpaused(
    bulkbind, state, job, command
):
    bulkbind("run", job)

    said = bulkbind(command, latest(state).name)

    assert said.code == 2
    assert "not at work: it is finished" in said.err
    assert not (state / "holds").exists()


@pytest.mark.usefixtures("live")
def test_names_never_find_an_undo(bulkbind, state, job):
    bulkbind("run", job)
    run = latest(state).name
    said = bulkbind("undo", run)
    undo = latest(state).name

    assert said.code == 0
    for name in ("latest", "cors-rollout"):
        assert bulkbind("status", name, "--json").json["run_id"] == run
    assert bulkbind("status", undo, "--json").json["run_id"] == undo
    assert f"cors-rollout (undo of {run})" in bulkbind("runs").out


@pytest.mark.usefixtures("live")
def test_a_hold_stands_unless_its_undo_never_began(bulkbind, state, job):
    bulkbind("run", job)
    run = latest(state).name

    bulkbind("undo", run)
    undo = latest(state)
    bulkbind("undo", run)
    assert json.loads(the_hold(state).read_text())["undo"] == undo.name
    shutil.rmtree(undo)
    bulkbind("undo", run)
    assert json.loads(the_hold(state).read_text())["undo"] == latest(state).name
    bulkbind("unpause", job)
    bulkbind("pause", job, "--note", "by hand")
    bulkbind("undo", run)
    assert json.loads(the_hold(state).read_text())["why"] == "by hand"


@pytest.mark.usefixtures("live")
def test_an_undo_without_a_hold_lets_the_job_run_at_once(bulkbind, state, job):
    bulkbind("run", job)
    bulkbind("undo", latest(state).name, "--no-hold")
    said = bulkbind("run", job, "--json")

    assert said.code == 0
    assert said.json["verdicts"]["bound"] == 20
    assert not (state / "holds").exists()
