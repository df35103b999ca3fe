"""A run in a database, asked and watched from a host that did not plan it.

Another host is another STATE, an address of the database, and nothing else.
"""

import signal
from functools import partial

import psycopg
import pytest

from bulkbind.ledger import postgres_schema as schema
from bulkbind.sandbox import SandboxOptions
from tests.cluster.accounts import environ_of, rows_of_accounts, write_accounts
from tests.cluster.machines import machines
from tests.factories import (
    bindings,
    has_seen,
    latest,
    read_csv,
    runs_in,
    started,
    until,
    write_job,
    write_manifest,
)

SLOW = SandboxOptions(latency_s=0.03)


@pytest.fixture
def rows(folder):
    rows = bindings(200, gateways=2)
    write_job(folder / "job.toml")
    write_manifest(folder / "apis.csv", rows)
    return rows


@pytest.fixture
def elsewhere(bulkbind, tmp_path, database, monkeypatch):
    """``bulkbind`` on another host; what it says of a run there."""
    monkeypatch.setenv("BULKBIND_LEDGER", database)

    def run(*arguments):
        return bulkbind(*arguments, "--state-dir", tmp_path / "elsewhere")

    return run


@pytest.fixture
def command(remote, database):
    """The command that runs the job, a row a request."""

    def line(served):
        return (
            *("run", "job.toml", *remote(served), "--set", "plan.batch_size=1"),
            *("--set", f"cluster.ledger={database}"),
        )

    return line


def test_a_run_is_asked_and_watched_from_any_host(
    elsewhere, folder, rows, serve, command
):
    with serve(rows, options=SLOW) as served:
        with started(*command(served), folder=folder) as process:
            until(partial(has_seen, served, 3), alive=process)
            assert elsewhere("pause", "latest").code == 0
            paused = elsewhere("status", "--json")
            sent = len(served.journal)
            faster = elsewhere("set", "latest", "rate=50/s", "concurrency=1")
            assert len(served.journal) == sent
            assert elsewhere("unpause", "latest").code == 0
            until(partial(has_seen, served, sent + 3), alive=process)
            until(partial(_says, elsewhere, rate="50/s", concurrency=1), alive=process)
            stopped = elsewhere("stop", "latest")
            ended = process.wait()
        before = len(served.journal)
        ask_again = elsewhere("pause", "latest")
        resumed = elsewhere("resume", "latest")
        assert served.bound == {row.bound for row in rows}

    assert paused.json["at_work"], paused.out
    assert paused.json["now"]["paused_by"].startswith("paused by ")
    assert "obeys" in faster.err
    assert (stopped.code, ended.code) == (0, 3), ended.err
    assert before < len(rows)
    assert ask_again.code == 2
    assert "is not at work: it is stopped" in ask_again.err
    assert resumed.code == 0, resumed.err


def _says(elsewhere, *, rate, concurrency):
    now = elsewhere("status", "--json").json["now"]
    is_so = now["concurrency"] == concurrency and now["accounts"][0]["rate"] == rate
    return is_so and not now["paused_by"]


def test_all_machines_obey_and_tell(elsewhere, folder, serve, command, monkeypatch):
    for name, value in environ_of(3).items():
        monkeypatch.setenv(name, value)
    many = rows_of_accounts(3, 200)
    with serve([row for _, row in many], options=SLOW) as served:
        path = write_accounts(folder, served.url, many)
        line = ("run", path, *command(served)[-4:], "--set", "cluster.scheduler=local")
        with started(*line, folder=folder) as process:
            until(partial(has_seen, served, 3), alive=process)
            slower = elsewhere("set", "latest", "rate=6/s")
            now = until(partial(_all_go_at, elsewhere, "6/s"), alive=process)
            assert elsewhere("pause", "latest").code == 0
            until(partial(_all_wait, elsewhere, "paused", lanes=3), alive=process)
            sent = len(served.journal)
            assert elsewhere("unpause", "latest").code == 0
            until(partial(has_seen, served, sent + 3), alive=process)
            stopped = elsewhere("stop", "latest")
            ended = process.wait()

    assert "obeys" in slower.err
    assert [one["account"] for one in now["accounts"]] == ["team0", "team1", "team2"]
    assert (stopped.code, ended.code) == (0, 3), ended.err


def _all_go_at(elsewhere, rate):
    now = elsewhere("status", "--json").json["now"]
    is_so = [one["rate"] for one in now["accounts"]] == [rate] * 3
    return now if is_so else None


def _all_wait(elsewhere, why, *, lanes):
    reasons = elsewhere("status", "--json").json["now"]["reasons"]
    return reasons == [{"why": why, "lanes": lanes, "seconds": None}]


def test_a_pause_made_by_hand_is_ended_from_another_host(
    elsewhere, folder, state, rows, serve, command
):
    with (
        serve(rows, options=SLOW) as served,
        started(*command(served), folder=folder) as process,
    ):
        until(partial(has_seen, served, 3), alive=process)
        (latest(state) / "control" / "pause").touch()
        until(lambda: elsewhere("status", "--json").json["now"]["paused_by"])
        assert elsewhere("unpause", "latest").code == 0
        ended = process.wait()

    assert ended.code == 0, ended.err


def test_another_host_reads_and_goes_on_with_what_a_killed_one_left(
    elsewhere, folder, tmp_path, rows, serve, command
):
    with serve(rows, options=SLOW) as served:
        with started(*command(served), folder=folder) as process:
            until(partial(has_seen, served, 20), alive=process)
            process.kill()
        listed = until(lambda: _state_is(elsewhere, "interrupted"))
        said = elsewhere(*command(served), "--resume", "--json")
        report = elsewhere("report", "latest", "-o", tmp_path / "r.csv")
        verified = elsewhere("verify", "latest")
        assert served.bound == {row.bound for row in rows}
        attaches = len(served.journal)

    assert [run["job"] for run in listed] == ["job"]
    assert said.code == 0, said.err
    assert said.json["run_id"] == listed[0]["run_id"]
    assert len(runs_in(tmp_path / "elsewhere")) == 1
    assert attaches <= len(rows) + 2  # a lane each may repeat its last
    assert report.code == verified.code == 0, report.err + verified.err
    assert [row["verdict"] for row in read_csv(tmp_path / "r.csv")] == ["bound"] * 200


def _state_is(elsewhere, wanted):
    runs = elsewhere("runs", "--json").json["runs"]
    return runs if [run["state"] for run in runs] == [wanted] else None


def test_a_hold_holds_on_every_host_and_is_released_from_any(
    bulkbind, elsewhere, rows, state, serve, command, monkeypatch
):
    with serve(rows) as served:
        line = command(served)
        monkeypatch.delenv("BULKBIND_SAFETY_LIVE")
        assert bulkbind(*line).code == 0
        undone = bulkbind("undo", "latest")
        held = elsewhere(*line)
        released = elsewhere("unpause", "job")
        again = bulkbind(*line)
        paused = elsewhere("pause", "job", "--note", "a freeze")
        held_here = bulkbind(*line)

    assert undone.code == 0, undone.err
    assert held.code == 3
    assert "was undone by run" in held.err
    assert released.code == 0
    assert "may be run again" in released.err
    assert again.code == 0, again.err
    assert paused.code == 0
    assert held_here.code == 3
    assert "a freeze" in held_here.err
    assert not (state / "holds").exists()


def test_a_hold_cannot_be_looked_up_while_the_database_is_away(
    bulkbind, rows, serve, command, server
):
    with serve(rows) as served:
        line = (*command(served), "--set", f"cluster.ledger={server.url()}")
        server.stop()
        said = bulkbind(*line)

        assert not served.requests
    assert said.code == 2
    assert "cannot be reached" in said.err


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me:secret@127.0.0.1/db", "password"),
        ("mysql://127.0.0.1/db", "postgresql://"),
    ],
)
def test_an_address_that_is_none_is_refused(bulkbind, monkeypatch, url, says):
    monkeypatch.setenv("BULKBIND_LEDGER", url)
    said = bulkbind("runs")

    assert said.code == 2
    assert "BULKBIND_LEDGER" in said.err
    assert says in said.err
    assert "secret" not in said.err


def test_orders_that_nobody_took_are_forgotten(elsewhere, folder, rows, serve, command):
    with serve(rows, options=SLOW) as served:
        line = command(served)
        with started(*line, folder=folder) as process:
            until(partial(has_seen, served, 3), alive=process)
            process.send(signal.SIGSTOP)
            stopped = elsewhere("stop", "latest")
            process.kill()
        until(lambda: _state_is(elsewhere, "interrupted"))
        said = elsewhere("resume", "latest")

    assert stopped.code == 0
    assert said.code == 0, said.err


def test_a_pause_right_after_an_unpause_holds(elsewhere, folder, rows, serve, command):
    with (
        serve(rows, options=SLOW) as served,
        started(*command(served), folder=folder) as process,
    ):
        until(partial(has_seen, served, 3), alive=process)
        for asked in ("pause", "unpause", "pause"):
            said = elsewhere(asked, "latest")
        before = len(served.journal)
        waiting = elsewhere("status", "--json").json["now"]
        after = len(served.journal)
        assert elsewhere("unpause", "latest").code == 0
        ended = process.wait()

    assert "is paused" in said.err
    assert before == after
    assert waiting["paused_by"]
    assert ended.code == 0, ended.err


def test_a_run_that_was_killed_while_it_was_paused_loses_its_pause_from_anywhere(
    elsewhere, bulkbind, folder, rows, serve, command
):
    with serve(rows, options=SLOW) as served:
        with started(*command(served), folder=folder) as process:
            until(partial(has_seen, served, 3), alive=process)
            assert "is paused" in elsewhere("pause", "latest").err
            process.kill()
        until(lambda: _state_is(elsewhere, "interrupted"))
        unpaused = elsewhere("unpause", "latest")
        with started("resume", "latest", folder=folder) as process:  # where its file is
            said = process.wait()
        again = elsewhere("unpause", "latest")

        assert served.bound == {row.bound for row in rows}
    assert "goes on" in unpaused.err
    assert said.code == 0, said.err
    assert again.code == 2
    assert "is not at work: it is finished" in again.err


def test_a_pause_stands_when_another_host_goes_on(
    elsewhere, folder, tmp_path, rows, serve, command
):
    there = ("--state-dir", tmp_path / "elsewhere")
    with serve(rows, options=SLOW) as served:
        with started(*command(served), folder=folder) as process:
            until(partial(has_seen, served, 3), alive=process)
            assert "is paused" in elsewhere("pause", "latest").err
            process.kill()
        until(lambda: _state_is(elsewhere, "interrupted"))
        sent = len(served.journal)
        with started("resume", "latest", *there, folder=folder) as process:
            until(partial(_is_paused, elsewhere), alive=process)
            assert len(served.journal) == sent
            assert elsewhere("unpause", "latest").code == 0
            ended = process.wait()

    assert ended.code == 0, ended.err


def _is_paused(elsewhere):
    now = elsewhere("status", "--json").json["now"]
    return now and now["paused_by"]


def test_workers_obey_when_nobody_coordinates_them(
    elsewhere, folder, tmp_path, serve, command, monkeypatch
):
    for name, value in environ_of(2).items():
        monkeypatch.setenv(name, value)
    many = rows_of_accounts(2, 300)
    with (
        serve([row for _, row in many], options=SLOW) as served,
        machines(tmp_path, environ_of(2)) as made,
    ):
        path = write_accounts(folder, served.url, many)
        at = ("--set", f"cluster.scheduler={made.address}")
        with started("run", path, *command(served)[-4:], *at, folder=folder) as process:
            until(partial(has_seen, served, 10), alive=process)
            process.kill()
        stopped = elsewhere("stop", "latest", "--wait")
        sent = len(served.journal)
        states = {run["state"] for run in elsewhere("runs", "--json").json["runs"]}
        resumed = elsewhere("resume", "latest")

        assert resumed.code == 0, resumed.err
        assert served.bound == {row.bound for _, row in many}
    assert stopped.code == 0, stopped.err
    assert "has ended" in stopped.err
    assert sent < len(many)
    assert states == {"interrupted"}


def test_all_machines_stop_at_once(elsewhere, folder, serve, command, monkeypatch):
    for name, value in environ_of(2).items():
        monkeypatch.setenv(name, value)
    many = rows_of_accounts(2, 20)
    with serve([row for _, row in many], options=SandboxOptions(latency_s=5)) as served:
        path = write_accounts(folder, served.url, many)
        line = ("run", path, *command(served)[-4:], "--set", "cluster.scheduler=local")
        with started(*line, folder=folder) as process:
            until(partial(has_seen, served, 2), alive=process)
            stopped = elsewhere("stop", "latest", "--now")
            ended = process.wait()
    assert (stopped.code, ended.code) == (0, 3), ended.err
    assert ["2", "unconfirmed"] in [line.split() for line in ended.out.splitlines()]


def test_a_run_is_reached_by_the_address_that_is_known_here(
    elsewhere, folder, tmp_path, rows, serve, remote, database
):
    """The host that planned it may call the database by another name."""
    door = tmp_path / "door"
    door.symlink_to(database.partition("host=")[2].partition("&")[0])
    theirs = database.replace(str(door.readlink()), str(door))
    with serve(rows) as served:
        line = ("run", "job.toml", *remote(served), "--set", f"cluster.ledger={theirs}")
        with started(*line, folder=folder) as process:
            assert process.wait().code == 0
        door.unlink()
        said = [
            elsewhere(*words)
            for words in (
                ("pause", "job"),
                ("resume", "latest"),
                ("unpause", "job"),
                ("resume", "latest"),
            )
        ]

    assert [one.code for one in said] == [0, 3, 0, 0], [one.err for one in said]


def test_a_run_that_made_no_folder_is_not_taken_for_one_of_another_job(
    bulkbind, tmp_path, folder, rows, serve, command, monkeypatch
):
    theirs = ("--state-dir", tmp_path / "theirs")
    with serve(rows) as served:
        write_job(folder / "theirs.toml", name="theirs")
        line = command(served)
        assert bulkbind(line[0], "theirs.toml", *line[2:], *theirs).code == 0
        refused = bulkbind(*line, "--resume", "--expect", "0" * 12)
        said = bulkbind("status", "latest")

    assert refused.code == 4, refused.err
    assert said.code == 2
    assert "there are no runs" in said.err


# --- tables of another version --------------------------------------------------------


def _make_tables(database, *, version, by):
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("CREATE SCHEMA IF NOT EXISTS bulkbind")
        for statements in schema.MIGRATIONS[:version]:
            db.execute(statements)
        db.execute(schema.SET_VERSION, (version, by))


def test_tables_of_an_older_bulkbind_are_brought_up_to_date_by_the_next_run(
    bulkbind, elsewhere, rows, serve, command, database
):
    _make_tables(database, version=1, by="bulkbind 0.0.1")
    before = elsewhere("runs")
    with serve(rows) as served:
        ran = bulkbind(*command(served))
        assert served.bound == {row.bound for row in rows}
    after = elsewhere("runs", "--json")

    assert before.code == 2
    assert "of an older bulkbind (schema 1)" in before.err
    assert "brings them up to date" in before.err
    assert ran.code == 0, ran.err
    assert [run["state"] for run in after.json["runs"]] == ["finished"]


def test_tables_of_a_newer_bulkbind_are_left_alone(
    bulkbind, elsewhere, rows, serve, command, database
):
    _make_tables(database, version=len(schema.MIGRATIONS), by="bulkbind 9.9.9")
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("UPDATE bulkbind.version SET number = 99")
    with serve(rows) as served:
        said = [elsewhere("runs"), bulkbind(*command(served))]
        assert not served.journal

    for one in said:
        assert one.code == 2
        assert "made by bulkbind 9.9.9 (schema 99)" in one.err
