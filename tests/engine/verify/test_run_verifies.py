"""``run --verify``: what a run finds when it reads back what it did itself."""

import json

import anyio

from bulkbind.job.checking import CheckErrand, read_back
from bulkbind.job.connecting import find_credentials
from bulkbind.job.errand import Surroundings
from bulkbind.run import Halt
from bulkbind.sandbox import SandboxOptions, parse_weather
from bulkbind.settings import Overrides, revise
from bulkbind.state.facts import thaw
from bulkbind.state.folders import RunFolder, StateFolder
from tests.engine.verify.conftest import MANY
from tests.factories import (
    latest,
    report_of,
    write_manifest,
)


def verified(state):
    return [row["verified"] for row in report_of(state)]


def weather(text):
    return SandboxOptions(weather=parse_weather(text))


def test_a_run_may_verify_itself(bulkbind, folder, state, serve, remote, rows):
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served), "--verify", "--json")

    assert said.code == said.json["exit_code"] == 0
    assert said.json["verification"]["same"] == MANY
    assert verified(state) == ["yes"] * MANY


def test_a_run_whose_own_verification_finds_drift_is_exit_1(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows, options=weather("lag=1h")) as served:
        said = bulkbind("run", manifest, *remote(served), "--verify")

    assert said.code == 1
    assert f"{MANY} of {MANY} rows DRIFTED" in said.out
    assert json.loads((latest(state) / "summary.json").read_text())["exit_code"] == 1


def test_a_verification_that_is_stopped_says_nothing_of_what_it_did_not_read(
    bulkbind, state, bound
):
    settings = revise(
        thaw(RunFolder(latest(state)).facts().meta["settings"]), Overrides()
    )
    around = Surroundings()
    before = bound.requests.total()

    async def stopped():
        halt = Halt()
        halt.stop("SIGINT")
        errand = CheckErrand(
            run=RunFolder(latest(state)),
            settings=settings,
            credentials=find_credentials(settings, around.environ),
            state=StateFolder(state),
            halt=halt,
        )
        return await read_back(errand, around=around)

    checked = anyio.run(stopped)

    assert (checked.exit_code, checked.not_read, checked.rows) == (3, MANY, MANY)
    assert bound.requests.total() == before


def test_a_run_that_goes_on_makes_an_older_verification_old_news(
    bulkbind, folder, state, serve, remote, rows
):
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows, missing=5) as served:
        bulkbind("run", manifest, *remote(served))
        bulkbind("verify")
        summary = json.loads((latest(state) / "summary.json").read_text())
        served.add(rows)
        said = bulkbind("resume", "latest", "--failed", "--json")

    assert said.code == 0, said.err
    assert summary["verification"]["same"] == MANY - 5
    assert said.json["verification"] is None
