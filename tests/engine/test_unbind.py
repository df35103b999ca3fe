"""``run --unbind``: what is bound is detached, and read back before it is believed."""

import pytest

from bulkbind.sandbox import SandboxOptions, parse_weather
from tests.factories import bindings, report_of, write_manifest


@pytest.fixture(autouse=True)
def reads(live):
    """An unbind always reads first."""


def verdicts(state):
    rows = report_of(state)
    return {row["verdict"] for row in rows}


def test_what_is_bound_is_unbound_and_read_back(bulkbind, folder, state, serve, remote):
    rows = bindings(1100, gateways=2)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))
        said = bulkbind("run", manifest, "--unbind", *remote(served), "--json")
        bound = served.bound

    assert said.code == 0
    assert said.json["verdicts"]["unbound"] == 1100
    assert said.json["requests"]["sent"] == 4
    assert bound == set()


def test_what_is_not_bound_is_unchanged_without_a_request(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(20)
    half = write_manifest(folder / "half.csv", rows[:10])
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        bulkbind("run", half, *remote(served))
        said = bulkbind("run", manifest, "--unbind", *remote(served), "--json")

    assert said.json["verdicts"]["unbound"] == 10
    assert said.json["verdicts"]["unchanged"] == 10


def test_a_lost_answer_is_read_back_and_not_sent_again(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(50)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))
    lost = SandboxOptions(weather=parse_weather("lost_after=1"))
    with serve(rows, options=lost) as served:
        said = bulkbind("run", manifest, "--unbind", *remote(served), "--json")
        bound, sent = served.bound, len(served.journal)

    assert said.code == 0
    assert said.json["requests"]["sent"] == sent == 1
    assert verdicts(state) == {"unbound"}
    assert bound == set()


def test_a_lagging_list_is_read_until_it_shows_the_end(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(50)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))
    lagging = SandboxOptions(weather=parse_weather("lag=0.3"))
    with serve(rows, options=lagging) as served:
        said = bulkbind("run", manifest, "--unbind", *remote(served), "--json")

    assert said.code == 0
    assert said.json["requests"]["sent"] == 1
    assert verdicts(state) == {"unbound"}


@pytest.mark.parametrize("flag", ["--no-live", "--rebind"])
def test_an_unbind_that_does_not_read_is_refused(bulkbind, folder, flag):
    manifest = write_manifest(folder / "apis.csv", bindings(2))

    said = bulkbind("run", manifest, "--unbind", flag, "--endpoint", "sandbox")

    assert said.code == 2
    assert "unbind must read" in said.err
