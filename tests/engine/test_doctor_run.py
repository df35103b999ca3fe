"""``doctor RUN``: are a run's files still what it wrote?"""

import hashlib
import json

import pytest

from tests.engine.test_doctor import bad, doctor, of
from tests.factories import bindings, latest, write_job, write_manifest

__all__ = ["doctor"]

FILES = ("state", "ledger", "pinned copy", "checksums", "report")


@pytest.fixture
def run(bulkbind, folder, state):
    """A finished run of eight rows, one of which failed."""
    write_manifest(folder / "apis.csv", bindings(8))
    job = write_job(folder / "job.toml", '[pace]\nrate = "unlimited"\n')
    assert bulkbind("run", job, "--set", "sandbox.missing=1").code == 1
    return latest(state)


def flip(path, *, at):
    """Damage one byte of a file."""
    whole = bytearray(path.read_bytes())
    whole[at] ^= 0xFF
    path.write_bytes(whole)


def contents(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def test_a_run_that_is_whole_is_exit_0_and_is_not_touched(doctor, run):
    before = contents(run)

    code, checks = doctor("latest")

    assert (code, bad(checks)) == (0, [])
    assert [check["check"] for check in checks if check["of"] == f"run {run.name}"] == [
        *FILES
    ]
    assert ("ok", "8 rows, each with one verdict, as summary.json has them") in of(
        checks, "report"
    )
    assert contents(run) == before


@pytest.mark.parametrize("name", ["job", "path", "prefix"])
def test_a_run_goes_by_any_of_its_names(doctor, run, name):
    code, checks = doctor({"job": "job", "path": run, "prefix": run.name[:-2]}[name])

    assert code == 0
    assert of(checks, "state") == [("ok", "finished")]


def test_a_ledger_that_was_tampered_with_is_a_fault(doctor, run):
    ledger = run / "ledger.db"
    flip(ledger, at=ledger.stat().st_size // 2)

    code, checks = doctor(run)

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "ledger")
    assert "start a new run" in wrong["remedy"]


def test_a_run_folder_without_its_ledger_is_no_run(bulkbind, run):
    (run / "ledger.db").unlink()

    said = bulkbind("doctor", run)

    assert said.code == 2
    assert "there is no ledger" in said.err


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_pinned_copy_that_is_not_what_was_planned_is_a_fault(doctor, run, how):
    pin = run / "manifest.csv.gz"
    expected = hashlib.sha256(pin.read_bytes()).hexdigest()
    flip(pin, at=20) if how == "changed" else pin.unlink()

    code, checks = doctor(run)

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "pinned copy")
    assert expected in wrong["remedy"]
    assert of(checks, "report") == []


@pytest.mark.parametrize("name", ["report.csv", "report.jsonl", "failed.csv"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_report_that_was_changed_is_a_fault_that_report_mends(
    doctor, bulkbind, run, name, how
):
    path = run / name
    path.write_text(path.read_text() + "x") if how == "changed" else path.unlink()

    code, checks = doctor(run)
    bulkbind("report", run)
    mended, _ = doctor(run)

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "checksums")
    assert repr(name) in wrong["found"]
    assert mended == 0


def test_a_summary_that_counts_otherwise_is_a_fault_though_its_checksum_fits(
    doctor, run
):
    path = run / "summary.json"
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    document = json.loads(path.read_text())
    document["verdicts"] |= {"bound": 8, "failed": 0}
    path.write_text(json.dumps(document))
    new = hashlib.sha256(path.read_bytes()).hexdigest()
    sums = run / "SHA256SUMS"
    sums.write_text(sums.read_text().replace(old, new))

    code, checks = doctor(run)

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "report")


def test_a_checksum_file_leads_to_no_file_outside_the_run(doctor, run, folder):
    outside = folder / "apis.csv"
    digest = hashlib.sha256(outside.read_bytes()).hexdigest()
    sums = run / "SHA256SUMS"
    sums.write_text(f"{sums.read_text()}{digest}  ../../../apis.csv\n")

    code, checks = doctor(run)

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "checksums")


def test_reports_without_their_checksums_are_a_warning(doctor, run):
    (run / "SHA256SUMS").unlink()

    code, checks = doctor(run)

    (wrong,) = bad(checks)
    assert (code, wrong["check"], wrong["grade"]) == (0, "checksums", "warning")


def test_a_run_that_was_stopped_is_a_warning_that_names_the_way_on(
    doctor, bulkbind, folder, state
):
    write_manifest(folder / "apis.csv", bindings(40))
    job = write_job(
        folder / "job.toml", '[plan]\nbatch_size = 2\n[pace]\nrate = "unlimited"\n'
    )
    bulkbind("run", job, *("--set", "sandbox.missing=30", "--set", "stop.max_failed=1"))

    code, checks = doctor("latest")

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (0, "state")
    assert wrong["remedy"] == f"bulkbind resume {latest(state).name}"


@pytest.mark.parametrize("option", [("--endpoint", "sandbox"), ("--rate", "1/s")])
def test_options_of_a_job_do_not_go_with_a_run(bulkbind, run, option):
    said = bulkbind("doctor", "latest", *option)

    assert said.code == 2
    assert "only --state-dir" in said.err


def test_a_saved_plan_is_not_what_is_looked_at(bulkbind, folder, run):
    bulkbind("plan", "job.toml", "-o", "saved.plan")

    said = bulkbind("doctor", "saved.plan")

    assert said.code == 2
    assert "a saved plan" in said.err
