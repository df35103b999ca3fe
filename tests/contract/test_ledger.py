"""What every ledger store does, whatever database it uses.

A store joins by one entry in ``STORES``: how to make a ledger, open it again, and
read it while somebody writes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkbind.errors import StateError
from bulkbind.ledger import Ledger, SqliteLedger
from bulkbind.ledger.postgres import PostgresLedger
from bulkbind.model import (
    Action,
    Aside,
    Batch,
    Cause,
    Invocation,
    Lane,
    LaneTally,
    Receipts,
    Record,
    RecordKind,
    RunState,
    Scope,
    Settled,
    Stop,
    Target,
    Verdict,
    Why,
)
from tests.postgres import PostgresServer


@dataclass(frozen=True)
class Store:
    """One place to keep a ledger, empty at first."""

    create: Callable[[], Ledger]
    open: Callable[[], Ledger]
    read: Callable[[], Ledger]


def sqlite_store(folder: Path) -> Store:
    path = folder / "ledger.db"
    return Store(
        create=lambda: SqliteLedger.create(path, tool="bulkbind test"),
        open=lambda: SqliteLedger.open(path),
        read=lambda: SqliteLedger.read(path),
    )


def postgres_store(folder: Path, server: PostgresServer) -> Store:
    url, name = server.url(), str(folder)
    return Store(
        create=lambda: PostgresLedger.create(url, name, tool="bulkbind test"),
        open=lambda: PostgresLedger.open(url, name),
        read=lambda: PostgresLedger.read(url, name),
    )


STORES = ("sqlite", "postgres")


def store_of(kind: str, folder: Path, server: PostgresServer) -> Store:
    if kind == "sqlite":
        return sqlite_store(folder)
    return postgres_store(folder, server)


@pytest.fixture(params=STORES)
def store(request, tmp_path, postgres) -> Store:
    return store_of(request.param, tmp_path, postgres)


@pytest.fixture
def ledger(store) -> Iterator[Ledger]:
    ledger = store.create()
    yield ledger
    ledger.close()


@contextmanager
def transaction(ledger: Ledger) -> Iterator[Ledger]:
    ledger.begin()
    yield ledger
    ledger.commit()


LANES = [Lane(0, "a", "host/g0"), Lane(1, "b", "host/g1")]
TARGETS = [
    Target(0, "a", "p", "g0", "plug0", "env", 0, "cors"),
    Target(1, "b", "", "g1", "plug1", "env", 1, ""),
    Target(2, "a", "p", "g0", "plug2", "env2", 0, "jwt_auth"),
]


def batch(number: int, *, target: int = 0, size: int = 2) -> Batch:
    return Batch(
        id=number,
        target=target,
        lane=TARGETS[target].lane,
        action=Action.ATTACH,
        rows=tuple(range(10 * number, 10 * number + size)),
        api_ids=tuple(f"api{number}_{place}" for place in range(size)),
    )


def intent(number: int, span=(0, 1), **facts) -> Record:
    facts = {"invocation": 1, "at": 5.0, **facts}
    return Record(batch=number, kind=RecordKind.INTENT, span=tuple(span), **facts)


def answer(number: int, span=(0, 1), **facts) -> Record:
    facts = {"invocation": 1, "at": 6.25, "scope": Scope.DONE, "status": 201, **facts}
    return Record(batch=number, kind=RecordKind.ANSWER, span=tuple(span), **facts)


def stop(scope: Scope, key: str, **facts) -> Stop:
    facts = {"cause": Cause.TARGET, "invocation": 1, "at": 7.0, **facts}
    return Stop(scope=scope, key=key, **facts)


@pytest.fixture
def planned(ledger: Ledger) -> Ledger:
    """A ledger with two batches of target 0 and one of target 1."""
    with transaction(ledger):
        ledger.put_batches([batch(1), batch(2), batch(3, target=1, size=1)])
        ledger.put_plan(lanes=LANES, targets=TARGETS, asides=[])
    return ledger


def opened(ledger: Ledger, lane: int = 0, *, after: int = 0, limit: int = 10):
    return [b.id for b, _ in ledger.open_batches(lane, after=after, limit=limit)]


# --- the plan -------------------------------------------------------------------------


def test_a_new_ledger_holds_nothing(ledger):
    assert ledger.lanes() == []
    assert ledger.targets() == []
    assert ledger.stops() == []
    assert ledger.invocations() == []
    assert ledger.tally() == []
    assert ledger.open_lanes() == []
    assert ledger.aside_counts() == {}
    assert ledger.requests_by_reason() == dict.fromkeys(Why, 0)
    assert ledger.last_record_at() == 0.0
    assert list(ledger.asides()) == []
    assert list(ledger.batches(0)) == []


def test_a_plan_comes_back_as_it_was_stored(planned):
    assert planned.lanes() == LANES
    assert planned.targets() == TARGETS
    assert list(planned.batches(0)) == [(batch(1), []), (batch(2), [])]
    assert list(planned.batches(1)) == [(batch(3, target=1, size=1), [])]
    assert list(planned.batches(2)) == []


def test_lanes_and_targets_come_by_number_whatever_the_order(ledger):
    with transaction(ledger):
        ledger.put_plan(lanes=LANES[::-1], targets=TARGETS[::-1], asides=[])

    assert ledger.lanes() == LANES
    assert ledger.targets() == TARGETS


def test_batches_come_by_id_whatever_the_order(ledger):
    with transaction(ledger):
        ledger.put_batches([batch(3), batch(1), batch(2)])

    assert [each.id for each, _ in ledger.batches(0)] == [1, 2, 3]
    assert opened(ledger) == [1, 2, 3]


def test_an_id_of_a_batch_cannot_be_used_twice(planned):
    planned.begin()
    with pytest.raises(StateError):
        planned.put_batches([batch(1)])
    planned.rollback()

    assert next(planned.batches(0)) == (batch(1), [])


def test_what_was_set_aside_comes_by_row_and_is_counted(ledger):
    asides = [
        Aside(7, Verdict.DUPLICATE, "the same binding as apis.csv:2"),
        Aside(3, Verdict.INVALID, "api_id: 'ü\n' is no id"),
        Aside(9, Verdict.DUPLICATE, ""),
    ]
    with transaction(ledger):
        ledger.put_plan(lanes=[], targets=[], asides=asides)

    assert list(ledger.asides()) == sorted(asides)
    assert ledger.aside_counts() == {Verdict.DUPLICATE: 2, Verdict.INVALID: 1}


def test_a_fact_given_again_replaces_the_old_one(ledger):
    with transaction(ledger):
        ledger.put_meta({"note": "a", "job": "j"})
        ledger.put_meta({"note": "ü\n'\"", "empty": ""})

    facts = ledger.meta()
    assert {name: facts[name] for name in ("note", "job", "empty")} == {
        "note": "ü\n'\"",
        "job": "j",
        "empty": "",
    }


@pytest.mark.parametrize("size", [1, 2, 500])
def test_batches_of_every_size_come_back(ledger, size):
    wanted = Batch(
        id=1,
        target=0,
        lane=0,
        action=Action.DETACH,
        rows=tuple(range(0, 3 * size, 3)),
        api_ids=tuple(f"{number:032x}" for number in range(size)),
    )
    with transaction(ledger):
        ledger.put_batches([wanted])

    assert list(ledger.batches(0)) == [(wanted, [])]


# --- durability -----------------------------------------------------------------------


def test_what_was_committed_is_there_when_it_is_opened_again(store):
    first = store.create()
    with transaction(first):
        first.put_batches([batch(1)])
        first.put_plan(lanes=LANES, targets=TARGETS, asides=[])
        first.put_record(intent(1))
    first.close()
    second = store.open()

    assert list(second.batches(0)) == [(batch(1), [intent(1)])]
    second.close()


def test_what_was_rolled_back_is_gone(planned):
    planned.begin()
    planned.put_record(intent(1))
    planned.put_meta({"note": "lost"})
    planned.mark(2, Settled(done=2), settled=True)
    planned.rollback()

    assert list(planned.batches(0)) == [(batch(1), []), (batch(2), [])]
    assert "note" not in planned.meta()
    assert opened(planned) == [1, 2]


def test_rolling_back_nothing_does_nothing(planned):
    planned.rollback()

    assert planned.lanes() == LANES


def test_a_ledger_can_be_read_while_it_is_written(store):
    writer = store.create()
    with transaction(writer):
        writer.put_batches([batch(1)])
    writer.begin()
    writer.put_record(intent(1))
    reader = store.read()

    assert list(reader.batches(0)) == [(batch(1), [])]
    writer.commit()
    assert list(reader.batches(0)) == [(batch(1), [intent(1)])]
    reader.close()
    writer.close()


def test_one_who_reads_cannot_write(store):
    store.create().close()
    reader = store.read()

    with pytest.raises(StateError):
        reader.put_meta({"note": "x"})
    reader.close()


# --- records --------------------------------------------------------------------------


def test_records_come_back_in_the_order_they_were_written(planned):
    records = [
        intent(1, why=Why.FIRST),
        answer(1, scope=Scope.AMBIGUOUS, status=500, code="APIG.9999"),
        intent(1, why=Why.RETRY, at=1.5),
        answer(1, at=0.5),
    ]
    with transaction(planned):
        for record in records:
            planned.put_record(record)

    assert next(planned.batches(0)) == (batch(1), records)
    assert planned.open_batches(0, after=0, limit=1) == [(batch(1), records)]


def test_records_stay_with_their_batch(planned):
    with transaction(planned):
        planned.put_record(intent(2))
        planned.put_record(intent(1, (0,)))

    assert [records for _, records in planned.batches(0)] == [
        [intent(1, (0,))],
        [intent(2)],
    ]


def test_an_answer_comes_back_with_everything_it_said(planned):
    whole = answer(
        1,
        code="APIG.3002",
        message="插件 \U0001f600 'x' \"y\"",
        request_id="r",
        receipts=Receipts((0, 1), ("a" * 32, "odd"), ("2026-01-02T03:04:05.1Z", "")),
        plugin_name="跨域",
        env_name="RELEASE",
        why=Why.ISOLATION,
    )
    with transaction(planned):
        planned.put_record(whole)

    assert next(planned.batches(0))[1] == [whole]


texts = st.text(max_size=20)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_record_comes_back_as_it_was(tmp_path_factory, postgres, data):
    span = data.draw(
        st.lists(st.integers(0, 499), min_size=1, max_size=30, unique=True).map(sorted)
    )
    named = data.draw(st.lists(st.sampled_from(span), unique=True).map(sorted))
    facts = st.lists(texts, min_size=len(named), max_size=len(named)).map(tuple)
    record = answer(
        1,
        span,
        at=data.draw(st.floats(0, 1e11)),
        invocation=data.draw(st.integers(1, 1000)),
        scope=data.draw(st.sampled_from(Scope)),
        why=data.draw(st.sampled_from(Why)),
        status=data.draw(st.integers(0, 999)),
        code=data.draw(texts),
        message=data.draw(texts),
        request_id=data.draw(texts),
        receipts=Receipts(tuple(named), data.draw(facts), data.draw(facts)),
        plugin_name=data.draw(texts),
        env_name=data.draw(texts),
    )
    for kind in STORES:
        folder = tmp_path_factory.mktemp("store")
        ledger = store_of(kind, folder, postgres).create()
        with transaction(ledger):
            ledger.put_batches([batch(1)])
            ledger.put_record(record)
        ((_, records),) = ledger.batches(0)
        ledger.close()

        assert records == [record]


def test_requests_are_counted_by_why_they_were_sent(planned):
    with transaction(planned):
        for why in (Why.FIRST, Why.RETRY, Why.RETRY, Why.ISOLATION):
            planned.put_record(intent(1, why=why))
            planned.put_record(answer(1, why=why))

    assert planned.requests_by_reason() == {
        Why.FIRST: 1,
        Why.RETRY: 2,
        Why.ISOLATION: 1,
    }


def test_the_time_of_the_last_record_is_that_of_the_last_written(planned):
    with transaction(planned):
        planned.put_record(intent(1, at=9.0))
        planned.put_record(answer(2, at=8.5))

    assert planned.last_record_at() == 8.5


# --- what is open ---------------------------------------------------------------------


def test_every_batch_of_a_fresh_plan_is_open(planned):
    assert planned.open_lanes() == [0, 1]
    assert opened(planned, 0) == [1, 2]
    assert opened(planned, 1) == [3]


def test_open_batches_come_after_one_and_up_to_a_number(ledger):
    with transaction(ledger):
        ledger.put_batches(batch(number) for number in range(1, 10))

    assert opened(ledger, after=3, limit=2) == [4, 5]
    assert opened(ledger, after=9) == []


def test_a_settled_batch_is_not_opened_again(planned):
    with transaction(planned):
        planned.put_record(intent(1))
        planned.mark(1, Settled(done=2), settled=True)

    assert opened(planned) == [2]


def test_a_batch_that_was_begun_stays_open(planned):
    with transaction(planned):
        planned.put_record(intent(1))
        planned.put_record(answer(1))
        planned.mark(1, Settled(done=1), settled=False)

    assert opened(planned) == [1, 2]


def test_a_lane_without_open_batches_is_not_open(planned):
    with transaction(planned):
        planned.mark(3, Settled(done=1), settled=True)

    assert planned.open_lanes() == [0]


def test_the_tally_says_how_far_each_lane_is(planned):
    with transaction(planned):
        planned.put_record(intent(1))
        planned.mark(1, Settled(done=1, failed=1), settled=True)
        planned.put_record(intent(3, (0,)))

    assert sorted(planned.tally()) == [
        LaneTally(lane=0, batches=2, settled_batches=1, rows=4, bound=1, failed=1),
        LaneTally(lane=1, batches=1, settled_batches=0, rows=1, bound=0, failed=0),
    ]


# --- stops ----------------------------------------------------------------------------


def test_stops_come_back_oldest_first_with_everything_they_say(planned):
    stops = [
        stop(
            Scope.TARGET, "0", status=404, code="APIG.3068", message="ü", request_id="r"
        ),
        stop(Scope.ACCOUNT, "payments/ü", cause=Cause.ACCOUNT, at=1.0),
        stop(Scope.GATEWAY, "1", cause=Cause.OUTAGE, invocation=2),
        stop(Scope.DONE, "", cause=Cause.STOP),
    ]
    with transaction(planned):
        for each in stops:
            planned.put_stop(each)

    assert planned.stops() == stops


def test_the_stop_of_a_target_closes_its_batches_that_were_never_sent(planned):
    with transaction(planned):
        planned.put_record(intent(1))
        planned.put_stop(stop(Scope.TARGET, "0"))

    assert opened(planned, 0) == [1]
    assert opened(planned, 1) == [3]


@pytest.mark.parametrize("scope", [Scope.GATEWAY, Scope.ACCOUNT, Scope.DONE])
def test_the_stop_of_anything_else_closes_no_batch(planned, scope):
    with transaction(planned):
        planned.put_stop(stop(scope, "0"))

    assert opened(planned, 0) == [1, 2]


def test_failed_batches_are_opened_again_and_counted(planned):
    with transaction(planned):
        planned.mark(1, Settled(done=1, failed=1), settled=True)
        planned.mark(2, Settled(done=2), settled=True)
        planned.put_stop(stop(Scope.TARGET, "1"))
        count = planned.reopen_failed()

    assert count == 2
    assert opened(planned, 0) == [1]
    assert opened(planned, 1) == [3]


def test_opening_the_failed_again_lifts_the_stops_of_targets_alone(planned):
    lane = stop(Scope.GATEWAY, "0", cause=Cause.GATEWAY)
    with transaction(planned):
        planned.put_stop(stop(Scope.TARGET, "1"))
        planned.put_stop(lane)
        planned.reopen_failed()

    assert planned.stops() == [lane]


def test_nothing_failed_means_nothing_is_opened_again(planned):
    with transaction(planned):
        planned.mark(1, Settled(done=2), settled=True)
        count = planned.reopen_failed()

    assert count == 0
    assert opened(planned) == [2]


# --- invocations ----------------------------------------------------------------------


def test_invocations_are_numbered_from_one(ledger):
    with transaction(ledger):
        first = ledger.start(command="run", operator="me@here", pid=7, at=1.5)
        ledger.end(first, at=2.5, state=RunState.STOPPED, stopped_by="SIGINT")
        second = ledger.start(command="resume", operator="you@there", pid=8, at=3.5)

    assert (first, second) == (1, 2)
    assert ledger.invocations() == [
        Invocation(1, "run", "me@here", 7, 1.5, 2.5, RunState.STOPPED, "SIGINT"),
        Invocation(2, "resume", "you@there", 8, 3.5, None, RunState.RUNNING, ""),
    ]


def test_pages_that_were_read_are_counted_over_all_invocations(ledger):
    with transaction(ledger):
        for pages in (2, 3):
            number = ledger.start(command="run", operator="me@here", pid=7, at=1.5)
            ledger.add_reads(number, pages)
            ledger.add_reads(number, 1)

    assert ledger.reads() == 7
