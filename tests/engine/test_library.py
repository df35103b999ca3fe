"""bulkbind as a library: the command line's job in a few calls."""

import json
from collections import Counter

import pytest

import bulkbind
from bulkbind.run import Observer
from tests.factories import (
    PROJECT,
    bindings,
    read_csv,
    world_of,
    write_job,
    write_manifest,
)


def run_of(outcome):
    """Return the run that an outcome is of; a manifest without rows has none."""
    assert outcome.run is not None
    return outcome.run


def summary_of(outcome):
    assert outcome.reported is not None
    return outcome.reported.summary


@pytest.fixture
def job_file(folder):
    write_manifest(folder / "apis.csv", bindings(700, gateways=2))
    return write_job(folder / "job.toml", '[pace]\nrate = "unlimited"\n')


def test_a_job_is_loaded_planned_run_and_read(job_file, state):
    job = bulkbind.load_job(job_file)
    plan = bulkbind.plan_job(job)
    outcome = bulkbind.run_job(job)
    rows = list(bulkbind.report_rows(run_of(outcome)))

    assert plan.totals.rows == 700
    assert plan.totals.requests == 2
    assert summary_of(outcome).state == "finished"
    assert summary_of(outcome).verdicts[bulkbind.Verdict.BOUND] == 700
    assert Counter(row.shared.verdict for row in rows) == {bulkbind.Verdict.BOUND: 700}
    report = read_csv(run_of(outcome).path / "report.csv")
    assert [row.row.api_id for row in rows] == [row["api_id"] for row in report]
    assert world_of(state / "sandbox.db") == {
        one.bound for one in bindings(700, gateways=2)
    }


async def test_the_async_twin_does_the_same_in_the_callers_loop(job_file):
    job = bulkbind.load_job(job_file)
    outcome = await bulkbind.run_job_async(job)
    again = await bulkbind.resume_run_async(run_of(outcome))

    assert summary_of(outcome).exit_code == 0
    assert again.nothing_to_do
    assert summary_of(again).verdicts["bound"] == 700


def test_failed_rows_are_resumed(folder, job_file, serve):
    rows = bindings(700, gateways=2)
    with serve(rows, missing=3) as served:
        job = bulkbind.load_job(
            job_file, endpoint=served.url, account__project_id=PROJECT
        )
        first = bulkbind.run_job(job)
        served.add(rows)
        second = bulkbind.resume_run(run_of(first).id, failed=True, pace__rate="900/s")

        assert served.bound == {row.bound for row in rows}
    assert summary_of(first).exit_code == 1
    assert summary_of(second).exit_code == 0
    assert run_of(second) == run_of(first)


def test_only_and_defaults_and_keys_are_arguments(job_file):
    job = bulkbind.load_job(
        job_file, only={"owner": ["team-1"]}, plan__batch_size=10, note="hello"
    )
    plan = bulkbind.plan_job(job)

    assert plan.totals.rows == len(
        [b for b in bindings(700, gateways=2) if b.owner == "team-1"]
    )
    assert job.note == "hello"
    assert max(plan.requests_per_target.values()) > 1


def test_a_plan_is_saved_and_its_digest_expected(folder, job_file):
    job = bulkbind.load_job(job_file)
    plan = bulkbind.plan_job(job, save_as=folder / "saved.plan")

    with pytest.raises(bulkbind.BulkbindError, match="nothing was sent"):
        bulkbind.run_job(job, expect="v1:no")
    outcome = bulkbind.run_job(job, expect=plan.digest)

    assert (folder / "saved.plan").stat().st_size > 1000
    assert summary_of(outcome).plan_digest == plan.digest


def test_an_observer_hears_every_request(job_file):
    class Ears(Observer):
        def __init__(self):
            self.started = []
            self.settled = []

        def run_started(self, run_id, tallies):
            self.started.append((run_id, sum(tally.rows for tally in tallies)))

        def request_settled(self, lane, batch, answer, *, seconds):
            self.settled.append(len(answer.receipts.positions))

    ears = Ears()
    outcome = bulkbind.run_job(bulkbind.load_job(job_file), observers=[ears])

    assert ears.started == [(run_of(outcome).id, 700)]
    assert ears.settled == [350, 350]


def test_what_is_wrong_is_an_error_of_bulkbinds(folder):
    with pytest.raises(bulkbind.BulkbindError, match="no such file"):
        bulkbind.plan_job(bulkbind.load_job(folder / "none.csv", endpoint="sandbox"))


def test_a_manifest_is_a_job_by_itself(folder, state):
    rows = bindings(5)
    manifest = write_manifest(folder / "apis.csv", rows)

    outcome = bulkbind.run_job(
        bulkbind.load_job(str(manifest), endpoint="sandbox"), state_dir=folder / "kept"
    )

    assert run_of(outcome).path.parent.parent == folder / "kept"
    assert not state.exists()
    summary = json.loads((run_of(outcome).path / "summary.json").read_text())
    assert summary["verdicts"]["bound"] == 5


def test_the_public_names_are_there():
    for name in bulkbind.__all__:
        assert getattr(bulkbind, name).__doc__, name
