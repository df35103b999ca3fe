"""Runs whose accounts many machines work: a real Dask scheduler, real processes."""

import signal
import time
from functools import partial

import pytest

from bulkbind.ledger.lease import TTL_S
from bulkbind.sandbox import SandboxOptions
from tests.cluster.accounts import environ_of, rows_of_accounts, write_accounts
from tests.cluster.counting import gateway_of, owned_by, owners, pauses_s, repeats
from tests.cluster.machines import WORKER_TTL_S, machines
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

#: A frozen owner is followed when its lease is over, and its scheduler has given it up
#: (looked at once in its patience); then its account is asked for again each second,
#: and each time a second is waited for its row. The rest is a loaded machine's.
TAKEOVER_S = max(TTL_S, 2 * WORKER_TTL_S) + 2 + 8


@pytest.fixture
def site(rows, state, tmp_path, serve, database):
    """Slow gateways, and a job for them on a scheduler of its own."""
    with (
        serve([row for _, row in rows], options=SLOW) as served,
        machines(tmp_path, environ_of(ACCOUNTS)) as made,
    ):
        path = write_accounts(state.parent, served.url, rows)
        yield served, made, ("run", path, *many(database, made.address))


def _kill(made, database):
    """Kill a worker; return the accounts that it owned."""
    worker = made.workers[0]
    made.freeze(worker)
    owned = owned_by(worker, database)
    made.kill(worker)
    return owned


def test_workers_that_are_killed_are_replaced(site, folder, rows, database):
    served, made, command = site
    interrupted = []
    with started(*command, folder=folder) as process:
        for kill in range(6):
            until(partial(has_seen, served, 3 + 4 * kill), alive=process)
            made.add_worker()
            interrupted += _kill(made, database)
        ended = process.wait()

    assert ended.code == 0, ended.err + made.said
    assert served.bound == {row.bound for _, row in rows}
    assert interrupted
    assert repeats(served.journal).total() <= len(interrupted)


def test_a_scheduler_that_is_killed_and_started_again_costs_nothing(
    site, folder, rows, database
):
    served, made, command = site
    with started(*command, folder=folder) as process:
        until(partial(has_seen, served, 5), alive=process)
        made.kill_scheduler()
        at_work = owners(database)  # until they find out, and end
        made.start_scheduler()  # as whoever supervises them does
        made.add_worker()
        made.add_worker()
        ended = process.wait()

    assert ended.code == 0, ended.err + made.said
    assert served.bound == {row.bound for _, row in rows}
    assert at_work
    assert repeats(served.journal).total() <= len(at_work)


def test_a_coordinator_that_is_killed_is_followed_by_another(
    site, bulkbind, folder, state, rows
):
    served, _, command = site
    with started(*command, folder=folder) as process:
        until(partial(has_seen, served, 5), alive=process)
        process.kill()
    before = len(served.journal)
    said = bulkbind(*command, "--resume")

    assert said.code == 0, said.err
    assert before < len(served.journal)
    assert served.bound == {row.bound for _, row in rows}
    assert len(runs_in(state)) == 1
    assert not repeats(served.journal)


def test_a_worker_that_is_frozen_is_fenced(site, folder, rows, database):
    """It wakes up while others work its accounts: at most one request each is stray."""
    served, made, command = site
    command = (*command, "--set", "plan.batch_size=1")
    with started(*command, folder=folder) as process:
        until(partial(has_seen, served, 5), alive=process)
        frozen = next(one for one in made.workers if owned_by(one, database))
        made.freeze(frozen)
        at = time.time()
        mine = owned_by(frozen, database)
        until(
            lambda: (
                not owned_by(frozen, database)
                and len(pauses_s(served.journal, mine, at + 1)) == len(mine)
            ),
            alive=process,
        )
        before = repeats(served.journal)
        frozen.send_signal(signal.SIGCONT)
        is_woken_meanwhile = process.is_running
        ended = process.wait()
        until(lambda: frozen.poll() is not None)  # its scheduler has given it up

    again = repeats(served.journal)
    assert ended.code == 0, ended.err + made.said
    assert served.bound == {row.bound for _, row in rows}
    assert mine
    assert is_woken_meanwhile
    assert again.keys() <= {gateway_of(account) for account in mine}
    assert all(count == 1 for count in again.values())
    assert (again - before).total() <= len(mine)
    assert max(pauses_s(served.journal, mine, at + 1)) + 1 < TAKEOVER_S


def test_a_run_on_many_machines_outlives_a_restart_of_its_database(
    bulkbind, state, tmp_path, rows, serve, server
):
    folder, wanted = state.parent, [row for _, row in rows]
    plain = ("--set", "plan.batch_size=5", "--state-dir", tmp_path / "plain")
    with serve(wanted, missing=2, unpublished=1) as served:
        path = write_accounts(folder, served.url, rows)
        expected = bulkbind("run", path, *plain, "--json")
    (tmp_path / "world.db").unlink()
    with (
        serve(wanted, missing=2, unpublished=1, options=SLOW) as served,
        machines(tmp_path, environ_of(ACCOUNTS)) as made,
    ):
        path = write_accounts(folder, served.url, rows)
        command = ("run", path, *many(server.url(), made.address))
        with started(*command, folder=folder) as process:
            until(partial(has_seen, served, 8), alive=process)
            server.stop()
            before = len(served.journal)
            server.start()
            ended = process.wait()
        sent = len(served.journal)
        again = [entry for entry in served.journal if len(entry.ids) == 5]

    assert ended.code == expected.code == 1, ended.err
    assert before < sent
    assert not repeats(again)
    assert lasting(report_of(state)) == lasting(report_of(tmp_path / "plain"))


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
    assert not repeats(served.journal)
