"""The ready jobs in ``jobs/`` run as they stand there, on the sandbox."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

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


def test_every_folder_of_jobs_has_its_line():
    page = (JOBS / "README.md").read_text()

    folders = [path.name for path in JOBS.iterdir() if path.is_dir()]
    assert [name for name in folders if f"`{name}/`" not in page] == []
