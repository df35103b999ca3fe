"""The recipe for agencies in ``jobs/``, against a fake identity service."""

import json
import sys
import tomllib
from pathlib import Path

import pytest

import bulkbind as library
from tests.cloud import cloud

RECIPE = Path(library.__file__).parent.parent / "jobs" / "agencies"
KEYS = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "planted-secret"}


@pytest.fixture
def job(folder, monkeypatch):
    """The recipe's job, with its accounts on a fake cloud instead of the real one."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    for path in RECIPE.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    with cloud(now=4e9) as served:
        text = (RECIPE / "job.toml").read_text(encoding="utf-8")
        for name in ("cn-north-4.myhuaweicloud.com", "eu-west-101.myhuaweicloud.eu"):
            text = text.replace(f"https://iam.{name}", served.url)
        text = text.replace('"python3"', json.dumps(sys.executable))
        for region in ("cn-north-4", "eu-west-101"):
            where = f'endpoint = "{served.url}"\niam_endpoint = "{served.url}"\n'
            text = text.replace(f'region = "{region}"', f'{where}region = "{region}"')
        (folder / "job.toml").write_text(text, encoding="utf-8")
        served.projects = [
            {"id": "pay", "name": "cn-north-4"},
            {"id": "shop", "name": "eu-west-101"},
        ]
        yield served


def test_each_account_is_worked_on_with_its_agencys_keys(bulkbind, live, job):
    said = bulkbind("plan", "job.toml", "--live")

    assumed = [
        body["auth"]["identity"]["assume_role"]
        for body in job.bodies
        if body and "assume_role" in body["auth"]["identity"]
    ]
    assert assumed == [
        {
            "domain_name": "payments-ltd",
            "agency_name": "bulkbind",
            "duration_seconds": 3600,
        },
        {
            "domain_name": "shop-ltd",
            "agency_name": "bulkbind",
            "duration_seconds": 43_200,
        },
    ]
    asked = [
        (headers["X-Security-Token"], headers["X-Project-Id"], path.split("/")[2])
        for headers, (_, path) in zip(job.headers, job.asked, strict=True)
        if path.startswith("/v2/")
    ]
    assert set(asked) == {("ST", "pay", "pay"), ("ST", "shop", "shop")}
    assert "planted-secret" not in said.out + said.err


def test_an_agency_that_is_refused_ends_the_job_before_it_begins(bulkbind, live, job):
    job.status = 403

    said = bulkbind("plan", "job.toml", "--live")

    assert said.code == 2
    assert "credential_command of account 'payments' gives no credential" in said.err
    assert [path for _, path in job.asked] == ["/v3.0/OS-CREDENTIAL/securitytokens"]


def test_the_recipe_is_a_job_as_it_stands():
    with (RECIPE / "job.toml").open("rb") as file:
        job = tomllib.load(file)

    assert set(job["accounts"]) == {"payments", "shop"}
    assert all(one["credential_command"] for one in job["accounts"].values())
