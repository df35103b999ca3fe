"""Schedules, differences, archives and messages are as ``schema`` says."""

import json
import zipfile

import pytest

from tests.engine import conftest as engine
from tests.factories import bindings, runs_in, started, write_job, write_manifest
from tests.listener import listening
from tests.unit import test_cli_schema as first

surroundings = engine.surroundings
folder = engine.folder
state = engine.state
bulkbind = engine.bulkbind
live = engine.live
schema = first.schema
job = first.job


@pytest.fixture
def two(bulkbind, folder, state, job):
    """Two runs: the second lacks a row, has another, and misses an API."""
    assert bulkbind("run", job).code == 0
    write_manifest(folder / "apis.csv", bindings(41, gateways=2)[1:])
    bulkbind("run", job, "--rebind", "--set", "sandbox.missing=1")
    return [path.name for path in runs_in(state)]


def refused(schema, name, document):
    """Check a document, and return what is wrong with it that its schema takes."""
    kind = schema(name)
    kind.validate(document)
    assert first.stray(kind.schema, document) == []
    wrong = first.spoilt(document, kind.schema)
    return [what for what, one in wrong if kind.is_valid(one)]


def test_a_difference_is_what_its_schema_says(bulkbind, schema, two):
    document = bulkbind("runs", "diff", *two, "--json").json

    assert document["counts"] == {"gone": 1, "added": 1, "changed": 1}
    assert refused(schema, "diff", document) == []


def test_the_index_of_an_archive_is_what_its_schema_says(bulkbind, schema, two, folder):
    assert bulkbind("runs", "archive", two[0], "-o", "one.run").code == 0

    with zipfile.ZipFile(folder / "one.run") as archive:
        document = json.loads(archive.read("archive.json"))
    assert document["run_id"] == two[0]
    assert refused(schema, "archive", document) == []


@pytest.mark.parametrize("form", ["cron", "systemd"])
def test_a_schedule_is_what_its_schema_says(schema, job, folder, form):
    command = ("schedule", job, "--at", "0 2 * * *", "--format", form, "--json")
    with started(*command, folder=folder) as process:
        said = process.wait()

    assert len(said.json["next"]) == 5
    assert refused(schema, "schedule", said.json) == []


@pytest.mark.parametrize("more", [(), ("--set", "sandbox.missing=1")])
def test_what_a_webhook_gets_is_what_its_schema_says(
    bulkbind, schema, job, folder, monkeypatch, more
):
    notify = '[notify]\non = "always"\nwebhook = "env:OPS_URL"\n'
    write_job(folder / "job.toml", notify)
    with listening() as ears:
        monkeypatch.setenv("OPS_URL", ears.url)
        bulkbind("run", job, *more)

    (heard,) = ears.heard
    document = json.loads(heard.body)
    assert document["exit_code"] == bool(more)
    assert refused(schema, "webhook", document) == []
