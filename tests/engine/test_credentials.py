"""Credentials that are fetched, from the command line to the gateway and back."""

import csv

import pytest

from bulkbind.sandbox import SandboxOptions
from tests.cloud import PASSWORD, cloud
from tests.factories import PROJECT, bindings, gateways, report_of, runs_in

REGION = "cn-north-4"
SECOND = "the-second-token-that-is-given"


@pytest.fixture(autouse=True)
def reads(live):
    """What runs do by default."""


@pytest.fixture
def user(monkeypatch):
    monkeypatch.setenv("HW_USER_NAME", "robot")
    monkeypatch.setenv("HW_USER_PASSWORD", PASSWORD)
    monkeypatch.setenv("HW_DOMAIN_NAME", "company")


@pytest.fixture
def iam(user):
    """An identity service; the gateways take the second token that it gives."""
    projects = [{"id": PROJECT, "name": REGION}]
    with cloud(tokens=("first", SECOND), projects=projects) as found:
        found.now = 4e9  # no token of it expires while a test runs
        yield found


@pytest.fixture
def served(tmp_path):
    wanted = bindings(30, gateways=3)
    options = SandboxOptions(token=SECOND)
    with gateways(tmp_path / "world.db", wanted, options=options) as found:
        yield found, wanted


def write_job(folder, served, iam):
    found, wanted = served
    with (folder / "apis.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("instance_id", "plugin_id", "plugin_type", "env_id", "api_id"))
        lines.writerows(row[:5] for row in wanted)
    (folder / "job.toml").write_text(
        'manifest = "apis.csv"\n[pace]\nrate = "unlimited"\n'
        f'[account]\nendpoint = "{found.url}"\n'
        f'iam_endpoint = "{iam.url}"\nregion = "{REGION}"\n'
    )
    return folder / "job.toml"


def kept(*folders):
    """Read every file that was written."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


def test_a_run_signs_in_finds_its_project_and_renews_a_refused_token(
    bulkbind, folder, state, served, iam, tmp_path
):
    found, wanted = served

    said = bulkbind("run", write_job(folder, served, iam))

    assert said.code == 0
    assert found.bound == {row.bound for row in wanted}
    assert {row["project_id"] for row in report_of(state)} == {PROJECT}
    assert iam.given["token"] == 2
    assert [path for _, path in iam.asked].count(f"/v3/projects?name={REGION}") == 1
    everything = said.out.encode() + said.err.encode() + kept(state, tmp_path / "host")
    assert PASSWORD.encode() not in everything
    assert b'"second"' not in everything


def test_a_refused_user_exits_2_and_is_not_tried_by_the_next_run(
    bulkbind, folder, state, served, iam, monkeypatch
):
    found, _ = served
    job = write_job(folder, served, iam)
    monkeypatch.setenv("HW_USER_PASSWORD", "wrong")

    said = bulkbind("run", job)
    asked = len(iam.asked)
    again = bulkbind("run", job)

    assert (said.code, again.code) == (2, 2)
    assert "IAM.0101: wrong user or password" in said.err
    assert "check user, password and account (domain) name" in said.err
    assert "not tried again for ten minutes" in again.err
    assert (asked, len(iam.asked)) == (1, 1)
    assert not found.requests
    assert runs_in(state) == []


def test_a_region_without_a_project_exits_2_and_says_so(bulkbind, folder, served, iam):
    iam.projects.clear()

    said = bulkbind("run", write_job(folder, served, iam))

    assert said.code == 2
    assert f"no project named {REGION}" in said.err
    assert "give project_id" in said.err


def test_an_export_finds_its_project_too(bulkbind, folder, served, iam):
    said = bulkbind("export", write_job(folder, served, iam), "-o", "bound.csv")

    assert said.code == 0
    assert ("GET", f"/v3/projects?name={REGION}") in iam.asked


def test_doctor_finds_nothing_wrong_where_a_run_looks_its_project_up(
    bulkbind, folder, served, iam
):
    said = bulkbind("doctor", write_job(folder, served, iam))

    assert "no project is known" not in said.out
    assert "an access key, found at env:HW_USER_NAME" not in said.out
    assert said.code == 0
