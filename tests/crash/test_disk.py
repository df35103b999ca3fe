"""A disk that is full before there is a run: what is told, and that nothing is left."""

import resource
from functools import partial

import pytest

from tests.factories import bindings, runs_in, started, write_job, write_manifest

pytestmark = pytest.mark.crash

#: More than the pinned copy takes, less than a ledger of so many batches.
ROOM = 100 * 1024
ROWS = bindings(500)


@pytest.fixture
def cramped(folder):
    """Run a command that can write no file beyond a size, as on a full disk."""
    room = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (ROOM, ROOM))

    def run(*arguments):
        with started(*arguments, folder=folder, prepare=room) as process:
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
        said = cramped("run", "job.plan")
        left = runs_in(state)
        again = bulkbind("run", "job.plan", "--rate", "unlimited")

        assert served.bound == {row.bound for row in ROWS}
    assert_told_to_try_again(said)
    assert "not a saved plan" not in said.err
    assert left == []
    assert again.code == 0
