"""The real engine, through a bad network, to the real sandbox: the truth is told."""

import shutil
from collections import defaultdict

import pytest

from tests.chaos import CLEAN, RESET_UNREAD, Fate, once_each, proxied, storm
from tests.factories import (
    PROJECT,
    binding,
    bindings,
    events_of,
    latest,
    report_of,
    slot_of,
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

AMBIGUOUS, DONE = ("ambiguous", 0), ("done", 201)


@pytest.fixture
def through(bulkbind, folder, state, serve):
    """Run a job through a proxy; return what was said, the proxy and the world."""

    def run(rows, choose, *, planted=None, **settings):
        write_job(folder / "job.toml")
        write_manifest(folder / "apis.csv", rows)
        given = {**SETTINGS, **{k.replace("__", "."): v for k, v in settings.items()}}
        pairs = [("--set", f"{name}={value}") for name, value in given.items()]
        served_by = serve(rows, **(planted or {}))
        with served_by as served, proxied(served.port, choose) as proxy:
            said = bulkbind(
                *("run", "job.toml", "--endpoint", proxy.url, "--project-id", PROJECT),
                *("--rate", "unlimited"),
                *(part for pair in pairs for part in pair),
            )
            bound = served.bound
        return said, proxy, bound

    return run


def answers_by_batch(state):
    """Return scope and status of the answers to each batch, in the order they came."""
    answers = defaultdict(list)
    for event in events_of(latest(state)):
        if event["event"] == "request_settled":
            answers[event["batch"]].append(event)
    return list(answers.values())


def told(state):
    return [
        [(answer["scope"], answer["status"]) for answer in answers]
        for answers in answers_by_batch(state)
    ]


def assert_all_bound(said, bound, state, rows):
    assert said.code == 0, said.err
    assert bound == {row.bound for row in rows}
    report = report_of(state)
    assert [row["verdict"] for row in report] == ["bound"] * len(rows)
    assert {slot_of(row) for row in report} == bound
    assert all(row["plugin_attach_id"] for row in report)


def spread(count):
    """Make bindings on many gateways, so that their waits pass side by side."""
    return bindings(count, gateways=GATEWAYS)


def cut_replies(proxy):
    """Return size and cut of every reply to a change that was cut."""
    return [
        (len(passed.reply), passed.fate.reply_bytes)
        for passed in proxy.passed
        if passed.asked.is_change and passed.fate.reply_bytes is not None
    ]


@pytest.fixture
def size_of_reply(through, state):
    """Ask how many bytes the reply to an attach of one API has."""

    def ask(**planted):
        _, proxy, _ = through([binding(0)], lambda asked: CLEAN, planted=planted)
        shutil.rmtree(state)
        return next(len(p.reply) for p in proxy.passed if p.asked.is_change)

    return ask


# --- a cut after any byte -------------------------------------------------------------


@pytest.mark.slow
def test_a_receipt_cut_after_any_byte_is_neither_yes_nor_no(
    through, state, size_of_reply
):
    size = size_of_reply()
    closed = [Fate(reply_bytes=cut) for cut in range(size)]
    reset = [Fate(reply_bytes=cut, is_reset=True) for cut in range(0, size, 5)]
    rows = spread(len(closed) + len(reset))
    fates = dict(
        zip((row.api_id.encode() for row in rows), [*closed, *reset], strict=True)
    )

    said, proxy, bound = through(rows, once_each(fates))

    assert sorted(set(cut_replies(proxy))) == [(size, cut) for cut in range(size)]
    assert len(cut_replies(proxy)) == len(rows)
    assert_all_bound(said, bound, state, rows)
    assert told(state) == [[AMBIGUOUS, DONE]] * len(rows)


@pytest.mark.slow
def test_a_refusal_cut_after_any_byte_is_neither_yes_nor_no(
    through, state, size_of_reply
):
    size = size_of_reply(missing=1)
    rows = spread(size)
    fates = {row.api_id.encode(): Fate(reply_bytes=cut) for cut, row in enumerate(rows)}

    said, proxy, bound = through(rows, once_each(fates), planted={"missing": size})

    cuts = {cut for whole, cut in cut_replies(proxy) if whole == size}
    assert cuts == set(range(size))
    assert said.code == 1
    assert bound == set()
    assert {row["verdict"] for row in report_of(state)} == {"failed"}
    assert all(row["error_code"] for row in report_of(state))
    assert all(answers[0] == AMBIGUOUS for answers in told(state))


def test_a_whole_reply_is_a_yes_though_the_connection_ends_behind_it(
    through, state, size_of_reply
):
    size = size_of_reply()
    rows = spread(3)
    fates = {row.api_id.encode(): Fate(reply_bytes=size) for row in rows}

    said, _, bound = through(rows, once_each(fates))

    assert_all_bound(said, bound, state, rows)
    assert told(state) == [[DONE]] * 3


def test_a_request_cut_anywhere_is_neither_yes_nor_no(through, state):
    rows = spread(160)
    fates = {
        row.api_id.encode(): Fate(request_bytes=3 * place, is_reset=place % 2 == 0)
        for place, row in enumerate(rows)
    }

    said, proxy, bound = through(rows, once_each(fates))

    assert max(len(asked) for asked in proxy.asked if asked.is_change) < 3 * 160
    assert_all_bound(said, bound, state, rows)
    for answers in told(state):
        assert set(answers[:-1]) <= {AMBIGUOUS}
        assert answers[-1] == DONE


def test_a_reset_before_anybody_read_the_request_is_no_refusal(through, state):
    rows = spread(20)
    fates = {row.api_id.encode(): RESET_UNREAD for row in rows}

    said, _, bound = through(rows, once_each(fates))

    assert_all_bound(said, bound, state, rows)
    assert told(state) == [[AMBIGUOUS, DONE]] * 20


# --- nothing, or too late -------------------------------------------------------------


@pytest.mark.parametrize(
    "silence",
    [
        Fate(request_bytes=0, is_mute=True),
        Fate(request_bytes=100, is_mute=True),
        Fate(reply_bytes=0, is_mute=True),
        Fate(reply_bytes=100, is_mute=True),
    ],
    ids=["before", "in the request", "after the effect", "in the reply"],
)
def test_a_half_open_connection_ends_by_timeout_and_is_neither_yes_nor_no(
    through, state, silence
):
    rows = spread(20)
    fates = {row.api_id.encode(): silence for row in rows}

    said, _, bound = through(rows, once_each(fates), retry__timeout="0.5s")

    assert_all_bound(said, bound, state, rows)
    for first, *_ in answers_by_batch(state):
        assert (first["scope"], first["code"]) == ("ambiguous", "BULKBIND.ANSWER_LOST")
        assert "in time" in first["message"]


def test_a_slow_reply_is_waited_for(through, state):
    rows = spread(20)
    slow = Fate(pieces=10, pause_s=0.03)
    fates = {row.api_id.encode(): slow for row in rows}

    said, _, bound = through(rows, once_each(fates))

    assert_all_bound(said, bound, state, rows)
    assert told(state) == [[DONE]] * 20
    # nine pauses at the least: it was slow, and the run waited
    assert all(only["seconds"] >= 0.25 for (only,) in answers_by_batch(state))


def test_a_reply_slower_than_the_timeout_is_neither_yes_nor_no(through, state):
    rows = spread(20)
    slow = Fate(pieces=10, pause_s=0.2)
    fates = {row.api_id.encode(): slow for row in rows}

    said, _, bound = through(rows, once_each(fates), retry__timeout="0.5s")

    assert_all_bound(said, bound, state, rows)
    assert all(first["scope"] == "ambiguous" for first, *_ in answers_by_batch(state))


# --- all of it at once ----------------------------------------------------------------


def test_a_network_that_answers_nobody_fails_no_row(through, state):
    rows = bindings(6, gateways=2)

    said, _, bound = through(
        rows, lambda asked: Fate(reply_bytes=17), retry__max_attempts="2"
    )

    report = report_of(state)
    assert said.code in {1, 3}
    assert {row["verdict"] for row in report} <= {"unconfirmed", "not_sent"}
    # what left did arrive: nothing is told of it, and nothing is denied
    assert {slot_of(row) for row in report if row["verdict"] == "unconfirmed"} == bound


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_after_a_storm_every_row_is_told_as_it_is(through, state, seed):
    rows = spread(300)

    said, proxy, bound = through(
        rows,
        storm(seed, share=0.35),
        planted={"missing": 12, "unpublished": 6},
        retry__timeout="0.5s",
        plan__batch_size="4",
    )

    report = report_of(state)
    assert said.code == 1, said.err
    assert len(bound) == 300 - 18
    verdicts = {slot_of(row): row["verdict"] for row in report}
    assert len(verdicts) == len(report) == 300
    assert {slot for slot, verdict in verdicts.items() if verdict == "bound"} == bound
    assert set(verdicts.values()) == {"bound", "failed"}
    met = {fate == CLEAN for fate in proxy.fates}
    assert met == {True, False}
