"""The ready jobs in ``jobs/`` run as they stand there, on the sandbox."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

import bulkbind as library
from tests.factories import started

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
