"""The search inside a batch's progress: what it is told, and what it is not."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.model import Record, RecordKind, Scope, Why
from bulkbind.model.records import Receipts
from bulkbind.run.progress import Progress
from tests.isolation_table import (
    API_IDS,
    HINTS,
    Gateway,
    answered,
    batch_of,
    check,
    left,
    progress_seconds,
    scattered,
    seeded,
)

NOT_OF_AN_ID = [
    Scope.THROTTLE,
    Scope.BUSY,
    Scope.AMBIGUOUS,
    Scope.TRANSIENT,
    Scope.TARGET,
    Scope.GATEWAY,
    Scope.ACCOUNT,
]


def refused(span: tuple[int, ...], message: str = "") -> list[Record]:
    return [left(span), answered(span, message)]


def reading(span: tuple[int, ...], scope: Scope, *, named: bool = False) -> Record:
    texts = ("",) * len(span)
    receipts = Receipts(span, texts, texts) if named else Receipts((), (), ())
    record = answered(span, "")
    return replace(
        record, kind=RecordKind.READING, scope=scope, receipts=receipts, status=0
    )


@given(
    size=st.integers(1, 30),
    data=st.data(),
    hint=st.sampled_from(sorted(HINTS)),
    noise=st.lists(st.none() | st.sampled_from(NOT_OF_AN_ID), max_size=60),
)
def test_a_kill_anywhere_and_answers_that_are_of_no_id_change_no_request(
    size, data, hint, noise
):
    bad = data.draw(st.frozensets(st.integers(0, size - 1)))
    kills = data.draw(st.sets(st.integers(0, 100)))
    gateway = Gateway(bad, HINTS[hint], seeded(1))
    quiet = Gateway(bad, HINTS[hint], seeded(1))
    undisturbed, progress = Progress(batch_of(size), []), Progress(batch_of(size), [])
    records: list[Record] = []
    scopes = iter(noise)
    while span := progress.ask():
        records.append(left(span))
        progress.leave(records[-1])
        if len(records) in kills:  # the answer was lost with the process
            progress = Progress(batch_of(size), records)
            continue
        scope = next(scopes, None)
        if scope is not None:
            lost = replace(answered(span, API_IDS[span[0]]), scope=scope)
            assert not progress.learn(lost)
            records.append(lost)
            continue
        assert span == undisturbed.ask()
        undisturbed.learn(answered(span, quiet.answer(span)))
        records.append(answered(span, gateway.answer(span)))
        progress.learn(records[-1])

    check(gateway, size=size)
    assert (progress.settled.done, progress.settled.failed) == (
        size - len(bad),
        len(bad),
    )


def test_a_message_s_ids_are_checked_first():
    message = f"API {API_IDS[5]} is not published"
    progress = Progress(batch_of(9), refused(tuple(range(9)), message))

    assert progress.ask() == (5,)
    assert progress.why(failures=0) is Why.ISOLATION


def test_ids_of_other_things_are_not():
    progress = Progress(
        batch_of(9),
        refused(tuple(range(9)), API_IDS[5]),
        not_hints=frozenset({API_IDS[5]}),
    )

    assert progress.ask() == (0, 1, 2, 3, 4)


def test_the_history_of_a_search_that_halves_is_taken_up():
    records = [
        *refused(tuple(range(9))),
        *refused((0, 1, 2, 3, 4)),
        left((0, 1, 2)),
        answered((0, 1, 2), None),
        left((3, 4)),
    ]
    progress = Progress(batch_of(9), records)
    progress.learn(answered((3, 4), ""))

    assert progress.open == (3, 4, 5, 6, 7, 8)
    assert progress.ask() == (3,)


@pytest.mark.parametrize(
    ("scope", "named"),
    [(Scope.ITEM, False), (Scope.DONE, True), (Scope.GATEWAY, False)],
)
def test_what_a_list_ends_is_not_asked_for_and_the_rest_goes_together(scope, named):
    progress = Progress(batch_of(9), refused(tuple(range(9))))

    assert progress.learn(reading((0, 7), scope, named=named))
    assert progress.ask() == (1, 2, 3, 4, 5, 6, 8)
    assert (progress.settled.done, progress.settled.failed) == (
        (2, 0) if named else (0, 2)
    )


def test_what_was_sent_and_is_neither_yes_nor_no_is_unknown():
    records = [left((0, 1, 2))]

    assert Progress(batch_of(3), records).unknown == (0, 1, 2)
    records.append(answered((0, 1, 2), ""))
    assert Progress(batch_of(3), records).unknown == ()


def test_the_worst_searches_cost_the_processor_little():
    bad = scattered(250, seeded(1))
    began = time.process_time()
    for hint in ("none", "right", "half lies"):
        progress_seconds(Gateway(bad, HINTS[hint]))
    seconds = time.process_time() - began

    assert seconds < 0.9  # live, replayed and the gateway; about 0.1 on a quiet machine
