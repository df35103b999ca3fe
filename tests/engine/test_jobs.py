"""The ready jobs in ``jobs/`` run as they stand there, on the sandbox."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

import bulkbind as library
from bulkbind.sandbox import SandboxOptions
from tests.factories import PROJECT, Binding, gateways, started

JOBS = Path(library.__file__).parent.parent / "jobs"


@pytest.fixture
def nightly(folder, live):
    return Path(shutil.copytree(JOBS / "nightly", folder / "nightly"))


def test_the_nightly_job_runs_and_is_silent(nightly):
    for _ in range(2):
        with started("run", "job.toml", "--resume", "-q", folder=nightly) as night:
            said = night.wait()

        assert (said.code, said.out, said.err) == (0, "", "")


def test_the_commands_in_the_nightly_job_can_be_given(nightly):
    text = (nightly / "job.toml").read_text()
    commands = re.findall(r"^#     bulkbind (.+)$", text, re.MULTILINE)

    assert len(commands) == 2
    for command in commands:
        with started(*shlex.split(command, comments=True), folder=nightly) as shown:
            assert shown.wait().code == 0


def test_the_container_of_the_cronjob_runs_the_job_with_its_state_on_the_volume(
    nightly, tmp_path
):
    document = yaml.safe_load((JOBS / "kubernetes/cronjob.yaml").read_text())
    pod = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {
        one["mountPath"]: tmp_path / one["name"] for one in container["volumeMounts"]
    }
    mounts["/job"] = nightly

    def inside(text):
        for path, folder in mounts.items():
            text = re.sub(rf"^{path}(?=/|$)", str(folder), text)
        return text

    environ = {one["name"]: inside(one["value"]) for one in container["env"]}
    programme, *arguments = map(inside, container["command"])
    (tmp_path / "state").mkdir()
    with started(*arguments, folder=nightly, environ=environ) as run:
        said = run.wait()

    assert (document["apiVersion"], document["kind"]) == ("batch/v1", "CronJob")
    assert {one["name"] for one in pod["volumes"]} == {
        one["name"] for one in container["volumeMounts"]
    }
    assert programme == "bulkbind"
    assert (said.code, said.out, said.err) == (0, "", "")
    assert (tmp_path / "state/bulkbind/runs").is_dir()
    assert not (nightly / ".bulkbind").exists()


def test_every_folder_of_jobs_has_its_line():
    page = (JOBS / "README.md").read_text()

    folders = [path.name for path in JOBS.iterdir() if path.is_dir()]
    assert [name for name in folders if f"`{name}/`" not in page] == []


# --- a change made once ---------------------------------------------------------------


@pytest.fixture
def migration(folder, live):
    return Path(shutil.copytree(JOBS / "migration", folder / "migration"))


def test_the_commands_of_the_migration_can_be_given_one_after_the_other(migration):
    text = (migration / "job.toml").read_text()
    commands = re.findall(r"^#     bulkbind (.+)$", text, re.MULTILINE)

    said = []
    for command in commands:
        with started(*shlex.split(command, comments=True), folder=migration) as one:
            said.append(one.wait())

    *before, failed = said
    assert len(before) == 4
    assert [one.code for one in before] == [0, 0, 0, 0]
    assert "2 bound" in " ".join(before[2].out.split())
    assert failed.code == 2  # nothing failed: no row matches
    with started("undo", "latest", "--dry-run", folder=migration) as back:
        assert back.wait().code == 0


def test_a_plan_that_was_not_reviewed_is_not_run(migration):
    with started("plan", "job.toml", "--json", folder=migration) as plan:
        digest = json.loads(plan.wait().out)["digest"]
    lines = (migration / "apis.csv").read_text().replace("2222", "3333")
    (migration / "apis.csv").write_text(lines)

    with started("run", "job.toml", "--expect", digest, folder=migration) as run:
        said = run.wait()

    assert said.code == 4
    assert "nothing was sent" in said.err


# --- two accounts ---------------------------------------------------------------------


def test_two_accounts_are_worked_with_keys_of_their_own(folder, live, tmp_path):
    job = Path(shutil.copytree(JOBS / "accounts", folder / "accounts"))
    text = (job / "job.toml").read_text()
    with (job / "apis.csv").open(newline="") as file:
        rows = {row.pop("account"): [Binding(**row)] for row in csv.DictReader(file)}
    tokens = {"payments": "of-payments", "shop": "of-shop"}
    with ExitStack() as stack:
        served = {
            name: stack.enter_context(
                gateways(
                    tmp_path / f"{name}.db",
                    rows[name],
                    options=SandboxOptions(token=token),
                )
            )
            for name, token in tokens.items()
        }
        for name, region in (("payments", "cn-north-4"), ("shop", "eu-west-101")):
            where = f'endpoint = "{served[name].url}"\nproject_id = "{PROJECT}"'
            text = text.replace(f'region = "{region}"', where)
        (job / "job.toml").write_text(text)
        environ = {"PAY_TOKEN": tokens["payments"], "SHOP_TOKEN": tokens["shop"]}
        with started("run", "job.toml", folder=job, environ=environ) as run:
            said = run.wait()
        bound = {name: one.bound for name, one in served.items()}

    assert said.code == 0, said.err
    assert bound == {name: {one.bound for one in rows[name]} for name in tokens}


# --- a workflow -----------------------------------------------------------------------


def test_the_workflow_plans_on_request_and_runs_what_was_approved(migration, tmp_path):
    workflow = yaml.safe_load((JOBS / "ci/rollout.yml").read_text())
    steps = {
        (name, step["name"]): step["run"]
        for name, job in workflow["jobs"].items()
        for step in job["steps"]
        if "run" in step
    }
    rollout = migration.rename(migration.parent / "rollout")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, line in (
        ("bulkbind", f'exec {shlex.quote(sys.executable)} -m bulkbind "$@"'),
        ("gh", f'cat "$5" > {shlex.quote(str(tmp_path / "comment.md"))}'),
    ):
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    environ = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "REQUEST": "7"}

    def step(*which):
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", steps[which]],
            cwd=rollout.parent,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    with started("plan", "job.toml", "--json", folder=rollout) as plan:
        digest = json.loads(plan.wait().out)["digest"]
    (rollout / "approved.digest").write_text(digest + "\n")
    planned = step("plan", "plan")
    same = step("plan", "is the digest that of the plan?")
    shown = step("plan", "show it")
    ran = step("run", "run")
    text = (rollout / "apis.csv").read_text()
    (rollout / "apis.csv").write_text(text.replace("2222", "4444"))
    later = step("run", "run")

    assert [one.returncode for one in (planned, same, shown)] == [0, 0, 0]
    assert digest in (tmp_path / "comment.md").read_text()
    assert ran.returncode == 0, ran.stderr
    assert later.returncode == 4
    assert set(steps) == {
        *(("plan", name) for name in ("install", "plan", "show it")),
        ("plan", "is the digest that of the plan?"),
        *(("run", name) for name in ("install", "run")),
    }
