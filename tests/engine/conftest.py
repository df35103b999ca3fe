"""Every test has a host folder, a job folder and an environment of its own."""

import os

import pytest

from tests.factories import PROJECT, CommandLine, gateways


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Keep the machine's settings, credentials and runs out of the tests."""
    for name in list(os.environ):
        if name.startswith(("BULKBIND_", "HUAWEI", "HW_", "OS_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BULKBIND_HOST_DIR", str(tmp_path / "host"))
    monkeypatch.setenv("BULKBIND_RETRY_PROBE_WAIT", "0.05")
    monkeypatch.setenv("BULKBIND_RETRY_SECOND_LOOK", "0.2")
    # Most of these tests are about sending, and count requests: they send blind.
    monkeypatch.setenv("BULKBIND_SAFETY_LIVE", "false")
    monkeypatch.setenv("BULKBIND_SAFETY_ON_REPLACE", "allow")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "job"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def live(monkeypatch):
    """Read what is bound before anything is sent, as runs do by default."""
    monkeypatch.delenv("BULKBIND_SAFETY_LIVE")
    monkeypatch.delenv("BULKBIND_SAFETY_ON_REPLACE")


@pytest.fixture
def folder(tmp_path):
    """The current folder: job files and manifests go here."""
    return tmp_path / "job"


@pytest.fixture
def state(folder):
    """STATE of the jobs in ``folder``."""
    return folder / ".bulkbind"


@pytest.fixture
def bulkbind(capsys):
    """Run a command in this process and hear what it says."""
    return CommandLine(capsys.readouterr)


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Serve gateways, with the token they accept in the environment."""
    monkeypatch.setenv("BULKBIND_TOKEN", "sandbox")

    def start(wanted=(), **how):
        return gateways(tmp_path / "world.db", wanted, **how)

    return start


@pytest.fixture
def remote():
    """Return the options that send a run to served gateways, as fast as it can."""

    def options(served, *, rate="unlimited"):
        return (
            *("--endpoint", served.url, "--project-id", PROJECT),
            *("--rate", rate, "--set", "retry.max_attempts=3"),
        )

    return options
