"""kill -9 at any moment: nothing is lost, nothing is sent twice but what was out."""

import os
import time
from collections import Counter
from contextlib import closing
from functools import partial
from random import Random

import pytest

from bulkbind.ledger import SqliteLedger
from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    attaches_by_gateway,
    bindings,
    events_of,
    has_seen,
    lasting,
    latest,
    report_of,
    runs_in,
    shuffled,
    started,
    until,
    world_of,
    write_job,
    write_manifest,
)

pytestmark = pytest.mark.crash

SMALL = ("--set", "plan.batch_size=5")
BATCHES = 60
KILLS = 5

#: Rows that take a while to plan and to report.
LARGE = 25_000


@pytest.fixture
def rows():
    """Three gateways with 20 batches of 5 each, and a repeat now and then."""
    rows = shuffled(bindings(300, gateways=3), seed=3)
    return [*rows, *rows[:7]]


@pytest.fixture
def undisturbed(bulkbind, folder, tmp_path, rows, serve, remote):
    """Run the job from end to end elsewhere; return what it came to."""
    write_job(folder / "job.toml")
    write_manifest(folder / "apis.csv", rows)
    state = tmp_path / "undisturbed"

    def run(**planted):
        with serve(rows, **planted) as served:
            options = (*remote(served), *SMALL, "--state-dir", state)
            said = bulkbind("run", "job.toml", *options)
            bound = served.bound
        (tmp_path / "world.db").unlink()
        return said.code, report_of(state), bound

    return run


@pytest.mark.parametrize(
    ("kills", "planted"), [(KILLS, {}), (KILLS // 2, {"missing": 3, "unpublished": 2})]
)
def test_kills_at_random_moments_change_nothing_in_the_end(  # noqa: PLR0917
    bulkbind, folder, state, tmp_path, rows, serve, remote, undisturbed, kills, planted
):
    random = Random(f"kills {planted}")  # noqa: S311 - seeded
    code, expected, bound = undisturbed(**planted)
    options = SandboxOptions(latency_s=0.03)

    with serve(rows, options=options, **planted) as served:
        command = ("run", "job.toml", *remote(served), *SMALL)
        for kill in range(kills):
            seen = len(served.journal)
            wanted = seen + random.randint(1, BATCHES // kills)
            with started(*command, folder=folder) as process:
                until(partial(has_seen, served, wanted), alive=process)
                time.sleep(random.random() * 0.03)  # any moment will do
                process.kill()
            assert bulkbind("status", "--json").json["state"] == "interrupted", kill
            command = ("resume", "latest")
        said = bulkbind("resume", "latest", "--json")
        journal, world = served.journal, served.bound
        counters = served.sandbox.counters

    assert said.code == code
    assert len(runs_in(state)) == 1
    assert world == bound
    assert lasting(report_of(state)) == lasting(expected)
    assert counters.overlaps == 0
    if not planted:
        for entries in attaches_by_gateway(journal).values():
            sent = [entry.ids for entry in entries if entry.status == 201]
            assert len(set(sent)) == BATCHES // 3
            assert len(sent) - len(set(sent)) <= kills
    # the totals count what was sent, repeats included
    assert said.json["requests"]["sent"] >= len(journal)
    assert said.json["rows"] == len(rows)


def test_a_kill_repeats_at_most_what_was_out(
    bulkbind, folder, state, rows, serve, remote
):
    write_job(folder / "job.toml")
    write_manifest(folder / "apis.csv", rows)

    with serve(rows, options=SandboxOptions(latency_s=0.05)) as served:
        with started("run", "job.toml", *remote(served), *SMALL, folder=folder) as run:
            until(lambda: len(served.journal) >= 20, alive=run)
            run.kill()
        acknowledged = {
            event["batch"]
            for event in events_of(latest(state))
            if event["event"] == "request_settled"
        }
        before = served.journal
        bulkbind("resume", "latest")
        journal = served.journal

    # a gateway that is still busy with what was out says so, and takes it later
    times = Counter(entry.ids for entry in journal if entry.status == 201)
    repeated = [ids for ids, count in times.items() if count > 1]
    assert len(times) == BATCHES
    assert len(repeated) <= 3
    assert max(times.values()) <= 2
    assert len(acknowledged) <= len(before)
    # one per lane, and it is the one that was out when the power went
    lanes = {e.path["instance_id"] for e in journal if e.ids in repeated}
    assert len(lanes) == len(repeated)


def test_a_kill_while_an_answer_is_under_way_leaves_the_row_unconfirmed_not_lost(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(10)
    write_job(folder / "job.toml")
    write_manifest(folder / "apis.csv", rows)

    with serve(rows, options=SandboxOptions(latency_s=0.3)) as served:
        options = (*remote(served), "--set", "plan.batch_size=10")
        with started("run", "job.toml", *options, folder=folder) as run:
            until(lambda: served.requests["attach_apis"] == 1, alive=run)
            run.kill()
        said = bulkbind("report", "latest")
        between = report_of(state)
        again = bulkbind("resume", "latest")

        assert served.bound == {row.bound for row in rows}
    assert said.code == 0
    assert {row["verdict"] for row in between} == {"unconfirmed"}
    assert again.code == 0
    assert {row["verdict"] for row in report_of(state)} == {"bound"}
    assert all(int(row["attempts"]) >= 2 for row in report_of(state))


# --- before and after sending ---------------------------------------------------------


@pytest.fixture
def large(folder):
    """Write a manifest that takes a while to plan and to report."""
    rows = bindings(LARGE)
    write_job(folder / "job.toml")
    write_manifest(folder / "apis.csv", rows)
    return rows


def test_a_kill_while_planning_leaves_nothing_to_be_seen(
    bulkbind, folder, state, large, serve, remote
):
    with serve(large) as served:
        with started("run", "job.toml", *remote(served), folder=folder) as run:
            until(lambda: list(state.glob("runs/.*")), alive=run)
            time.sleep(Random("planning").random() * 0.1)  # noqa: S311 - any moment will do
            run.kill()
        seen = bulkbind("runs", "--json")
        latest_run = bulkbind("status", "latest")
        assert not served.requests
        said = bulkbind("run", "job.toml", "--resume", *remote(served), "--json")

        assert len(served.bound) == LARGE
    assert seen.json["runs"] == []
    assert latest_run.code == 2
    assert said.code == 0
    assert [run.name for run in runs_in(state)] == [said.json["run_id"]]


def test_a_kill_while_the_report_is_written_loses_no_verdict(
    bulkbind, folder, state, large, serve, remote
):
    def has_ended():
        runs = [run for run in runs_in(state) if not run.name.startswith(".")]
        return runs and events_of(runs[0])[-1:] == [*ended(runs[0])][-1:] != []

    def ended(run):
        return [e for e in events_of(run) if e["event"] == "run_ended"]

    with serve(large) as served:
        with started("run", "job.toml", *remote(served), folder=folder) as run:
            until(has_ended, alive=run)
            run.kill()
        was_whole = (latest(state) / "summary.json").exists()
        sent = len(served.journal)
        said = bulkbind("resume", "latest", "--json")

        assert len(served.journal) == sent == LARGE // 500
    assert not was_whole
    assert said.code == 0
    assert said.json["state"] == "finished"
    assert said.json["verdicts"]["bound"] == LARGE
    assert len(report_of(state)) == LARGE
    assert not [path for path in latest(state).iterdir() if path.name[0] == "."]


def _any(folder, pattern):
    return list(folder.glob(pattern))


def test_a_report_is_whole_or_not_there(bulkbind, folder, state, large, serve, remote):
    with serve(large) as served:
        bulkbind("run", "job.toml", *remote(served))
    run = latest(state)
    before = (run / "report.csv").read_bytes()

    for _ in range(3):
        with started("report", "latest", folder=folder) as process:
            drafts = f".report.csv.{process.pid}-*"
            until(partial(_any, run, drafts), alive=process)
            process.kill()
        assert (run / "report.csv").read_bytes() == before

    assert [path for path in run.iterdir() if path.name[0] == "."]

    assert bulkbind("report", "latest").code == 0
    assert (run / "report.csv").read_bytes() == before
    assert not [path for path in run.iterdir() if path.name[0] == "."]


def test_a_job_lock_is_free_when_its_holder_was_killed(
    bulkbind, folder, state, rows, serve, remote
):
    write_job(folder / "job.toml")
    write_manifest(folder / "apis.csv", rows)

    with serve(rows, options=SandboxOptions(latency_s=0.03)) as served:
        with started("run", "job.toml", *remote(served), *SMALL, folder=folder) as run:
            until(lambda: len(served.journal) >= 3, alive=run)
            busy = bulkbind("resume", "latest")
            run.kill()
        free = bulkbind("resume", "latest")

    assert (busy.code, free.code) == (75, 0)


def test_the_built_in_sandbox_keeps_its_world_through_a_kill(
    bulkbind, folder, state, rows
):
    write_job(folder / "job.toml", "[sandbox]\nlatency = 0.03\n")
    write_manifest(folder / "apis.csv", rows)

    def settled():
        runs = [run for run in runs_in(state) if not run.name.startswith(".")]
        events = events_of(runs[0]) if runs else []
        return [e for e in events if e["event"] == "request_settled"]

    options = ("--rate", "unlimited", *SMALL)
    with started("run", "job.toml", *options, folder=folder) as run:
        until(lambda: len(settled()) >= 10, alive=run)
        run.kill()
    said = bulkbind("resume", "latest", "--json")

    assert said.code == 0
    assert said.json["verdicts"]["bound"] == 300
    assert world_of(state / "sandbox.db") == {row.bound for row in rows}


def test_a_run_killed_after_its_last_answer_is_ended_by_a_resume(
    bulkbind, folder, state, rows
):
    write_job(folder / "job.toml")
    write_manifest(folder / "apis.csv", rows)
    bulkbind("run", "job.toml", "--rate", "unlimited")
    with closing(SqliteLedger.open(latest(state) / "ledger.db")) as ledger:
        ledger.begin()
        ledger.start(command="resume", operator="me@here", pid=1, at=time.time())
        ledger.commit()
    killed = bulkbind("status", "--json").json["state"]

    said = bulkbind("resume", "latest", "--json")
    again = bulkbind("resume", "latest")

    assert killed == "interrupted"
    assert said.code == 0
    assert said.json["state"] == "finished"
    assert bulkbind("status", "--json").json["state"] == "finished"
    assert "nothing is left to do" in again.err


def test_what_killed_processes_left_is_swept_when_the_next_report_is_published(
    bulkbind, folder, rows
):
    write_job(folder / "job.toml", '[report]\ndir = "reports"\n')
    write_manifest(folder / "apis.csv", rows)
    said = bulkbind("run", "job.toml", "--rate", "unlimited", "--json")
    reports = folder / "reports"
    published = reports / said.json["run_id"]
    with started("--version", folder=folder) as killed:
        killed.kill()
    for pid in (killed.pid, os.getppid()):
        (reports / f".latest-{pid}").symlink_to("somewhere")
        (published / f".report.csv.{pid}-copy").write_text("half of it")

    assert bulkbind("report", "latest").code == 0

    left = [path.name for path in reports.rglob(".*")]
    assert sorted(left) == [
        f".latest-{os.getppid()}",
        f".report.csv.{os.getppid()}-copy",
    ]
    assert (reports / "latest").resolve() == published.resolve()
