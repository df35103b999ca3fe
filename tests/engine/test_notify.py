"""A job whose owner is told how it ended: by the real command."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import bindings, latest, runs_in, write_job, write_manifest
from tests.listener import listening


@pytest.fixture
def rows():
    return bindings(20)


@pytest.fixture
def job(folder, rows):
    write_manifest(folder / "apis.csv", rows)

    def write(**keys):
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        return write_job(folder / "job.toml", f"[notify]\n{text}", name="cors")

    return write


@pytest.fixture
def ears(monkeypatch):
    with listening() as listener:
        monkeypatch.setenv("OPS_URL", f"{listener.url}/hook/T0-canary-secret")
        yield listener


def test_a_webhook_hears_how_a_run_ended_and_changes_nothing(
    bulkbind, rows, serve, remote, job, ears
):
    with serve(rows, missing=2) as served:
        said = bulkbind("run", job(webhook="env:OPS_URL"), *remote(served))

    (heard,) = ears.heard
    document = json.loads(heard.body)
    assert said.code == document["exit_code"] == 1
    assert document["job"] == "cors"
    assert document["verdicts"]["failed"] >= 2
    assert document["rows"] == 20
    assert "X-Auth-Token" not in heard.headers


def test_the_same_trouble_is_told_once_and_its_end_too(
    bulkbind, rows, serve, remote, job, ears
):
    path = job(webhook="env:OPS_URL", on="change")
    with serve(rows, missing=2) as served:
        for _ in range(3):
            bulkbind("run", path, *remote(served))
        told = len(ears.heard)
        with_trouble = json.loads(ears.heard[0].body)
    with serve(rows, missing=0) as served:
        for _ in range(2):
            bulkbind("run", path, *remote(served))

    assert told == 1
    assert with_trouble["exit_code"] == 1
    assert [json.loads(one.body)["exit_code"] for one in ears.heard] == [1, 0]


def test_who_could_not_be_told_is_told_next_time(
    bulkbind, rows, serve, remote, job, monkeypatch
):
    path = job(webhook="env:OPS_URL", on="change")
    with serve(rows, missing=2) as served:
        with listening([404]) as deaf:
            monkeypatch.setenv("OPS_URL", deaf.url)
            first = bulkbind("run", path, *remote(served))
        with listening() as ears:
            monkeypatch.setenv("OPS_URL", ears.url)
            second = bulkbind("run", path, *remote(served))

    assert "warning: notify.webhook: it was not taken: HTTP 404" in first.err
    assert first.code == second.code == 1
    assert len(ears.heard) == 1


def test_a_run_that_could_not_begin_is_told(bulkbind, folder, job, ears):
    path = job(webhook="env:OPS_URL", ping="env:OPS_URL")
    (folder / "apis.csv").write_text("instance_id,plugin_id\n")

    said = bulkbind("run", path)

    by_path = {one.path.rpartition("/")[2]: one.body for one in ears.heard}
    assert said.code == 2
    assert set(by_path) == {"start", "2", "T0-canary-secret"}
    assert json.loads(by_path["T0-canary-secret"])["error"]


def test_a_held_job_is_told_and_a_quiet_good_run_is_not(
    bulkbind, rows, serve, remote, job, ears
):
    path = job(webhook="env:OPS_URL")
    with serve(rows) as served:
        good = bulkbind("run", path, *remote(served))
        assert ears.heard == []
        bulkbind("pause", path)
        held = bulkbind("run", path, *remote(served))

    assert (good.code, held.code) == (0, 3)
    assert "on hold" in json.loads(ears.heard[0].body)["text"]


def test_an_address_is_asked_for_before_anything_is_sent(
    bulkbind, state, rows, serve, remote, job, monkeypatch
):
    monkeypatch.setenv("PLAIN", "http://ops.example.com/T0-canary-secret")
    with serve(rows) as served:
        unset = bulkbind("run", job(webhook="env:NOT_SET"), *remote(served))
        plain = bulkbind("run", job(slack="env:PLAIN"), *remote(served))
        in_the_job = bulkbind(
            "run", job(ping="https://hc.example.com/T0-canary-secret"), *remote(served)
        )

        assert not served.requests
    assert unset.code == plain.code == in_the_job.code == 2
    assert "notify.webhook: the variable NOT_SET is not set" in unset.err
    assert "notify.slack: what PLAIN holds is no https URL" in plain.err
    assert 'notify.ping: must be "env:NAME"' in in_the_job.err
    assert "canary-secret" not in unset.err + plain.err + in_the_job.err
    assert runs_in(state) == []


def test_no_file_and_no_stream_holds_an_address(
    bulkbind, state, rows, serve, remote, job, ears
):
    path = job(webhook="env:OPS_URL", slack="env:OPS_URL", ping="env:OPS_URL")
    with serve(rows, missing=1) as served:
        said = bulkbind("run", path, *remote(served))
    files = [
        one for root in (path.parent, state) for one in root.rglob("*") if one.is_file()
    ]

    assert len(ears.heard) == 4
    assert len(files) > 5
    assert "canary-secret" not in said.out + said.err
    assert [one for one in files if b"canary-secret" in one.read_bytes()] == []


def test_hooks_get_the_facts_and_no_credential(
    bulkbind, state, rows, serve, remote, job, monkeypatch
):
    monkeypatch.setenv("PAGER", "passed on")
    out = state.parent / "seen.json"
    code = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    hook = [sys.executable, "-c", code, str(out)]
    with serve(rows, missing=1) as served:
        bulkbind("run", job(hooks=[hook], pass_env=["PAGER"]), *remote(served))
    seen = json.loads(out.read_text())

    assert seen["BULKBIND_EVENT_RUN_ID"] == latest(state).name
    assert seen["BULKBIND_EVENT_EXIT_CODE"] == "1"
    assert seen["PAGER"] == "passed on"
    assert "BULKBIND_TOKEN" in os.environ
    assert "BULKBIND_TOKEN" not in seen


def test_metrics_remember_the_last_good_run(bulkbind, folder, rows, serve, remote, job):
    path = job(metrics_textfile="cors.prom")
    with serve(rows) as served:
        bulkbind("run", path, *remote(served))
    good = (folder / "cors.prom").read_text()
    with serve(rows, missing=1) as served:
        bulkbind("run", path, *remote(served), "--rebind")
    bad = (folder / "cors.prom").read_text()

    success = [
        line
        for line in good.splitlines()
        if line.startswith("bulkbind_last_success_timestamp_seconds{")
    ]
    assert 'bulkbind_last_run_exit_code{job="cors"} 0.0' in good
    assert 'bulkbind_last_run_exit_code{job="cors"} 1.0' in bad
    assert len(success) == 1
    assert success[0] in bad


def test_a_report_folder_that_cannot_be_written_is_news(
    bulkbind, folder, rows, serve, remote, job, ears
):
    (folder / "reports").write_text("a file is in the way")
    path = job(webhook="env:OPS_URL")
    path.write_text(path.read_text() + '[report]\ndir = "reports"\n')
    with serve(rows) as served:
        said = bulkbind("run", path, *remote(served))

        assert served.bound == {row.bound for row in rows}
    assert said.code == json.loads(ears.heard[0].body)["exit_code"] == 3
    assert "cannot be put into" in json.loads(ears.heard[0].body)["error"]


def test_a_tick_outside_the_window_is_no_news_but_a_ping(
    bulkbind, rows, serve, remote, job, ears
):
    path = job(webhook="env:OPS_URL", ping="env:OPS_URL", on="always")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    window = f"{yesterday:%a} 00:00-23:59 UTC"
    path.write_text(path.read_text() + f'[stop]\nwindow = "{window}"\n')
    with serve(rows) as served:
        said = bulkbind("run", path, *remote(served))

        assert not served.requests
    assert said.code == 3
    assert [one.path.rpartition("/")[2] for one in ears.heard] == ["start", "0"]
