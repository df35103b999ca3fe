"""A canary: 1 id, then 10, and the rest of a target only when these went well."""

import json
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    Binding,
    bindings,
    events_of,
    latest,
    report_of,
    started,
    until,
    verdicts_of,
    write_job,
    write_manifest,
)

#: Writes what it is told, one JSON line a call; ends as the file ``verdict`` says.
CHECK = """\
import json, os, pathlib, sys
told = dict(os.environ)
told["ids"] = pathlib.Path(told["BULKBIND_API_IDS_FILE"]).read_text().split()
told["folder"] = os.getcwd()
with open("asked.jsonl", "a") as file:
    file.write(json.dumps(told) + "\\n")
refused = pathlib.Path("refused")
if refused.exists() and told["BULKBIND_STEP"] in refused.read_text().split():
    print("some output")
    sys.exit("the error rate is too high")
"""


@pytest.fixture
def job(folder):
    """Write a job with a canary and a check; return what it was asked so far."""
    (folder / "check.py").write_text(CHECK)
    argv = json.dumps([sys.executable, "check.py"])
    write_job(folder / "job.toml", f"[plan]\ncanary = true\ncanary_check = {argv}\n")

    def asked():
        path = folder / "asked.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    return asked


@pytest.fixture
def rows(folder):
    """One target of 1,200 rows and one of 5, on two gateways."""
    rows = [*bindings(1200), *small()]
    write_manifest(folder / "apis.csv", rows)
    return rows


def small() -> list[Binding]:
    return [row for row in bindings(10, gateways=2) if row != bindings(1)[0]][::2]


def sizes(journal, rows):
    (target,) = {row.target for row in rows}
    return [
        len(entry.ids)
        for entry in journal
        if (entry.path["instance_id"], entry.path["plugin_id"], entry.env_id) == target
    ]


def steps(asked):
    return [(one["BULKBIND_INSTANCE_ID"], one["BULKBIND_STEP"]) for one in asked()]


# --- what is sent, and what is asked --------------------------------------------------


def test_a_target_begins_with_one_id_then_ten_and_a_check_is_asked_after_each(
    bulkbind, serve, remote, job, rows
):
    with serve(rows) as served:
        said = bulkbind("run", "job.toml", *remote(served), "--json")
        journal = served.journal

    big, little = rows[:1200], rows[1200:]
    assert said.code == 0
    assert said.json["verdicts"]["bound"] == 1205
    assert sizes(journal, big) == [1, 10, 500, 500, 189]
    assert sizes(journal, little) == [1, 4]
    assert sorted(steps(job)) == sorted(
        [
            (big[0].instance_id, "1"),
            (big[0].instance_id, "2"),
            (little[0].instance_id, "1"),
        ]
    )
    assert said.json["requests"]["sent"] == len(journal) == 7


def test_a_check_is_told_what_was_done_and_no_credential(
    bulkbind, serve, remote, job, rows, monkeypatch, state
):
    monkeypatch.setenv("HW_SECRET_KEY", "sesame")
    monkeypatch.setenv("PGPASSWORD", "sesame")
    monkeypatch.setenv("MY_OWN", "stays")
    with serve(rows) as served:
        bulkbind("run", "job.toml", *remote(served))

    first = next(
        one
        for one in job()
        if one["BULKBIND_INSTANCE_ID"] == rows[0].instance_id
        and one["BULKBIND_STEP"] == "2"
    )
    assert first["BULKBIND_RUN_ID"] == latest(state).name
    assert first["BULKBIND_ACCOUNT"] == "default"
    assert first["BULKBIND_PLUGIN_ID"] == rows[0].plugin_id
    assert first["BULKBIND_ENV_ID"] == rows[0].env_id
    assert (first["BULKBIND_ROWS"], first["BULKBIND_FAILED"]) == ("10", "0")
    assert (first["BULKBIND_STEPS"], first["BULKBIND_WANTED"]) == ("2", "bound")
    assert first["ids"] == [row.api_id for row in rows[1:11]]
    assert first["folder"] == str(state.parent)
    assert first["MY_OWN"] == "stays"
    assert not {"BULKBIND_TOKEN", "HW_SECRET_KEY", "PGPASSWORD"} & first.keys()


@pytest.mark.parametrize(("step", "sent"), [(1, [1]), (2, [1, 10])])
def test_a_refused_target_is_parked_and_others_go_on(
    bulkbind, serve, remote, job, rows, folder, state, *, step, sent
):
    (folder / "refused").write_text(str(step))
    big = rows[:1200]
    with serve(rows) as served:
        options = (*remote(served), "--only", f"instance_id={big[0].instance_id}")
        said = bulkbind("run", "job.toml", *options, "--json")
        journal = served.journal

    assert said.code == 3
    assert said.json["state"] == "stopped"
    assert sizes(journal, big) == sent
    report = report_of(state)
    told = {
        (row["cause"], row["error_code"], row["error_msg"])
        for row in report
        if row["verdict"] == "not_sent"
    }
    why = "canary_check ended with 1: the error rate is too high"
    message = f"the target's canary was not accepted: step {step} of 2: {why}"
    assert told == {("target", "BULKBIND.CANARY_REFUSED", message)}
    assert verdicts_of(state) == {"bound": sum(sent), "not_sent": 1200 - sum(sent)}
    assert all("resume" in row["advice"] for row in report if row["advice"])


def test_other_targets_go_on_when_one_is_refused(
    bulkbind, serve, remote, job, rows, folder, state
):
    (folder / "refused").write_text("2")
    with serve(rows) as served:
        said = bulkbind("run", "job.toml", *remote(served))

        assert said.code == 3
        little = {row.bound for row in rows[1200:]}
        assert little <= served.bound
    assert verdicts_of(state) == {"bound": 16, "not_sent": 1189}


def test_resume_asks_again_at_the_step_that_was_refused_and_at_no_other(
    bulkbind, serve, remote, job, rows, folder, state
):
    (folder / "refused").write_text("2")
    big = rows[:1200]
    with serve(rows) as served:
        bulkbind("run", "job.toml", *remote(served))
        again = bulkbind("resume", "latest")
        (folder / "refused").unlink()
        said = bulkbind("resume", "latest")
        journal = served.journal

    asked = [step for gateway, step in steps(job) if gateway == big[0].instance_id]
    assert (again.code, said.code) == (3, 0)
    assert asked == ["1", "2", "2", "2"]
    assert sizes(journal, big) == [1, 10, 500, 500, 189]
    assert verdicts_of(state) == {"bound": 1205}
    judged = [e for e in events_of(latest(state)) if e["event"] == "canary_judged"]
    of_two = [e.get("refused", "") for e in judged if e["step"] == 2]
    assert [bool(text) for text in of_two] == [True, True, False]


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["./no-such-check"], "'./no-such-check' cannot be started (No such file"),
        (["sleep", "60"], "canary_check did not end within 0.2 s"),
        (["sh", "-c", "kill -9 $$"], "canary_check ended with -9"),
    ],
    ids=["missing", "too slow", "killed"],
)
def test_a_check_that_gives_no_answer_refuses(
    bulkbind, serve, remote, folder, state, *, argv, why
):
    rows = bindings(30)
    write_manifest(folder / "apis.csv", rows)
    text = f"[plan]\ncanary = [2]\ncanary_check = {json.dumps(argv)}\n"
    write_job(folder / "job.toml", f"{text}canary_timeout = 0.2\n")
    if argv[0] == "sh":
        write_job(folder / "job.toml", text)
    with serve(rows) as served:
        said = bulkbind("run", "job.toml", *remote(served))
        journal = served.journal

    assert said.code == 3
    assert sizes(journal, rows) == [2]
    assert verdicts_of(state) == {"bound": 2, "not_sent": 28}
    (message,) = {row["error_msg"] for row in report_of(state)} - {""}
    assert why in message


# --- without a check ------------------------------------------------------------------


def test_without_a_check_a_failed_row_of_the_canary_parks_its_target(
    bulkbind, serve, remote, folder, state
):
    rows = bindings(30)
    write_manifest(folder / "apis.csv", rows)
    with serve(rows[1:]) as served:
        said = bulkbind("run", "apis.csv", "--canary", *remote(served))
        journal = served.journal
        served.add(rows)
        again = bulkbind("resume", "latest")
        assert sizes(served.journal, rows) == sizes(journal, rows)
        mended = bulkbind("resume", "latest", "--failed")

    assert [said.code, again.code, mended.code] == [3, 3, 0]
    assert sizes(journal, rows) == [1]
    assert verdicts_of(state) == {"bound": 30}


def test_a_canary_without_an_answer_parks_its_target(
    bulkbind, serve, remote, folder, state
):
    rows = bindings(30)
    write_manifest(folder / "apis.csv", rows)
    with serve(rows, options=SandboxOptions(error_before=1.0)) as served:
        said = bulkbind("run", "apis.csv", "--canary", *remote(served))
        journal = served.journal

    assert said.code == 3
    assert {len(entry.ids) for entry in journal} == {1}
    assert verdicts_of(state) == {"unconfirmed": 1, "not_sent": 29}
    told = {(row["error_code"], row["error_msg"]) for row in report_of(state)[1:]}
    why = "the target's canary was not accepted: 1 of its rows have no answer yet"
    assert told == {("BULKBIND.CANARY_REFUSED", why)}


def test_a_run_of_unbinding_reads_its_canary_back_before_it_goes_on(
    bulkbind, serve, remote, live, job, folder, state
):
    rows = bindings(30)
    write_manifest(folder / "apis.csv", rows)
    with serve(rows) as served:
        bulkbind("run", "apis.csv", *remote(served))
        said = bulkbind("run", "job.toml", "--unbind", *remote(served))

        assert served.bound == set()
    assert said.code == 0
    asked = [(one["BULKBIND_STEP"], one["BULKBIND_WANTED"]) for one in job()]
    assert asked == [("1", "unbound"), ("2", "unbound")]
    assert verdicts_of(state) == {"unbound": 30}


def test_an_undo_has_no_canary(bulkbind, serve, remote, live, job, folder, state):
    rows = bindings(30)
    write_manifest(folder / "apis.csv", rows)
    with serve(rows) as served:
        bulkbind("run", "job.toml", *remote(served))
        asked = len(job())
        requests = served.requests["detach_apis"]
        said = bulkbind("undo", "latest", "--no-hold")

        assert served.bound == set()
        assert served.requests["detach_apis"] - requests == 1
    assert said.code == 0
    assert len(job()) == asked == 2


# --- the plan -------------------------------------------------------------------------


def test_a_plan_counts_the_canarys_requests_and_says_who_is_asked(bulkbind, job, rows):
    plain = bulkbind("plan", "apis.csv", "--endpoint", "sandbox", "--json").json
    plan = bulkbind("plan", "job.toml", "--json").json
    said = bulkbind("plan", "job.toml")

    assert plain["requests"] == 4
    assert plan["requests"] == 7
    assert [target["requests"] for target in plan["targets"]] == [5, 2]
    assert (plan["canary"], plain["canary"]) == ([1, 10], [])
    assert plan["canary_check"] == [sys.executable, "check.py"]
    assert plan["digest"] != plain["digest"]
    assert (
        "canary: 1, then 10 ids of each target first; before it goes on,"
        f" '{sys.executable} check.py' is asked" in said.out
    )
    plain = bulkbind("plan", "apis.csv", "--endpoint", "sandbox")
    assert "canary: " not in plain.out


def test_a_saved_plan_keeps_its_canary_also_for_rows_that_were_so_when_it_was_drawn(
    bulkbind, serve, remote, live, job, folder, state
):
    rows = bindings(600)
    write_manifest(folder / "apis.csv", rows)
    with serve(rows) as served:
        bulkbind("run", "apis.csv", *remote(served))
        bulkbind("plan", "job.toml", *remote(served), "-o", "job.plan")
        bulkbind("undo", "latest", "--no-hold")
        served.forget()
        said = bulkbind("run", "job.plan", "--rate", "unlimited")
        journal = served.journal

    assert said.code == 0
    assert sizes(journal, rows) == [1, 10, 500, 89]
    assert len(job()) == 2


def test_explain_knows_the_code(bulkbind):
    said = bulkbind("explain", "BULKBIND.CANARY_REFUSED")

    assert "canary was not accepted" in said.out
    assert "advice" in said.out


# --- kills ----------------------------------------------------------------------------

#: Says that it was asked, then waits until it is let go.
GATE = """\
import os, pathlib, time
step = os.environ["BULKBIND_STEP"]
with open("asked", "a") as file:
    file.write(step + "\\n")
while not pathlib.Path("go" + step).exists():
    time.sleep(0.01)
"""


@pytest.mark.crash
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_end_while_a_check_is_asked_neither_skips_nor_repeats_a_step(
    bulkbind, serve, remote, folder, state, *, number
):
    rows = bindings(30)
    write_manifest(folder / "apis.csv", rows)
    (folder / "gate.py").write_text(GATE)
    argv = json.dumps([sys.executable, "gate.py"])
    write_job(folder / "job.toml", f"[plan]\ncanary = true\ncanary_check = {argv}\n")
    (folder / "go1").touch()

    def asked():
        path = folder / "asked"
        return path.read_text().split() if path.exists() else []

    with serve(rows) as served:
        with started("run", "job.toml", *remote(served), folder=folder) as run:
            until(lambda: asked() == ["1", "2"], alive=run)
            run.send(number)
            until(lambda: not run.is_running)
        before = sizes(served.journal, rows)
        (folder / "go2").touch()
        said = bulkbind("resume", "latest")

        assert before == [1, 10]
        assert sizes(served.journal, rows) == [1, 10, 19]
    assert said.code == 0
    assert asked() == ["1", "2", "2"]
    assert verdicts_of(state) == {"bound": 30}


def test_a_check_and_what_it_started_is_gone_when_its_time_is_over(
    bulkbind, serve, remote, folder
):
    rows = bindings(5)
    write_manifest(folder / "apis.csv", rows)
    script = folder / "check.sh"
    script.write_text("#!/bin/sh\nsleep 600 &\necho $! > child\nwait\n")
    script.chmod(stat.S_IRWXU)
    text = '[plan]\ncanary = [1]\ncanary_check = ["./check.sh"]\ncanary_timeout = 0.5\n'
    write_job(folder / "job.toml", text)
    with serve(rows) as served:
        said = bulkbind("run", "job.toml", *remote(served))

    child = int((folder / "child").read_text())
    assert said.code == 3
    until(lambda: not is_alive(child))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return status.rpartition(")")[2].split()[0] != "Z"
