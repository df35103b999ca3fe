"""A plug-in or environment that is gone: its rows fail at once, and nobody else's."""

import signal
from collections import Counter

import pytest

from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    Binding,
    attaches_by_gateway,
    binding,
    bindings,
    fewest_requests,
    gateways,
    report_of,
    slot_of,
    started,
    until,
    verdicts_of,
    write_manifest,
)

#: So that a target has several batches.
SMALL = ("--set", "plan.batch_size=100")


def interleaved(*several: list[Binding]) -> list[Binding]:
    """Take bindings in turn, so that batches of several targets take turns, too."""
    longest = max(map(len, several))
    return [some[no] for no in range(longest) for some in several if no < len(some)]


def asked(journal, gone: list[Binding]) -> list[int]:
    """Return the sizes of the requests for a target."""
    _, plugin_id, env_id = gone[0].target
    return [
        len(entry.ids)
        for entry in journal
        if (entry.path["plugin_id"], entry.env_id) == (plugin_id, env_id)
    ]


def rows_for(report, wanted: list[Binding]):
    slots = {one.bound for one in wanted}
    return [row for row in report if slot_of(row) in slots]


@pytest.fixture
def gone():
    """Rows for a plug-in that does not exist: three batches."""
    return bindings(300, plugin="jwt_auth")


@pytest.fixture
def good():
    """Rows for one that does, on the same gateway: three batches."""
    return bindings(300)


@pytest.fixture
def far():
    """Rows of another gateway."""
    return [binding(no, gateway=7) for no in range(300)]


@pytest.fixture
def there(good, far):
    """Everything that the gateways have."""
    return [*good, *far]


@pytest.fixture
def manifest(folder, gone, good, far):
    return write_manifest(folder / "apis.csv", interleaved(gone, good, far))


# --- one run --------------------------------------------------------------------------


def test_all_rows_of_a_gone_plugin_fail_with_the_gateways_own_words(
    bulkbind, state, serve, remote, manifest, gone, there
):
    with serve(there) as served:
        said = bulkbind("run", manifest, *remote(served), *SMALL, "--json")

    assert said.code == 1
    assert (
        said.json["verdicts"] | {"failed": 300, "bound": 600} == (said.json["verdicts"])
    )
    report = rows_for(report_of(state), gone)
    told = {
        (row["verdict"], row["cause"], row["http_status"], row["error_code"])
        for row in report
    }
    assert len(report) == 300
    assert told == {("failed", "target", "404", "APIG.3068")}
    (message,) = {row["error_msg"] for row in report}
    assert gone[0].plugin_id in message
    (request_id,) = {row["request_id"] for row in report}
    assert request_id
    assert all(row["advice"] for row in report)


def test_one_request_is_all_that_a_gone_plugin_costs(
    bulkbind, state, serve, remote, manifest, gone, there
):
    with serve(there) as served:
        said = bulkbind("run", manifest, *remote(served), *SMALL, "--json")
        journal = served.journal

    assert asked(journal, gone) == [100]
    assert len(journal) == 1 + fewest_requests(there, batch_size=100)
    assert said.json["requests"] == {
        "sent": len(journal),
        "isolation": 0,
        "retries": 0,
        "reads": said.json["requests"]["reads"],
    }
    attempts = Counter(row["attempts"] for row in rows_for(report_of(state), gone))
    assert attempts == {"1": 100, "0": 200}


def test_other_targets_of_the_gateway_and_other_gateways_go_on(
    bulkbind, serve, remote, manifest, gone, there
):
    with serve(there) as served:
        bulkbind("run", manifest, *remote(served), *SMALL)
        journal, bound = attaches_by_gateway(served.journal), served.bound

    assert bound == {row.bound for row in there}
    plugins = [entry.path["plugin_id"] for entry in journal[gone[0].instance_id]]
    # the gone target came first in its lane, and everything else after it
    assert plugins == [gone[0].plugin_id] + [there[0].plugin_id] * 3


def test_a_gone_environment_stops_no_other_environment_of_the_plugin(
    bulkbind, folder, state, serve, remote, good
):
    gone = [row._replace(env_id="nowhere") for row in good]
    manifest = write_manifest(folder / "apis.csv", interleaved(gone, good))

    with serve(good) as served:
        bulkbind("run", manifest, *remote(served), *SMALL)
        journal, bound = served.journal, served.bound

    assert asked(journal, gone) == [100]
    assert bound == {row.bound for row in good}
    report = rows_for(report_of(state), gone)
    assert {(row["error_code"], row["cause"]) for row in report} == {
        ("APIG.3003", "target")
    }


# --- across a resume ------------------------------------------------------------------


@pytest.fixture
def cut_short(bulkbind, serve, remote, manifest, gone, good, far):
    """Run while the other gateway is away, then resume when it is back.

    Returns:
        The journal of the run, that of the resume, and what the resume said.
    """
    with serve(good) as served:
        first = bulkbind("run", manifest, *remote(served), *SMALL)
        before = served.journal
        served.add(far)
        said = bulkbind("resume", "latest", "--json")
        after = served.journal[len(before) :]
    assert first.code == 3
    return before, after, said


def test_a_resume_sends_nothing_of_a_target_that_was_stopped(cut_short, gone, far):
    before, after, said = cut_short

    assert asked(before, gone) == [100]
    # not even the batch whose refusal stopped its target
    assert asked(after, gone) == []
    assert {entry.path["instance_id"] for entry in after} == {far[0].instance_id}
    assert said.json["state"] == "finished"


def test_a_stopped_targets_rows_stay_failed_across_a_resume(cut_short, state, gone):
    _, _, said = cut_short

    assert said.code == 1
    assert verdicts_of(state) == {"failed": 300, "bound": 600}
    report = rows_for(report_of(state), gone)
    assert {row["error_code"] for row in report} == {"APIG.3068"}
    assert Counter(row["attempts"] for row in report) == {"1": 100, "0": 200}


def test_when_all_else_is_done_nothing_is_left_to_resume(
    bulkbind, state, serve, remote, manifest, there
):
    with serve(there) as served:
        bulkbind("run", manifest, *remote(served), *SMALL)
        before = len(served.journal)
        said = bulkbind("resume", "latest")

        assert len(served.journal) == before
    assert "nothing is left to do" in said.err


def stop_in_the_first_batch(folder, served, remote, rows) -> None:
    """Run while every answer is lost, and stop at the first batch."""
    manifest = write_manifest(folder / "apis.csv", rows)
    many_tries = ("--set", "retry.max_attempts=50")
    command = ("run", manifest, *remote(served), *SMALL, *many_tries)
    with started(*command, folder=folder) as process:
        until(lambda: served.journal, alive=process)
        process.send(signal.SIGINT)
        process.wait()
    assert set(asked(served.journal, rows)) == {100}
    assert len({entry.ids for entry in served.journal}) == 1


@pytest.fixture
def lost_then_gone(bulkbind, folder, tmp_path, serve, remote, gone, good):
    """Lose the answers to a target's first batch; then let its plug-in be gone.

    Returns:
        The journal of the resume that met the gateway without the plug-in, and the
        gateway's port.
    """
    lost = SandboxOptions(lost_after=1.0)
    with serve([*gone, *good], options=lost) as served:
        rows = interleaved(gone, good)
        stop_in_the_first_batch(folder, served, remote, rows)
        port = served.port
    with gateways(tmp_path / "later.db", good, port=port) as served:
        assert bulkbind("resume", "latest").code == 1
        return served.journal, port


def test_rows_that_a_lost_answer_may_have_bound_are_not_failed_by_their_target(
    lost_then_gone, state, gone
):
    journal, _ = lost_then_gone

    assert asked(journal, gone) == [100]
    report = rows_for(report_of(state), gone)
    assert Counter(row["verdict"] for row in report) == {
        "unconfirmed": 100,
        "failed": 200,
    }
    assert verdicts_of(state)["bound"] == 300


@pytest.mark.parametrize(
    ("options", "requests", "verdicts"),
    [
        ((), [100], {"bound": 400, "failed": 200}),
        (("--failed",), [100, 100, 100], {"bound": 600}),
    ],
    ids=["resume", "resume --failed"],
)
def test_what_a_lost_answer_left_open_is_sent_again_once_the_plugin_is_back(
    lost_then_gone, bulkbind, state, tmp_path, *, options, requests, verdicts
):
    _, port = lost_then_gone
    gone, good = bindings(300, plugin="jwt_auth"), bindings(300)
    with gateways(tmp_path / "back.db", [*gone, *good], port=port) as served:
        bulkbind("resume", "latest", *options)
        journal = served.journal

    assert asked(journal, gone) == requests
    assert verdicts_of(state) == verdicts


def test_resume_failed_asks_once_more_when_the_plugin_is_still_gone(
    bulkbind, state, serve, remote, manifest, gone, there
):
    with serve(there) as served:
        bulkbind("run", manifest, *remote(served), *SMALL)
        before = len(served.journal)
        said = bulkbind("resume", "latest", "--failed")
        again = served.journal[before:]

    assert said.code == 1
    assert asked(again, gone) == [len(again) * 100] == [100]
    assert verdicts_of(state) == {"failed": 300, "bound": 600}
