"""All reports in one pass: whole or not at all, private, with their checksums."""

import csv
import hashlib
import json
import os
import resource
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from bulkbind.errors import ReportWrong, StateError
from bulkbind.model import Action, Record, Requests, RunState, Scope, Summary, Verdict
from bulkbind.report import Written, judged_rows, write_reports, write_summary
from bulkbind.report.block import blocks
from bulkbind.report.files import drafts, publish, sweep
from tests.unit.test_report_source import (
    MadeRun,
    answer,
    intent,
    made_layout,
    made_run,
    runs,
)


def written(run: MadeRun, folder: Path, **options) -> Written:
    rows = judged_rows(run.rows, source=run.source, expected_rows=run.expected_rows)
    parts = blocks(rows, carried=0)
    return write_reports(folder, blocks=parts, layout=made_layout(), **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def refused(code: str = "APIG.3002", message: str = "gone") -> list[Record]:
    return [intent([0]), answer([0], Scope.ITEM, code=code, message=message)]


def test_every_report_is_written(tmp_path):
    result = written(made_run([0, 1]), tmp_path)

    assert names(tmp_path) == {"report.csv", "report.jsonl", "failed.csv", "SHA256SUMS"}
    assert [path.name for path in result.files] == [
        "report.csv",
        "report.jsonl",
        "failed.csv",
    ]


def test_only_the_formats_asked_for_are_written(tmp_path):
    written(made_run([0]), tmp_path, formats=("csv",))

    assert names(tmp_path) == {"report.csv", "SHA256SUMS"}


def test_failed_csv_is_a_header_alone_when_nothing_failed(tmp_path):
    written(made_run([0]), tmp_path)

    assert (tmp_path / "failed.csv").read_bytes().count(b"\r\n") == 1


def test_a_run_of_no_rows_has_headers_and_no_lines(tmp_path):
    result = written(made_run([]), tmp_path)

    assert result.totals.rows == 0
    assert (tmp_path / "report.csv").read_bytes().count(b"\r\n") == 1
    assert (tmp_path / "report.jsonl").read_bytes() == b""


def test_the_report_has_a_line_for_each_row_in_manifest_order(tmp_path):
    written(made_run([1, 0, Verdict.DUPLICATE, 1]), tmp_path)

    with (tmp_path / "report.csv").open(newline="", encoding="utf-8") as file:
        assert [row["line"] for row in csv.DictReader(file)] == ["2", "3", "4", "5"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(runs())
def test_totals_are_those_of_the_report(tmp_path, run):
    totals = written(run, tmp_path).totals

    with (tmp_path / "report.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert list(totals.verdicts) == [verdict.value for verdict in Verdict]
    for verdict, count in totals.verdicts.items():
        assert count == sum(row["verdict"] == verdict for row in rows)
    for code, count in totals.codes.items():
        assert count == sum(row["error_code"] == code for row in rows)
    assert sum(totals.verdicts.values()) == totals.rows == run.expected_rows


def test_codes_come_with_advice_most_rows_first(tmp_path):
    histories = [refused("APIG.1"), refused("APIG.2"), refused("APIG.2")]
    totals = written(
        made_run([0, 0, 0], batch_size=1, histories=histories), tmp_path
    ).totals

    assert list(totals.codes.items()) == [("APIG.2", 2), ("APIG.1", 1)]
    assert totals.advice["APIG.2"] == "about APIG.2"


def test_checksums_are_those_of_the_files(tmp_path):
    result = written(made_run([0]), tmp_path)

    for line in (tmp_path / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
        assert result.sums[name] == digest


def test_the_same_facts_make_the_same_bytes(tmp_path):
    one = written(made_run([0, 1, 0]), tmp_path).sums
    two = written(made_run([0, 1, 0]), tmp_path).sums

    assert one == two


def test_files_are_for_their_owner_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        written(made_run([0]), tmp_path)
    finally:
        os.umask(before)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}


# --- whole or not at all --------------------------------------------------------------


def test_a_report_that_does_not_add_up_leaves_the_old_one(tmp_path):
    written(made_run([0]), tmp_path)
    old = (tmp_path / "report.csv").read_bytes()
    run = made_run([0, 0, 0])
    run.expected_rows = 4

    with pytest.raises(ReportWrong):
        written(run, tmp_path)

    assert (tmp_path / "report.csv").read_bytes() == old
    assert len(names(tmp_path)) == 4


def test_a_report_that_does_not_add_up_leaves_nothing(tmp_path):
    run = made_run([0])
    run.expected_rows = 2

    with pytest.raises(ReportWrong):
        written(run, tmp_path)

    assert names(tmp_path) == set()


def test_a_folder_that_is_not_there_is_a_state_error_with_a_remedy(tmp_path):
    with pytest.raises(StateError, match=r"cannot be written: .*bulkbind report RUN"):
        written(made_run([0]), tmp_path / "missing")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the system refuse to write more, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_a_state_error_and_leaves_nothing(tmp_path):
    run = made_run([0] * 100)

    with files_of_at_most(4096), pytest.raises(StateError, match=r"report\.csv"):
        written(run, tmp_path)

    assert names(tmp_path) == set()


def left_by(pid: int, folder: Path, name: str = "report.csv") -> str:
    """Leave a draft, as a process that was killed while it wrote."""
    path = folder / f".{name}.{pid}-abc_0123"
    path.write_text("file,line")
    return path.name


@pytest.fixture
def ended_pid() -> int:
    """A process that is gone."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_drafts_of_killed_processes_are_swept_by_the_next_report(tmp_path, ended_pid):
    for name in ("report.csv", "report.jsonl", "failed.csv", "SHA256SUMS"):
        left_by(ended_pid, tmp_path, name)

    written(made_run([0]), tmp_path)

    assert names(tmp_path) == {"report.csv", "report.jsonl", "failed.csv", "SHA256SUMS"}


def test_drafts_of_processes_that_live_are_left_to_them(tmp_path):
    theirs = {left_by(os.getpid(), tmp_path), left_by(1, tmp_path)}

    written(made_run([0]), tmp_path)

    assert theirs <= names(tmp_path)


def test_a_draft_bears_the_process_that_writes_it(tmp_path):
    with drafts([tmp_path / "report.csv"]):
        (name,) = names(tmp_path)

    assert name.startswith(f".report.csv.{os.getpid()}-")


def test_nothing_but_drafts_is_swept(tmp_path, ended_pid):
    (tmp_path / ".mine").write_text("x")
    (tmp_path / f"report.csv.{ended_pid}-abc_0123").write_text("x")

    sweep(tmp_path)

    assert names(tmp_path) == {".mine", f"report.csv.{ended_pid}-abc_0123"}


def test_a_draft_is_whole_however_much_is_written_at_once(tmp_path):
    texts = [letter * 9_000_000 for letter in "abcdef"]

    with drafts([tmp_path / "x"]) as opened:
        for text in texts:
            opened[0].add(text)
        publish(opened)

    assert (tmp_path / "x").read_bytes() == "".join(texts).encode()


# --- the summary ----------------------------------------------------------------------


def summary(**facts) -> Summary:
    return Summary(
        **{
            "format_version": "1.0",
            "run_id": "r1",
            "job": "cors",
            "state": RunState.FINISHED,
            "exit_code": 0,
            "action": Action.ATTACH,
            "rows": 1,
            "verdicts": {"bound": 1, "failed": 0},
            "codes": {},
            "requests": Requests(sent=1),
            "seconds_reading": 0.0,
            "seconds_sending": 0.5,
            "rate_reached": 2.0,
            "manifest_sha256": "0" * 64,
            "plan_digest": "v1:0",
            "note": "größer",
            "operator": "me@here",
            "tool_version": "0.1.0",
            "credential": "environment",
            "stopped_by": "",
            "started_at": "2026-01-01T00:00:00.000Z",
            "finished_at": "2026-01-01T00:00:01.000Z",
            **facts,
        }
    )


def test_the_summary_is_indented_json_in_the_order_of_its_fields(tmp_path):
    text = write_summary(tmp_path, summary()).read_text(encoding="utf-8")

    assert text.startswith('{\n  "format_version": "1.0",\n  "run_id": "r1",\n')
    assert text.endswith("}\n")
    assert json.loads(text)["requests"]["sent"] == 1
    assert '"note": "größer"' in text


def test_the_summary_joins_the_checksums(tmp_path):
    written(made_run([0]), tmp_path, formats=("csv",))
    write_summary(tmp_path, summary())
    write_summary(tmp_path, summary(note="again"))

    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()

    digest = hashlib.sha256((tmp_path / "summary.json").read_bytes()).hexdigest()
    assert [line.split("  ")[1] for line in lines] == ["report.csv", "summary.json"]
    assert lines[1].startswith(digest)


def test_checksums_that_cannot_be_read_are_a_state_error(tmp_path):
    (tmp_path / "SHA256SUMS").mkdir()

    with pytest.raises(StateError, match="SHA256SUMS cannot be written"):
        write_summary(tmp_path, summary())
