"""A disk that is full before there is a run: what is told, and that nothing is left."""

import os
import resource
from functools import partial

import pytest

from tests.factories import bindings, runs_in, started, write_job, write_manifest

pytestmark = pytest.mark.crash

#: More than the pinned copy takes, less than a ledger of so many batches.
ROOM = 90 * 1024
ROWS = bindings(250)


@pytest.fixture
def cramped(folder):
    """Run a command that can write no file beyond a size, as on a full disk."""

    def run(*arguments, room=ROOM):
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (room, room))
        with started(*arguments, folder=folder, prepare=limit) as process:
            return process.wait()

    return run


@pytest.fixture
def unheard(folder):
    """Run a command whose standard output is on a full disk."""

    def fill():
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)

    def run(*arguments):
        with started(*arguments, folder=folder, prepare=fill) as process:
            return process.wait()

    return run


@pytest.fixture
def job(folder):
    write_manifest(folder / "apis.csv", ROWS)
    write_job(folder / "job.toml", "[plan]\nbatch_size = 1\n")


def assert_told_to_try_again(said):
    assert said.code == 2
    assert "the plan cannot be written" in said.err
    assert "nothing was sent: make room" in said.err
    assert "the same command again" in said.err
    assert "resume" not in said.err.partition("bulkbind: ")[2]
    assert "Traceback" not in said.err


def test_a_disk_that_fills_while_planning_is_no_reason_to_resume(
    bulkbind, cramped, folder, state, job, serve, remote
):
    with serve(ROWS) as served:
        said = cramped("run", "job.toml", *remote(served))
        left = runs_in(state)
        sent = served.requests
        again = bulkbind("run", "job.toml", *remote(served))

        assert served.bound == {row.bound for row in ROWS}
    assert_told_to_try_again(said)
    assert "full" in said.err or "I/O" in said.err
    assert (left, sent) == ([], {})
    assert again.code == 0


def test_a_disk_that_fills_while_a_plan_is_saved_leaves_none(
    bulkbind, cramped, folder, job
):
    said = cramped("plan", "job.toml", "-o", "job.plan")
    left = {path.name for path in folder.iterdir() if "plan" in path.name}

    assert_told_to_try_again(said)
    assert left == set()


def test_a_disk_that_fills_while_a_saved_plan_is_unpacked_is_not_the_plans_fault(
    bulkbind, cramped, folder, state, job, serve, remote
):
    with serve(ROWS) as served:
        bulkbind("plan", "job.toml", "-o", "job.plan", *remote(served)[:4])
        said = cramped("run", "job.plan", room=ROOM // 2)
        left = runs_in(state)
        again = bulkbind("run", "job.plan", "--rate", "unlimited")

        assert served.bound == {row.bound for row in ROWS}
    assert_told_to_try_again(said)
    assert "not a saved plan" not in said.err
    assert left == []
    assert again.code == 0


def test_a_plan_that_cannot_be_shown_is_no_reason_to_resume(unheard, job):
    said = unheard("plan", "job.toml")

    assert said.code == 2
    assert "No space left on device" in said.err
    assert "the same command again" in said.err
    assert "resume" not in said.err


def test_a_run_whose_answer_cannot_be_shown_says_where_it_is(
    bulkbind, unheard, state, job, serve, remote
):
    with serve(ROWS) as served:
        said = unheard(
            "run", "job.toml", *remote(served), "--set", "plan.batch_size=500"
        )

        assert served.bound == {row.bound for row in ROWS}
    assert said.code == 3
    assert "`bulkbind report latest` shows it" in said.err
    assert bulkbind("status", "--json").json["state"] == "finished"
