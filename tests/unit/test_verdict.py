"""A row's ledger records -> its verdict: every rule, every order of events."""

import pytest
from hypothesis import given

from bulkbind.model import (
    NO_RECEIPTS,
    Action,
    Batch,
    Cause,
    Record,
    RecordKind,
    RowVerdict,
    Scope,
    Stop,
    Target,
    Verdict,
)
from bulkbind.verdict import Stops, judge, stand
from tests.unit.test_report_source import answer, histories, intent

TARGET = Target(
    no=7,
    account="payments",
    project_id="p",
    instance_id="gw",
    plugin_id="plugin",
    env_id="env",
    lane=3,
)
NO_STOPS = Stops()


def batch_of(size: int, action: Action = Action.ATTACH) -> Batch:
    return Batch(
        id=1,
        target=TARGET.no,
        lane=TARGET.lane,
        action=action,
        rows=tuple(range(size)),
        api_ids=tuple(f"api{place}" for place in range(size)),
    )


def judged(records, *, size=2, action=Action.ATTACH, stops=NO_STOPS):
    return judge(batch_of(size, action), records, target=TARGET, stops=stops)


def stop(scope: Scope, key: str, *, invocation: int = 1, code: str = "X") -> Stop:
    causes = {
        Scope.TARGET: Cause.TARGET,
        Scope.CANARY: Cause.TARGET,
        Scope.GATEWAY: Cause.GATEWAY,
        Scope.ACCOUNT: Cause.ACCOUNT,
        Scope.DONE: Cause.STOP,
    }
    return Stop(
        scope=scope,
        key=key,
        cause=causes[scope],
        invocation=invocation,
        at=9.0,
        status=404,
        code=code,
        message="why",
        request_id="r9",
    )


BOTH = (0, 1)
B, F, U, N = Verdict.BOUND, Verdict.FAILED, Verdict.UNCONFIRMED, Verdict.NOT_SENT

HISTORIES = [
    ("nothing was sent", [], [N, N]),
    ("the run ended while it was out", [intent(BOTH)], [U, U]),
    (
        "a 201 names both",
        [intent(BOTH), answer(BOTH, Scope.DONE, named=BOTH)],
        [B, B],
    ),
    (
        "a 201 names one",
        [intent(BOTH), answer(BOTH, Scope.DONE, named=[1])],
        [U, B],
    ),
    ("a 201 names nobody", [intent(BOTH), answer(BOTH, Scope.DONE)], [U, U]),
    (
        "the one left out is sent alone and named",
        [
            intent(BOTH),
            answer(BOTH, Scope.DONE, named=[1]),
            intent([0]),
            answer([0], Scope.DONE, named=[0]),
        ],
        [B, B],
    ),
    ("a 5xx", [intent(BOTH), answer(BOTH, Scope.AMBIGUOUS)], [U, U]),
    (
        "a 5xx, then a 201",
        [
            intent(BOTH),
            answer(BOTH, Scope.AMBIGUOUS),
            intent(BOTH),
            answer(BOTH, Scope.DONE, named=BOTH),
        ],
        [B, B],
    ),
    (
        "a busy gateway may have stored the rows",
        [intent(BOTH), answer(BOTH, Scope.BUSY)],
        [U, U],
    ),
    (
        "a group is refused for one of its ids",
        [intent(BOTH), answer(BOTH, Scope.ITEM, status=404)],
        [N, N],
    ),
    (
        "a group is refused, then its ids alone: one bad, one good",
        [
            intent(BOTH),
            answer(BOTH, Scope.ITEM, status=404),
            intent([0]),
            answer([0], Scope.ITEM, status=404),
            intent([1]),
            answer([1], Scope.DONE, named=[1]),
        ],
        [F, B],
    ),
    (
        "an answer is lost, then the id is refused alone",
        [
            intent(BOTH),
            answer(BOTH, Scope.AMBIGUOUS),
            intent([0]),
            answer([0], Scope.ITEM, status=404),
        ],
        [F, U],
    ),
    (
        "an answer is lost, then the group is refused",
        [
            intent(BOTH),
            answer(BOTH, Scope.AMBIGUOUS),
            intent(BOTH),
            answer(BOTH, Scope.ITEM, status=404),
        ],
        [U, U],
    ),
    (
        "an answer is lost, then the account is told to slow down",
        [
            intent(BOTH),
            answer(BOTH, Scope.AMBIGUOUS),
            intent(BOTH),
            answer(BOTH, Scope.THROTTLE, status=429),
        ],
        [U, U],
    ),
    (
        "killed while out, then no connection",
        [
            intent(BOTH),
            intent(BOTH, invocation=2),
            answer(BOTH, Scope.TRANSIENT),
        ],
        [U, U],
    ),
    (
        "too fast, and never sent again",
        [intent(BOTH), answer(BOTH, Scope.THROTTLE, status=429)],
        [N, N],
    ),
    ("no connection", [intent(BOTH), answer(BOTH, Scope.TRANSIENT)], [N, N]),
    (
        "the credential is refused",
        [intent(BOTH), answer(BOTH, Scope.ACCOUNT, status=401)],
        [N, N],
    ),
    (
        "the gateway is gone",
        [intent(BOTH), answer(BOTH, Scope.GATEWAY, status=404)],
        [N, N],
    ),
    (
        "refused, then sent again and killed",
        [intent([0]), answer([0], Scope.ITEM, status=404), intent([0], invocation=2)],
        [U, N],
    ),
    (
        "refused, then sent again and named",
        [
            intent([0]),
            answer([0], Scope.ITEM, status=404),
            intent([0], invocation=2),
            answer([0], Scope.DONE, named=[0]),
        ],
        [B, N],
    ),
    (
        "refused, then sent again in a group that is refused",
        [
            intent([0]),
            answer([0], Scope.ITEM, status=404),
            intent(BOTH, invocation=2),
            answer(BOTH, Scope.ITEM, status=404),
        ],
        [N, N],
    ),
    (
        "a bound row is sent again and its answer is lost",
        [
            intent(BOTH),
            answer(BOTH, Scope.DONE, named=BOTH),
            intent([1]),
            answer([1], Scope.AMBIGUOUS),
        ],
        [B, B],
    ),
]


@pytest.mark.parametrize(
    ("records", "expected"),
    [history[1:] for history in HISTORIES],
    ids=[history[0] for history in HISTORIES],
)
def test_a_history_has_its_verdicts(records, expected):
    assert [verdict.verdict for verdict in judged(records)] == expected


def test_a_bound_row_bears_its_receipt_and_its_answer():
    done = answer(
        BOTH,
        Scope.DONE,
        named=[1],
        request_id="r1",
        plugin_name="cors",
        env_name="RELEASE",
    )

    assert judged([intent(BOTH), done])[1] == RowVerdict(
        Verdict.BOUND,
        replaced_plugin_id="unknown",
        http_status=201,
        plugin_attach_id="attach1",
        attached_time="2026-01-02T03:04:05.123456Z",
        attempts=1,
        request_id="r1",
        finished_at=1_700_000_000.25,
        plugin_name="cors",
        env_name="RELEASE",
    )


def test_a_refused_row_bears_the_refusal():
    refusal = answer(
        [0],
        Scope.ITEM,
        status=404,
        code="APIG.3002",
        message="API not found",
        request_id="r1",
    )

    assert judged([intent([0]), refusal])[0] == RowVerdict(
        Verdict.FAILED,
        Cause.ITEM,
        http_status=404,
        error_code="APIG.3002",
        error_msg="API not found",
        attempts=1,
        request_id="r1",
        finished_at=1_700_000_000.25,
    )


def test_attempts_are_the_requests_that_carried_the_row():
    records = [
        intent(BOTH),
        answer(BOTH, Scope.ITEM, status=404),
        intent([1]),
        answer([1], Scope.ITEM, status=404),
    ]

    assert [verdict.attempts for verdict in judged(records)] == [1, 2]


def test_a_row_that_is_out_when_the_run_ends_blames_the_stop():
    verdict = judged([intent(BOTH)])[0]

    assert verdict.cause is Cause.STOP
    assert verdict.error_code == "BULKBIND.INTERRUPTED"
    assert verdict.finished_at == 0.0


def test_a_row_without_a_whole_answer_blames_the_outage():
    lost = answer(BOTH, Scope.AMBIGUOUS, status=502, message="Bad Gateway")

    verdict = judged([intent(BOTH), lost])[0]

    assert verdict.cause is Cause.OUTAGE
    assert (verdict.http_status, verdict.error_msg) == (502, "Bad Gateway")


def test_a_row_that_the_receipt_leaves_out_says_so():
    verdict = judged([intent(BOTH), answer(BOTH, Scope.DONE, named=[1])])[0]

    assert verdict.cause is Cause.ITEM
    assert verdict.error_code == "BULKBIND.NOT_NAMED"


def test_a_code_given_with_a_201_is_kept():
    done = answer(BOTH, Scope.DONE, code="BULKBIND.REPLY_MALFORMED", message="cut")

    verdict = judged([intent(BOTH), done])[0]

    assert (verdict.error_code, verdict.error_msg) == (
        "BULKBIND.REPLY_MALFORMED",
        "cut",
    )


def test_a_detach_is_unconfirmed_until_it_is_read_back():
    done = answer(BOTH, Scope.DONE, status=204)

    verdict = judged([intent(BOTH), done], action=Action.DETACH)[0]

    assert verdict.verdict is Verdict.UNCONFIRMED
    assert verdict.error_code == "BULKBIND.NOT_READ_BACK"


def test_a_refused_detach_fails():
    refusal = answer([0], Scope.ITEM, status=404)

    verdict = judged([intent([0]), refusal], action=Action.DETACH)[0]

    assert verdict.verdict is Verdict.FAILED


def test_rows_settled_alike_share_one_value():
    standing_for = judged([])

    assert standing_for[0] == standing_for[1]


# --- stops ----------------------------------------------------------------------------


def test_without_a_stop_unanswered_rows_were_interrupted():
    verdict = judged([])[0]

    assert (verdict.verdict, verdict.cause) == (Verdict.NOT_SENT, Cause.STOP)
    assert verdict.error_code == "BULKBIND.INTERRUPTED"


REACHES = [
    (Scope.TARGET, "7", Verdict.FAILED, Cause.TARGET),
    (Scope.CANARY, "7", Verdict.NOT_SENT, Cause.TARGET),
    (Scope.GATEWAY, "3", Verdict.NOT_SENT, Cause.GATEWAY),
    (Scope.ACCOUNT, "payments", Verdict.NOT_SENT, Cause.ACCOUNT),
    (Scope.DONE, "", Verdict.NOT_SENT, Cause.STOP),
]


@pytest.mark.parametrize(("scope", "key", "verdict", "cause"), REACHES)
def test_a_stop_explains_the_rows_it_reaches(scope, key, verdict, cause):
    stops = Stops.of([stop(scope, key)], invocation=1)

    found = judged([], stops=stops)[0]

    assert (found.verdict, found.cause) == (verdict, cause)
    assert (found.error_code, found.error_msg) == ("X", "why")
    assert (found.http_status, found.request_id) == (404, "r9")


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        (Scope.TARGET, "8"),
        (Scope.CANARY, "8"),
        (Scope.GATEWAY, "4"),
        (Scope.ACCOUNT, "default"),
    ],
)
def test_a_stop_of_others_explains_nothing(scope, key):
    stops = Stops.of([stop(scope, key)], invocation=1)

    assert stops.reaching(TARGET) is None


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        (Scope.CANARY, "7"),
        (Scope.GATEWAY, "3"),
        (Scope.ACCOUNT, "payments"),
        (Scope.DONE, ""),
    ],
)
def test_a_stop_of_an_older_invocation_does_not_count(scope, key):
    stops = Stops.of([stop(scope, key, invocation=1)], invocation=2)

    assert stops.reaching(TARGET) is None


def test_a_targets_stop_counts_for_good():
    stops = Stops.of([stop(Scope.TARGET, "7", invocation=1)], invocation=2)

    assert judged([], stops=stops)[0].verdict is Verdict.FAILED


def test_only_a_targets_stop_settles_its_rows_so_only_it_has_a_time():
    target = Stops.of([stop(Scope.TARGET, "7")], invocation=1)
    lane = Stops.of([stop(Scope.GATEWAY, "3")], invocation=1)

    assert judged([], stops=target)[0].finished_at == 9.0
    assert judged([], stops=lane)[0].finished_at == 0.0


def test_the_nearest_stop_explains_best():
    every = [stop(scope, key, code=scope) for scope, key, _, _ in reversed(REACHES)]

    found = []
    while every:
        reaching = Stops.of(every, invocation=1).reaching(TARGET)
        assert reaching is not None
        found.append(reaching.scope)
        every.remove(reaching)

    nearest = [Scope.TARGET, Scope.CANARY]
    assert found == [*nearest, Scope.ACCOUNT, Scope.GATEWAY, Scope.DONE]


def test_the_later_of_two_stops_explains():
    stops = Stops.of(
        [stop(Scope.DONE, "", code="first"), stop(Scope.DONE, "", code="second")],
        invocation=1,
    )

    assert judged([], stops=stops)[0].error_code == "second"


def test_a_stop_keeps_the_attempts_that_were_made():
    stops = Stops.of([stop(Scope.TARGET, "7")], invocation=1)
    records = [intent(BOTH), answer(BOTH, Scope.TARGET, status=404)]

    found = judged(records, stops=stops)[0]

    assert (found.verdict, found.attempts) == (Verdict.FAILED, 1)


def test_a_stop_does_not_settle_what_was_lost_before():
    stops = Stops.of([stop(Scope.TARGET, "7")], invocation=1)
    records = [
        intent(BOTH),
        answer(BOTH, Scope.AMBIGUOUS),
        intent(BOTH),
        answer(BOTH, Scope.TARGET, status=404),
    ]

    assert judged(records, stops=stops)[0].verdict is Verdict.UNCONFIRMED


# --- standing -------------------------------------------------------------------------


def test_open_positions_have_no_answer_of_their_own():
    records = [
        intent(range(4)),
        answer(range(4), Scope.DONE, named=[1]),
        intent([2]),
        answer([2], Scope.ITEM, status=404),
    ]

    assert stand(batch_of(4), records).open == (0, 3)


def is_settled_alone(record: Record) -> bool:
    return (
        record.kind is RecordKind.ANSWER
        and record.scope is Scope.ITEM
        and len(record.span) == 1
    )


@given(histories(4))
def test_a_receipt_always_wins(records):
    named = {
        place
        for record in records
        if record.receipts is not NO_RECEIPTS
        for place in record.receipts.positions
    }

    found = judged(records, size=4)

    assert {p for p in range(4) if found[p].verdict is Verdict.BOUND} == named


@given(histories(4))
def test_only_a_row_refused_alone_fails(records):
    alone = {record.span[0] for record in records if is_settled_alone(record)}

    found = judged(records, size=4)

    assert {p for p in range(4) if found[p].verdict is Verdict.FAILED} <= alone


@given(histories(4))
def test_a_row_that_was_never_sent_is_never_blamed(records):
    sent = {place for record in records for place in record.span}

    for place, verdict in enumerate(judged(records, size=4)):
        if place not in sent:
            assert verdict.verdict is Verdict.NOT_SENT
            assert verdict.attempts == 0
