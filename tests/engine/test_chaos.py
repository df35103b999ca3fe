"""The real engine, through a bad network, to the real sandbox: the truth is told."""

import shutil
from collections import defaultdict
from dataclasses import replace

import pytest

from tests.chaos import CLEAN, RESET_UNREAD, Fate, once_each, proxied, storm
from tests.factories import (
    PROJECT,
    binding,
    bindings,
    events_of,
    latest,
    report_of,
    write_job,
    write_manifest,
)

GATEWAYS = 60

#: Small waits: the network is on loopback.
SETTINGS = {
    "plan.batch_size": "1",
    "retry.probe_wait": "0.05s",
    "retry.second_look": "0.1s",
    "retry.timeout": "10s",
    "retry.max_attempts": "8",
    "pace.concurrency": str(GATEWAYS),
}


@pytest.fixture
def through(bulkbind, folder, state, serve):
    """Run a job through a proxy; return what was said, the proxy and the world."""

    def run(rows, choose, **settings):
        write_job(folder / "job.toml")
        write_manifest(folder / "apis.csv", rows)
        given = {**SETTINGS, **{k.replace("__", "."): v for k, v in settings.items()}}
        pairs = [("--set", f"{name}={value}") for name, value in given.items()]
        with serve(rows) as served, proxied(served.port, choose) as proxy:
            said = bulkbind(
                *("run", "job.toml", "--endpoint", proxy.url, "--project-id", PROJECT),
                *("--rate", "unlimited"),
                *(part for pair in pairs for part in pair),
            )
            bound = served.bound
        return said, proxy, bound

    return run


def settled(state):
    """Return the answers to each batch, in the order they came."""
    answers = defaultdict(list)
    for event in events_of(latest(state)):
        if event["event"] == "request_settled":
            answers[event["batch"]].append(event)
    return list(answers.values())


def assert_all_bound(said, bound, state, rows):
    assert said.code == 0, said.err
    assert bound == {row.bound for row in rows}
    report = report_of(state)
    assert {row["verdict"] for row in report} == {"bound"}
    assert all(row["plugin_attach_id"] for row in report)
    assert len(report) == len(rows)


def spread(count):
    """Make bindings on many gateways, so that their waits pass side by side."""
    return bindings(count, gateways=GATEWAYS)


@pytest.fixture
def reply_size(through, state):
    """Ask how many bytes the reply to an attach of one API has."""
    _, proxy, _ = through([binding(0)], lambda asked: CLEAN)
    sizes = [
        len(reply)
        for asked, reply in zip(proxy.asked, proxy.replies, strict=True)
        if asked.is_change
    ]
    shutil.rmtree(state)
    return sizes[0]


@pytest.mark.slow
def test_a_reply_cut_after_any_byte_is_neither_yes_nor_no(through, state, reply_size):
    rows = spread(reply_size)
    fates = {
        row.api_id.encode(): Fate(reply_bytes=cut, is_reset=cut % 3 == 0)
        for cut, row in enumerate(rows)
    }

    said, _, bound = through(rows, once_each(fates))

    assert_all_bound(said, bound, state, rows)
    told = [
        [(answer["scope"], answer["status"]) for answer in answers]
        for answers in settled(state)
    ]
    assert told == [[("ambiguous", 0), ("done", 201)]] * reply_size


def test_a_whole_reply_is_a_yes_though_the_connection_ends_behind_it(
    through, state, reply_size
):
    rows = spread(3)
    fates = {row.api_id.encode(): Fate(reply_bytes=reply_size) for row in rows}

    said, _, bound = through(rows, once_each(fates))

    assert_all_bound(said, bound, state, rows)
    assert [len(answers) for answers in settled(state)] == [1, 1, 1]


def test_a_request_cut_after_any_byte_is_neither_yes_nor_no(through, state):
    rows = spread(160)
    fates = {
        row.api_id.encode(): Fate(request_bytes=3 * place, is_reset=place % 2 == 0)
        for place, row in enumerate(rows)
    }

    said, proxy, bound = through(rows, once_each(fates))

    assert max(len(asked) for asked in proxy.asked if asked.is_change) < 3 * 160
    assert_all_bound(said, bound, state, rows)
    for answers in settled(state):
        assert {answer["scope"] for answer in answers[:-1]} <= {"ambiguous"}
        assert answers[-1]["scope"] == "done"


def test_a_reset_before_anybody_read_the_request_is_no_refusal(through, state):
    rows = spread(20)
    fates = {row.api_id.encode(): RESET_UNREAD for row in rows}

    said, _, bound = through(rows, once_each(fates))

    assert_all_bound(said, bound, state, rows)
    scopes = [[answer["scope"] for answer in answers] for answers in settled(state)]
    assert scopes == [["ambiguous", "done"]] * 20


def test_a_half_open_connection_ends_by_timeout_and_is_neither_yes_nor_no(
    through, state
):
    rows = spread(20)
    fates = {row.api_id.encode(): Fate(is_mute=True) for row in rows}

    said, _, bound = through(rows, once_each(fates), retry__timeout="0.4s")

    assert_all_bound(said, bound, state, rows)
    for first, *_ in settled(state):
        assert (first["scope"], first["code"]) == ("ambiguous", "BULKBIND.ANSWER_LOST")
        assert "in time" in first["message"]
        assert first["seconds"] >= 0.4


def test_a_slow_reply_is_waited_for(through, state):
    rows = spread(20)
    slow = Fate(pieces=10, pause_s=0.03)
    fates = {row.api_id.encode(): slow for row in rows}

    said, _, bound = through(rows, once_each(fates))

    assert_all_bound(said, bound, state, rows)
    for answers in settled(state):
        (only,) = answers
        assert only["scope"] == "done"
        assert only["seconds"] >= 0.25


def test_a_reply_slower_than_the_timeout_is_neither_yes_nor_no(through, state):
    rows = spread(20)
    slow = Fate(pieces=10, pause_s=0.2)
    fates = {row.api_id.encode(): slow for row in rows}

    said, _, bound = through(rows, once_each(fates), retry__timeout="0.5s")

    assert_all_bound(said, bound, state, rows)
    assert all(first["scope"] == "ambiguous" for first, *_ in settled(state))


def test_a_network_that_answers_nobody_fails_no_row(through, state):
    rows = bindings(6, gateways=2)

    said, _, bound = through(
        rows, lambda asked: Fate(reply_bytes=17), retry__max_attempts="2"
    )

    report = report_of(state)
    assert said.code in {1, 3}
    assert {row["verdict"] for row in report} <= {"unconfirmed", "not_sent"}
    # what left did arrive: nothing is told of it, and nothing is denied
    sent = {row["api_id"] for row in report if row["verdict"] == "unconfirmed"}
    assert {slot[2] for slot in bound} == sent


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_after_a_storm_every_row_is_bound(through, state, seed):
    rows = spread(240)

    said, proxy, bound = through(rows, storm(seed, share=0.35), retry__timeout="0.5s")

    assert_all_bound(said, bound, state, rows)
    met = {replace(fate, latency_s=0, jitter_s=0) != CLEAN for fate in proxy.fates}
    assert met == {True, False}
