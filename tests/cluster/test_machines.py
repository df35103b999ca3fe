"""Runs whose accounts many machines work: a real Dask scheduler, real processes."""

import signal
from collections import Counter
from functools import partial

import pytest

from bulkbind.sandbox import SandboxOptions
from tests.cluster.accounts import environ_of, rows_of_accounts, write_accounts
from tests.cluster.machines import machines
from tests.factories import (
    has_seen,
    lasting,
    latest,
    report_of,
    runs_in,
    started,
    until,
)

ACCOUNTS = 4


@pytest.fixture
def rows(monkeypatch):
    for name, value in environ_of(ACCOUNTS).items():
        monkeypatch.setenv(name, value)
    return rows_of_accounts(ACCOUNTS, 50)


def many(database, scheduler="local"):
    return (
        *("--set", f"cluster.ledger={database}", "--set", "plan.batch_size=5"),
        *("--set", f"cluster.scheduler={scheduler}"),
    )


def test_workers_on_this_machine_come_to_the_same_as_one_process(
    bulkbind, state, tmp_path, rows, serve, database, live
):
    wanted = [row for _, row in rows]
    plain = ("--set", "plan.batch_size=5", "--state-dir", tmp_path / "plain")
    with serve(wanted, missing=2, unpublished=1) as served:
        path = write_accounts(state.parent, served.url, rows)
        expected = bulkbind("run", path, *plain, "--json")
    (tmp_path / "world.db").unlink()
    with serve(wanted, missing=2, unpublished=1) as served:
        path = write_accounts(state.parent, served.url, rows)
        said = bulkbind("run", path, *many(database), "--json")

    assert said.code == expected.code == 1, said.err
    assert said.json["verdicts"] == expected.json["verdicts"]
    assert lasting(report_of(state)) == lasting(report_of(tmp_path / "plain"))


# --- faults ---------------------------------------------------------------------------

SLOW = SandboxOptions(latency_s=0.05)


def _stray(served):
    """Count the batches that were sent more than once."""
    sent = Counter(entry.ids for entry in served.journal)
    return sum(many - 1 for many in sent.values())


@pytest.fixture
def site(rows, state, tmp_path, serve, database):
    """Slow gateways, and a job for them on a scheduler of its own."""
    with (
        serve([row for _, row in rows], options=SLOW) as served,
        machines(tmp_path, environ_of(ACCOUNTS)) as made,
    ):
        path = write_accounts(state.parent, served.url, rows)
        yield served, made, ("run", path, *many(database, made.address))


def test_workers_that_are_killed_are_replaced(site, folder, rows):
    served, made, command = site
    kills = 6
    with started(*command, folder=folder) as process:
        for kill in range(kills):
            until(partial(has_seen, served, 3 + 4 * kill), alive=process)
            made.add_worker()
            made.kill(made.workers[0])
        ended = process.wait()

    assert ended.code == 0, ended.err + made.said
    assert served.bound == {row.bound for _, row in rows}
    assert _stray(served) <= kills * ACCOUNTS


def test_a_scheduler_that_is_killed_and_started_again_costs_nothing(site, folder, rows):
    served, made, command = site
    with started(*command, folder=folder) as process:
        until(partial(has_seen, served, 5), alive=process)
        made.kill_scheduler()
        made.start_scheduler()  # as whoever supervises them does
        made.add_worker()
        made.add_worker()
        ended = process.wait()

    assert ended.code == 0, ended.err + made.said
    assert served.bound == {row.bound for _, row in rows}
    assert _stray(served) <= ACCOUNTS


def test_a_coordinator_that_is_killed_is_followed_by_another(
    site, bulkbind, folder, state, rows
):
    served, _, command = site
    with started(*command, folder=folder) as process:
        until(partial(has_seen, served, 5), alive=process)
        process.kill()
    said = bulkbind(*command, "--resume")

    assert said.code == 0, said.err
    assert served.bound == {row.bound for _, row in rows}
    assert len(runs_in(state)) == 1
    assert _stray(served) <= ACCOUNTS


def test_a_worker_that_is_frozen_is_fenced(site, folder, rows):
    served, made, command = site
    with started(*command, folder=folder) as process:
        until(partial(has_seen, served, 5), alive=process)
        frozen = made.workers[0]
        frozen.send_signal(signal.SIGSTOP)
        ended = process.wait()
        frozen.send_signal(signal.SIGCONT)
        until(lambda: frozen.poll() is not None)  # its scheduler has given it up

    assert ended.code == 0, ended.err + made.said
    assert served.bound == {row.bound for _, row in rows}
    assert _stray(served) <= ACCOUNTS


def test_people_stop_a_run_on_all_machines(site, bulkbind, folder, state, rows):
    served, _, command = site
    command = (*command, "--set", "plan.batch_size=1")
    with started(*command, folder=folder) as process:
        until(partial(has_seen, served, 3), alive=process)
        stopped = bulkbind("stop", latest(state).name)
        ended = process.wait()
    before = len(served.journal)
    resumed = bulkbind("resume", "latest")

    assert stopped.code == 0, stopped.err
    assert ended.code == 3, ended.err
    assert before < len(rows)
    assert resumed.code == 0, resumed.err
    assert served.bound == {row.bound for _, row in rows}
    assert _stray(served) == 0
