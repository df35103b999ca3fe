"""Reports: shown, chosen, split, put elsewhere."""

import hashlib
import json
import re
from collections import Counter

import pytest

from tests.factories import bindings, latest, read_csv, write_job, write_manifest


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def finished(bulkbind, folder, serve, remote):
    """Run a job in which four rows fail."""
    rows = bindings(60, gateways=2)
    write_manifest(folder / "apis.csv", rows)
    write_job(folder / "job.toml")
    with serve(rows, missing=2, unpublished=2) as served:
        return bulkbind("run", "job.toml", *remote(served), "--json")


def test_the_run_folder_holds_every_file_and_their_sums(finished, state):
    run = latest(state)

    lines = (run / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(sums) == {"report.csv", "report.jsonl", "failed.csv", "summary.json"}
    for name, digest in sums.items():
        assert hashlib.sha256((run / name).read_bytes()).hexdigest() == digest
    assert json.loads((run / "summary.json").read_text()) == finished.json
    assert all(path.stat().st_mode & 0o077 == 0 for path in run.iterdir())
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_the_json_report_says_what_the_csv_report_says(finished, state):
    run = latest(state)

    documents = read_jsonl(run / "report.jsonl")
    rows = read_csv(run / "report.csv")
    assert len(documents) == len(rows) == 60
    for name in ("api_id", "verdict", "error_code"):
        assert [one[name] or "" for one in documents] == [row[name] for row in rows]
    assert [one["carried"]["owner"] for one in documents] == [
        row["owner"] for row in rows
    ]


def test_report_shows_totals_and_advice(bulkbind, finished):
    said = bulkbind("report", "latest")

    assert said.code == 0
    assert "56" in said.out
    assert "APIG.3707" in said.out
    assert "report.csv" in said.out


def test_report_only_writes_the_chosen_rows_to_standard_output(bulkbind, finished):
    said = bulkbind("report", "latest", "--only", "verdict=failed")

    lines = said.out.splitlines()
    assert said.code == 0
    assert len(lines) == 1 + 4
    assert lines[0].startswith("file,line,account")


def test_report_only_that_matches_nothing_is_said(bulkbind, finished):
    said = bulkbind("report", "latest", "--only", "owner=nobody")

    assert said.code == 2
    assert "owner=nobody" in said.err


def test_report_split_by_makes_one_file_per_value(bulkbind, folder, finished):
    said = bulkbind("report", "latest", "--split-by", "owner", "-o", "by-owner")

    assert said.code == 0
    parts = {path.name: read_csv(path) for path in (folder / "by-owner").iterdir()}
    assert set(parts) == {"team-0.csv", "team-1.csv", "team-2.csv"}
    assert sum(map(len, parts.values())) == 60
    for name, rows in parts.items():
        assert {row["owner"] for row in rows} == {name.removesuffix(".csv")}


def test_report_split_by_needs_a_folder(bulkbind, finished):
    said = bulkbind("report", "latest", "--split-by", "owner")

    assert said.code == 2
    assert "-o" in said.err


def test_report_for_excel_begins_with_its_mark(bulkbind, folder, finished):
    said = bulkbind("report", "latest", "--excel", "-o", "for-excel.csv")

    assert said.code == 0
    data = (folder / "for-excel.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbffile,line,")


def test_report_as_jsonl_goes_where_it_is_told(bulkbind, folder, finished):
    said = bulkbind("report", "latest", "-o", "all.jsonl")

    assert said.code == 0
    rows = read_jsonl(folder / "all.jsonl")
    assert Counter(row["verdict"] for row in rows) == {"bound": 56, "failed": 4}


def test_report_as_a_page_goes_where_it_is_told(bulkbind, folder, finished):
    said = bulkbind("report", "latest", "--only", "verdict=failed", "-o", "failed.html")

    page = (folder / "failed.html").read_text("utf-8")
    assert said.code == 0
    assert page.startswith("<!doctype html>")
    assert "<b>4</b> rows" in page
    assert "chosen by verdict=failed" in " ".join(re.sub("<.*?>", " ", page).split())


def test_report_as_a_page_goes_to_standard_output(bulkbind, finished):
    said = bulkbind("report", "latest", "--format", "html")

    assert said.code == 0
    assert said.out.rstrip().endswith("</html>")
    assert "<b>60</b> rows" in said.out


def test_report_formats_of_the_job_are_written_with_the_run(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(5)
    write_manifest(folder / "apis.csv", rows)
    write_job(folder / "job.toml", '[report]\nformats = ["html"]\ndir = "out"\n')
    with serve(rows) as served:
        assert bulkbind("run", "job.toml", *remote(served)).code == 0

    run = latest(state)
    assert not (run / "report.csv").exists()
    published = folder / "out" / "latest" / "report.html"
    assert published.read_bytes() == (run / "report.html").read_bytes()
    assert "report.html" in (run / "SHA256SUMS").read_text()


def test_report_writes_lost_reports_again(bulkbind, state, finished):
    run = latest(state)
    before = (run / "report.csv").read_bytes()
    (run / "report.csv").unlink()

    said = bulkbind("report", run.name)

    assert said.code == 0
    assert (run / "report.csv").read_bytes() == before


def test_a_run_is_found_by_id_beginning_job_path_and_latest(bulkbind, state, finished):
    run = latest(state)

    for name in (run.name, run.name[:18], "job", run, "latest"):
        said = bulkbind("status", name, "--json")
        assert (said.code, said.json["run_id"]) == (0, run.name)


def test_an_unknown_run_is_told_where_to_look(bulkbind, finished):
    said = bulkbind("report", "nope")

    assert said.code == 2
    assert "bulkbind runs" in said.err


def test_report_dir_gets_a_folder_per_run_and_a_link_to_the_latest(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(10)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        options = (*remote(served), "--report-dir", "out", "--json")
        first = bulkbind("run", manifest, *options)
        second = bulkbind("run", manifest, *options)

    out = folder / "out"
    for said in (first, second):
        assert said.code == 0
        theirs = out / said.json["run_id"]
        ours = state / "runs" / said.json["run_id"]
        for name in ("report.csv", "report.jsonl", "failed.csv", "summary.json"):
            assert (theirs / name).read_bytes() == (ours / name).read_bytes()
    assert (out / "latest").resolve() == (out / second.json["run_id"]).resolve()


def test_a_complete_run_whose_report_cannot_be_put_there_says_that_it_is_complete(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(10)
    manifest = write_manifest(folder / "apis.csv", rows)
    (folder / "out").write_text("no folder")

    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served), "--report-dir", "out")

    run = latest(state)
    assert said.code == 3
    assert f"run {run.name} is complete, nothing is left to send" in said.err
    assert f"whole in {run}" in said.err
    assert f"`bulkbind report {run.name}`" in said.err
    assert "broke off" not in said.err
    assert "resume" not in said.err
    assert len(read_csv(run / "report.csv")) == 10

    (folder / "out").unlink()
    assert bulkbind("report", run.name).code == 0
    theirs = folder / "out" / run.name / "report.csv"
    assert theirs.read_bytes() == (run / "report.csv").read_bytes()


def test_the_summary_says_who_ran_what(finished, state):
    summary = finished.json

    assert finished.code == summary["exit_code"] == 1
    assert summary["format_version"] == "1.0"
    assert summary["job"] == "job"
    assert summary["state"] == "finished"
    assert summary["stopped_by"] == ""
    assert "@" in summary["operator"]
    assert len(summary["manifest_sha256"]) == 64
    assert summary["plan_digest"].startswith("v1:")
    assert summary["credential"] == "env:BULKBIND_TOKEN"
    assert summary["rows"] == sum(summary["verdicts"].values()) == 60
    assert summary["started_at"] <= summary["finished_at"]


def test_report_cells_that_a_spreadsheet_would_run_are_made_safe_and_back(
    bulkbind, folder, state, serve, remote
):
    rows = [row._replace(owner="=cmd|'x'!A1") for row in bindings(3)]
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows, missing=3) as served:
        bulkbind("run", manifest, *remote(served))
        first = read_csv(latest(state) / "failed.csv")
        bulkbind(
            *("run", latest(state) / "failed.csv", "--state-dir", state),
            *("--endpoint", served.url),
        )
        second = read_csv(latest(state) / "failed.csv")

    assert {row["owner"] for row in first} == {"'=cmd|'x'!A1"}
    assert {row["owner"] for row in second} == {"'=cmd|'x'!A1"}


def test_a_report_that_was_not_put_there_is_named_as_it_is_found_from_here(
    bulkbind, folder, state, serve, remote, monkeypatch
):
    rows = bindings(10)
    manifest = write_manifest(folder / "apis.csv", rows)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "out").write_text("no folder")
    monkeypatch.chdir(elsewhere)

    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served), "--report-dir", "out")

    assert said.code == 3
    (handle,) = re.findall(r"`bulkbind report (\S+)`", said.err)
    (elsewhere / "out").unlink()
    assert bulkbind("report", handle).code == 0
    assert (elsewhere / "out" / latest(state).name / "report.csv").is_file()
