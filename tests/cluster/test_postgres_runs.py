"""Whole runs whose ledger is in PostgreSQL."""

import signal
import time
from contextlib import closing
from functools import partial

import pytest

from bulkbind.ledger.lease import Terms, take
from bulkbind.ledger.postgres_session import Session
from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    bindings,
    has_seen,
    lasting,
    latest,
    report_of,
    runs_in,
    shuffled,
    started,
    until,
    write_job,
    write_manifest,
)
from tests.postgres import PASSWORD

SMALL = ("--set", "plan.batch_size=5")
BATCHES = 60


@pytest.fixture
def rows(folder):
    """A job of 60 batches on three gateways, with some repeats."""
    rows = shuffled(bindings(300, gateways=3), seed=3)
    rows = [*rows, *rows[:7]]
    write_job(folder / "job.toml")
    write_manifest(folder / "apis.csv", rows)
    return rows


def at(url):
    return ("--set", f"cluster.ledger={url}")


def test_a_run_comes_to_the_same_in_both_ledgers(
    bulkbind, state, tmp_path, rows, serve, remote, database
):
    with serve(rows, missing=2, unpublished=1) as served:
        plain = (*remote(served), *SMALL, "--state-dir", tmp_path / "plain")
        expected = bulkbind("run", "job.toml", *plain, "--json")
    (tmp_path / "world.db").unlink()
    with serve(rows, missing=2, unpublished=1) as served:
        said = bulkbind(
            "run", "job.toml", *remote(served), *SMALL, *at(database), "--json"
        )

    assert said.code == expected.code
    assert said.json["verdicts"] == expected.json["verdicts"]
    assert said.json["requests"] == expected.json["requests"]
    assert lasting(report_of(state)) == lasting(report_of(tmp_path / "plain"))
    assert not (latest(state) / "ledger.db").exists()
    for command in ("status", "report", "runs"):
        assert bulkbind(command).code == 0


def test_a_killed_run_goes_on_where_it_was(
    bulkbind, folder, state, rows, serve, remote, database
):
    with serve(rows, options=SandboxOptions(latency_s=0.03)) as served:
        command = ("run", "job.toml", *remote(served), *SMALL, *at(database))
        for wanted in (10, 25, 40):
            with started(*command, folder=folder) as process:
                until(partial(has_seen, served, wanted), alive=process)
                process.kill()
            assert bulkbind("status", "--json").json["state"] == "interrupted"
            command = ("resume", "latest")
        said = bulkbind("resume", "latest", "--json")
        sent = [entry.ids for entry in served.journal if entry.status == 201]

        assert served.bound == {row.bound for row in rows}
    assert said.code == 0
    assert said.json["verdicts"]["bound"] == 300
    assert len(runs_in(state)) == 1
    assert len(set(sent)) == BATCHES
    assert len(sent) - BATCHES <= 3 * 3


def test_a_run_can_be_undone_and_proved(
    bulkbind, folder, rows, serve, remote, database, monkeypatch
):
    monkeypatch.delenv("BULKBIND_SAFETY_LIVE")
    with serve(rows) as served:
        ran = bulkbind("run", "job.toml", *remote(served), *SMALL, *at(database))
        verified = bulkbind("verify", "latest")
        examined = bulkbind("doctor", "latest")
        undone = bulkbind("undo", "latest")

        assert served.bound == set()
    assert (ran.code, verified.code, undone.code) == (0, 0, 0), undone.err
    assert examined.code == 0, examined.out


# --- a server that is away ------------------------------------------------------------


def test_nothing_is_sent_when_the_ledger_cannot_be_reached(
    bulkbind, folder, state, rows, serve, remote, server
):
    server.stop()
    with serve(rows) as served:
        said = bulkbind("run", "job.toml", *remote(served), *at(server.url()))

        assert not served.requests
    assert said.code == 2
    assert "cannot be reached" in said.err
    assert "see to the server" in said.err
    assert runs_in(state) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_run_outlives_a_restart_of_its_server(
    bulkbind, folder, rows, serve, remote, server, how
):
    with serve(rows, options=SandboxOptions(latency_s=0.02)) as served:
        command = ("run", "job.toml", *remote(served), *SMALL, *at(server.url()))
        with started(*command, folder=folder) as process:
            until(lambda: len(served.journal) >= 15, alive=process)
            server.stop(how=how)
            before = len(served.journal)
            server.start()
            ended = process.wait()
        said = bulkbind("status", "--json")
        sent = [entry.ids for entry in served.journal if entry.status == 201]

        assert served.bound == {row.bound for row in rows}
    assert ended.code == 0
    assert before < BATCHES
    assert said.json["state"] == "finished"
    assert sorted(sent) == sorted(set(sent))


# --- secrets --------------------------------------------------------------------------


def test_a_password_in_the_address_is_refused_and_not_repeated(bulkbind, rows):
    url = f"postgresql://me:{PASSWORD}@127.0.0.1/ledgers"

    said = bulkbind("run", "job.toml", "--endpoint", "sandbox", *at(url))

    assert said.code == 2
    assert "PGPASSFILE" in said.err
    assert PASSWORD not in said.err + said.out


def test_the_password_comes_from_the_environment_and_is_never_shown(
    bulkbind, state, rows, serve, remote, postgres, monkeypatch
):
    url = postgres.loopback_url(postgres.new_database())

    with serve(rows) as served:
        command = ("run", "job.toml", *remote(served), *SMALL, *at(url))
        monkeypatch.setenv("PGPASSWORD", f"not-{PASSWORD}")
        refused = bulkbind(*command)
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        taken = bulkbind(*command)

    assert (refused.code, taken.code) == (2, 0)
    assert "password authentication failed" in refused.err
    said = refused.err + refused.out + taken.err + taken.out
    kept = [path.read_bytes() for path in state.rglob("*") if path.is_file()]
    assert PASSWORD not in said
    assert not any(PASSWORD.encode() in text for text in kept)


# --- several hosts --------------------------------------------------------------------


def test_a_job_that_another_host_works_on_is_busy(
    bulkbind, folder, tmp_path, rows, serve, remote, database
):
    """Another STATE and host folder stand for another host."""
    with serve(rows, options=SandboxOptions(latency_s=0.15)) as served:
        command = ("run", "job.toml", *remote(served), *SMALL, *at(database))
        elsewhere = ("--state-dir", tmp_path / "elsewhere")
        environ = {"BULKBIND_HOST_DIR": str(tmp_path / "other")}
        with started(*command, *elsewhere, folder=folder, environ=environ) as run:
            until(partial(has_seen, served, 3), alive=run)
            busy = bulkbind(*command)
            run.kill()
        free = bulkbind(*command)

    assert (busy.code, free.code) == (75, 0)
    assert "a process at its own host" in busy.err


def _take_over(session, postgres, name):
    """Become the owner of the one account, as if its owner had long been silent."""
    ((account,),) = postgres.execute("SELECT account FROM bulkbind.lease", name)
    later = Terms(now=time.time() + 3600)
    return take(session, account, owner="elsewhere pid 1", terms=later)


def test_a_run_whose_account_is_taken_over_sends_nothing_more(
    bulkbind, folder, state, rows, serve, remote, postgres
):
    url = postgres.url(name := postgres.new_database())
    with (
        closing(Session(url, "", writes=True)) as other,
        serve(rows, options=SandboxOptions(latency_s=0.05)) as served,
    ):
        command = ("run", "job.toml", *remote(served), *SMALL, *at(url))
        with started(*command, folder=folder) as run:
            until(partial(has_seen, served, 10), alive=run)
            lease = _take_over(other, postgres, name)
            before = len(served.journal)
            ended = run.wait()
        stray = len(served.journal) - before
        busy = bulkbind("resume", "latest")
        lease.release(other)
        said = bulkbind("resume", "latest", "--json")

        assert served.bound == {row.bound for row in rows}
    assert ended.code == 3
    assert "another process works" in ended.err + ended.out
    assert stray <= 3  # one on each gateway was on its way
    assert busy.code == 75
    assert "elsewhere pid 1" in busy.err
    assert said.code == 0


def test_an_ended_run_leaves_its_account_free(bulkbind, rows, serve, remote, postgres):
    name = postgres.new_database()
    with serve(rows) as served:
        said = bulkbind(
            "run", "job.toml", *remote(served), *SMALL, *at(postgres.url(name))
        )

    assert said.code == 0
    ((epoch, expires),) = postgres.execute(
        "SELECT epoch, expires FROM bulkbind.lease", name
    )
    assert (epoch, expires) == (1, 0)


def test_another_host_finishes_a_run_by_its_id_alone(
    bulkbind, tmp_path, rows, serve, remote, database, monkeypatch
):
    folder = tmp_path / "job"
    with serve(rows, options=SandboxOptions(latency_s=0.03)) as served:
        command = ("run", "job.toml", *remote(served), *SMALL, *at(database))
        with started(*command, folder=folder) as run:
            until(partial(has_seen, served, 10), alive=run)
            run.kill()
        run_id = latest(folder / ".bulkbind").name
        monkeypatch.setenv("BULKBIND_HOST_DIR", str(tmp_path / "other"))
        elsewhere = ("--state-dir", tmp_path / "elsewhere")
        said = bulkbind("resume", run_id, *at(database), *elsewhere, "--json")
        unknown = bulkbind("resume", "latest", *at(database), *elsewhere)

        assert served.bound == {row.bound for row in rows}
    assert said.code == 0
    assert said.json["verdicts"]["bound"] == 300
    assert len(report_of(tmp_path / "elsewhere")) == len(rows)
    assert bulkbind("status", run_id, "--json").json["state"] == "finished"
    assert unknown.code == 2
