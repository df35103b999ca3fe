"""A run at work is paused, re-rated and stopped from another terminal, and by hand."""

import json
import os
import platform
import stat
from collections import Counter
from contextlib import ExitStack

import jsonschema
import pytest

from bulkbind.ledger import SqliteLedger
from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    bindings,
    events_of,
    latest,
    report_of,
    runs_in,
    started,
    until,
    verdicts_of,
    write_job,
    write_manifest,
)

#: 3 lanes of 20 batches.
SMALL = ("--set", "plan.batch_size=5")


@pytest.fixture
def rows(folder):
    found = bindings(300, gateways=3)
    write_manifest(folder / "apis.csv", found)
    write_job(folder / "job.toml")
    return found


@pytest.fixture
def slow(serve, rows):
    """Serve gateways that take their time, so that a run can be met at work."""
    return serve(rows, options=SandboxOptions(latency_s=0.05))


@pytest.fixture
def at_work(slow, remote, folder, state):
    """Start a run and wait until it has sent something."""

    def start(served, *options, rate="10/s"):
        command = ("run", "job.toml", *remote(served, rate=rate), *SMALL, *options)
        run = stack.enter_context(started(*command, folder=folder))
        until(lambda: len(served.journal) >= 3, alive=run)
        return run

    with ExitStack() as stack:
        yield start


def is_told(state, event):
    return lambda: [e for e in events_of(latest(state)) if e["event"] == event]


def now_of(state):
    return json.loads((latest(state) / "control" / "now.json").read_bytes())


def finish(bulkbind, served, rows):
    """Resume what is left, and see that nothing was lost or sent twice."""
    again = bulkbind("resume", "latest", "--json")
    assert again.code == 0
    assert again.json["verdicts"]["bound"] == len(rows)
    assert sum(again.json["verdicts"].values()) == len(rows)
    assert served.bound == {row.bound for row in rows}


def test_a_paused_run_sends_nothing_until_it_is_unpaused(
    bulkbind, state, rows, slow, at_work
):
    with slow as served:
        run = at_work(served)
        name = latest(state).name
        said = bulkbind("pause", name)
        until(lambda: now_of(state)["lanes_sending"] == 0, alive=run)
        sent, seen = len(served.journal), now_of(state)
        until(lambda: now_of(state)["at"] >= seen["at"] + 1.5, alive=run)
        after, status = len(served.journal), bulkbind("status", "--json")
        bulkbind("unpause", name)
        until(lambda: len(served.journal) > sent, alive=run)
        faster = bulkbind("set", "latest", "rate=unlimited")
        ended = run.wait()

        assert served.bound == {row.bound for row in rows}
        assert len(served.journal) == 60
    assert said.code == 0
    assert "is paused" in said.err
    assert after == sent
    assert seen["paused_by"].startswith("paused by ")
    assert {reason["why"] for reason in seen["reasons"]} == {"paused"}
    assert status.json["state"] == "running"
    assert faster.code == ended.code == 0
    assert "unpaused" in ended.err
    # who and when are written down in the events and in the ledger
    (event,) = is_told(state, "run_paused")()
    assert event["by"].endswith(f"@{platform.node()}")
    ledger = SqliteLedger.read(latest(state) / "ledger.db")
    kept = json.loads(ledger.meta()["controlled"])
    ledger.close()
    assert [entry["event"] for entry in kept] == [
        "run_paused",
        "run_unpaused",
        "run_set",
    ]


def test_a_second_pause_says_that_the_run_is_paused(bulkbind, state, slow, at_work):
    with slow as served:
        run = at_work(served)
        name = latest(state).name
        first, second = bulkbind("pause", name), bulkbind("pause", name)
        until(lambda: "3 lanes wait for `unpause`" in bulkbind("status").out, alive=run)
        bulkbind("stop", name, "--wait")

    assert first.code == second.code == 0
    assert second.err == first.err
    assert f"run {name} is paused" in first.err


def test_a_file_made_by_hand_pauses_and_its_removal_unpauses(
    state, rows, slow, at_work, bulkbind
):
    with slow as served:
        run = at_work(served)
        pause = latest(state) / "control" / "pause"
        pause.touch()
        until(is_told(state, "run_paused"), alive=run)
        until(lambda: now_of(state)["lanes_sending"] == 0, alive=run)
        sent = len(served.journal)
        pause.unlink()
        until(is_told(state, "run_unpaused"), alive=run)
        until(lambda: len(served.journal) > sent, alive=run)
        more = len(served.journal)
        stopped = bulkbind("stop", "latest", "--wait")
        run.wait()
        finish(bulkbind, served, rows)

    assert more > sent
    assert stopped.code == 0
    (paused,), (unpaused,) = (
        is_told(state, "run_paused")(),
        is_told(state, "run_unpaused")(),
    )
    assert paused["by"].endswith(f"@{platform.node()}")
    assert unpaused["text"] == "unpaused: the run goes on"


def test_a_stopped_run_drains_and_only_resume_goes_on(
    bulkbind, state, rows, slow, at_work, remote
):
    with slow as served:
        run = at_work(served)
        name = latest(state).name
        said = bulkbind("stop", name, "--wait")
        assert (latest(state) / "summary.json").exists()
        ended = run.wait()
        sent, verdicts, report = (
            len(served.journal),
            verdicts_of(state),
            report_of(state),
        )
        cron = bulkbind("run", "job.toml", "--resume", *remote(served), *SMALL)
        assert len(served.journal) == sent
        finish(bulkbind, served, rows)
        assert len(served.journal) == 60
    assert said.code == 0
    assert ended.code == 3
    assert "stopped by " in ended.err
    assert verdicts == Counter(bound=5 * sent, not_sent=300 - 5 * sent)
    left = next(row for row in report if row["verdict"] == "not_sent")
    assert left["cause"] == "stop"
    assert "stopped by" in left["error_msg"]
    assert cron.code == 3
    assert "bulkbind resume" in cron.err
    assert len(runs_in(state)) == 1


def test_a_paused_run_can_be_stopped_and_its_pause_ends_with_it(
    bulkbind, state, rows, slow, at_work
):
    with slow as served:
        run = at_work(served)
        bulkbind("pause", "latest")
        bulkbind("stop", "latest", "--wait")
        ended = run.wait()
        finish(bulkbind, served, rows)
    assert ended.code == 3


def test_a_pause_outlives_a_kill(bulkbind, folder, state, rows, slow, at_work, remote):
    with slow as served:
        run = at_work(served)
        bulkbind("pause", latest(state).name)
        run.kill()
        sent = len(served.journal)
        tick = ("run", "job.toml", "--resume", *remote(served), *SMALL)
        with started(*tick, folder=folder) as cron:
            until(lambda: "paused by" in cron.err, alive=cron)
            assert len(served.journal) == sent
            bulkbind("unpause", latest(state).name)
            said = cron.wait()

        assert served.bound == {row.bound for row in rows}
    assert said.code == 0


def test_stop_now_abandons_what_is_out(bulkbind, serve, state, rows, at_work):
    with serve(rows, options=SandboxOptions(latency_s=2.0)) as served:
        run = at_work(served, rate="unlimited")
        bulkbind("stop", "latest", "--now", "--wait")
        ended = run.wait()
        report = verdicts_of(state)

    assert ended.code == 3
    # three were answered, three were out
    assert report == {"bound": 15, "unconfirmed": 15, "not_sent": 270}


def test_a_new_rate_and_number_of_slots_are_told_and_kept(
    bulkbind, state, rows, slow, at_work
):
    with slow as served:
        run = at_work(served)
        said = bulkbind("set", "latest", "rate=2/s", "concurrency=2")
        began = len(served.journal)
        seen = until(lambda: now_of(state)["concurrency"] == 2 and now_of(state))
        until(lambda: len(served.journal) >= began + 6, alive=run)
        times = [entry.at for entry in served.journal][began + 1 :]
        bulkbind("stop", "latest", "--wait")
        run.wait()
        finish(bulkbind, served, rows)
    assert said.code == 0
    assert "obeys" in said.err
    assert seen["accounts"][0]["ceiling"] == "2/s"
    # any three of them are more than one window apart
    assert all(later - one >= 0.9 for one, later in zip(times, times[2:], strict=False))
    (event,) = is_told(state, "run_set")()
    assert event["text"].startswith("rate 2/s and concurrency 2 set by ")


@pytest.mark.parametrize("name", ["latest", "job"])
def test_a_first_run_that_is_still_planned_is_told_of(
    bulkbind, folder, state, rows, serve, remote, name
):
    with (
        serve(rows, options=SandboxOptions(latency_s=2.0)) as served,
        started("run", "job.toml", *remote(served), folder=folder) as run,
    ):
        until(lambda: list((state / "runs").glob(".unfinished-*")), alive=run)
        said = bulkbind("status", name)
        run.kill()
    gone = bulkbind("status", name)

    assert said.code == gone.code == 2
    assert "is being planned" in said.err
    assert f"by pid {run.pid} (" in said.err
    assert "sent nothing yet" in said.err
    assert "there are no runs" in gone.err


@pytest.mark.parametrize(
    "command", [("pause",), ("stop",), ("stop", "--now"), ("set", "rate=1/s")]
)
def test_what_is_asked_of_a_run_that_has_ended_is_refused(
    bulkbind, rows, serve, remote, state, command
):
    with serve(rows) as served:
        bulkbind("run", "job.toml", *remote(served))
    name = latest(state).name

    said = bulkbind(command[0], name, *command[1:])

    assert said.code == 2
    assert "not at work: it is finished" in said.err
    assert os.listdir(latest(state) / "control") == []  # noqa: PTH208


def test_what_is_asked_of_a_run_that_was_killed_is_refused(
    bulkbind, rows, slow, at_work, state
):
    with slow as served:
        at_work(served).kill()
        said = bulkbind("stop", "latest")

    assert said.code == 2
    assert "its process is gone" in said.err
    assert not (latest(state) / "control" / "stop").exists()


def test_a_run_on_another_host_is_named(bulkbind, rows, slow, at_work, monkeypatch):
    with slow as served:
        run = at_work(served)
        here = platform.node()
        monkeypatch.setattr(platform, "node", lambda: "elsewhere")
        said = bulkbind("pause", "latest")
        run.kill()

    assert said.code == 2
    assert f"runs on host {here}, and this is elsewhere" in said.err


@pytest.mark.parametrize("wish", ["rate=", "speed=5/s", "rate=fast", "concurrency=0"])
def test_what_cannot_be_set_is_exit_2(bulkbind, rows, wish):
    said = bulkbind("set", "latest", wish)

    assert said.code == 2
    assert said.err


@pytest.mark.parametrize(
    ("wishes", "key"),
    [
        (("rate=5/s", "rate=6/s"), "rate"),
        (("concurrency=4", "rate=1/s", "concurrency=4"), "concurrency"),
    ],
)
def test_what_is_set_twice_is_refused(bulkbind, rows, wishes, key):
    said = bulkbind("set", "latest", *wishes)

    assert said.code == 2
    assert f"{key} is given twice" in said.err


def test_files_that_are_no_orders_are_told_and_do_no_harm(
    bulkbind, state, rows, slow, at_work, tmp_path
):
    secret = tmp_path / "elsewhere"
    secret.write_text("{}")
    with slow as served:
        run = at_work(served)
        control = latest(state) / "control"
        (control / "stop").symlink_to(secret)
        (control / "halt").touch()
        (control / "set-1.json").write_text('{"rate": "fast"}')
        (control / "set-2.json").write_text("[" * 4000)
        os.mkfifo(control / "pause")
        until(lambda: len(is_told(state, "control_ignored")()) >= 5, alive=run)
        bulkbind("set", "latest", "rate=unlimited")
        ended = run.wait()

        assert served.bound == {row.bound for row in rows}
    assert ended.code == 0
    told = {
        e["text"].partition(" is ignored: ")[2]
        for e in is_told(state, "control_ignored")()
    }
    assert "a link; it is not followed" in told
    assert "not a file" in told
    assert len(told) == 5
    assert "is ignored" in ended.err
    assert secret.read_text() == "{}"


def test_the_control_folder_is_for_its_owner_alone(
    bulkbind, state, rows, slow, at_work
):
    mask = os.umask(0)
    try:
        with slow as served:
            run = at_work(served)
            bulkbind("pause", "latest")
            control = latest(state) / "control"
            modes = {path.name: path.stat().st_mode for path in control.iterdir()}
            run.kill()
    finally:
        os.umask(mask)

    assert stat.S_IMODE(control.stat().st_mode) == 0o700
    assert {stat.S_IMODE(mode) for mode in modes.values()} == {0o600}
    assert "pause" in modes
    assert "now.json" in modes


# --- the clock ------------------------------------------------------------------------


def test_a_run_ends_at_its_deadline_and_the_next_tick_goes_on(
    bulkbind, folder, state, rows, slow, remote
):
    with slow as served:
        options = (*remote(served, rate="6/s"), *SMALL)
        first = bulkbind(
            "run", "job.toml", *options, "--set", "stop.deadline=2s", "--json"
        )
        sent = len(served.journal)
        second = bulkbind(
            "run", "job.toml", "--resume", *remote(served), *SMALL, "--json"
        )

        assert served.bound == {row.bound for row in rows}
        assert len(served.journal) == 60
    assert first.code == 3
    assert first.json["stopped_by"] == "deadline"
    assert first.json["verdicts"]["bound"] == 5 * sent > 0
    assert "its deadline (2s) came at" in first.err
    assert second.code == 0
    assert second.json["run_id"] == first.json["run_id"]


def test_a_run_that_waits_for_its_pace_ends_in_time(bulkbind, rows, serve, remote):
    with serve(rows) as served:
        options = (*remote(served, rate="2/h"), *SMALL)
        said = bulkbind(
            "run", "job.toml", *options, "--set", "stop.deadline=1s", "--json"
        )

    assert said.code == 3
    assert said.json["stopped_by"] == "deadline"
    assert said.json["verdicts"]["bound"] == 5


@pytest.mark.parametrize(
    "command", [("run", "job.toml"), ("run", "job.toml", "--resume")]
)
def test_outside_its_window_a_job_sends_nothing(
    bulkbind, rows, serve, remote, command, state
):
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    opens = now + timedelta(hours=3)
    window = f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M} UTC"
    with serve(rows) as served:
        said = bulkbind(*command, *remote(served), "--set", f"stop.window={window}")

        assert not served.requests
    assert said.code == 3
    assert f"opens at {opens:%Y-%m-%d %H:%M} UTC" in said.err
    assert runs_in(state) == []


def test_an_undo_ignores_the_window(bulkbind, rows, serve, remote, live):
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    opens = now - timedelta(minutes=1)
    window = f"{opens:%H:%M}-{opens + timedelta(hours=3):%H:%M} UTC"
    with serve(rows) as served:
        done = bulkbind(
            "run", "job.toml", *remote(served), "--set", f"stop.window={window}"
        )
        undone = bulkbind("undo", "latest", "--set", "stop.window=00:00-00:01 UTC")

        assert served.bound == set()
    assert (done.code, undone.code) == (0, 0)


# --- status ---------------------------------------------------------------------------


def test_status_says_why_a_run_waits_and_how_long(bulkbind, state, rows, slow, at_work):
    with slow as served:
        run = at_work(served)
        bulkbind("set", "latest", "rate=1/min")

        def waits():
            told = bulkbind("status", "--json").json
            reasons = told["now"]["reasons"] if told["now"] else []
            return [r for r in reasons if (r["why"], r["lanes"]) == ("pace", 3)]

        (reason,) = until(waits, alive=run)
        said, told = bulkbind("status"), bulkbind("status", "--json").json
        schema = bulkbind("schema", "status").json
        run.kill()
        killed = bulkbind("status")
    assert reason["seconds"] > 20
    assert "3 lanes wait for pace, at most" in said.out
    assert "account default: 1/min of 1/min" in said.out
    jsonschema.validate(told, schema)
    assert told["at_work"]
    assert "its process is gone" in killed.out


def test_status_watch_ends_with_the_run(bulkbind, folder, state, rows, slow, at_work):
    with slow as served:
        run = at_work(served, rate="30/s")
        with started("status", "--watch", folder=folder) as watch:
            until(lambda: " sending" in watch.out, alive=watch)
            run.wait()
            said = watch.wait()

    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith("running: ")
    assert lines[-1].startswith("finished: 300 of 300 bindings, 60 requests")


def test_a_run_says_when_its_window_closes(bulkbind, state, rows, slow, at_work):
    with slow as served:
        run = at_work(served, "--set", "stop.deadline=1h")
        told = until(lambda: now_of(state), alive=run)
        said = bulkbind("status")
        run.kill()

    assert 3500 < told["ends_in"] <= 3600
    assert told["ends_by"] == "deadline"
    assert "its deadline ends it in" in said.out
