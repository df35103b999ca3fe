"""Every documented code -> how far it reaches; unknown ones by status; how long to wait."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.model import Cause, OurCode, Reply, Scope
from bulkbind.retry import (
    LONGEST_RETRY_AFTER_S,
    OUR_CODES,
    RULES,
    RetryPolicy,
    advise,
    backoff,
    canonical,
    cause_of,
    classify,
    explained,
    read_limit,
    read_retry_after,
)

# apig-contract 3.1 and 3.2: status, codes, how far the failure reaches.
CONTRACT = [
    (404, "APIG.3002", Scope.ITEM),
    (409, "APIG.3707", Scope.ITEM),
    (404, "APIG.3015 APIG.3022", Scope.ITEM),
    (400, "APIG.1201", Scope.ITEM),
    (403, "APIG.3411 APIG.1102", Scope.ITEM),
    (400, " ".join(f"APIG.20{number:02}" for number in range(14)), Scope.ITEM),
    (404, "APIG.3068 APIG.3003", Scope.TARGET),
    (403, "APIG.1103", Scope.TARGET),
    (412, "APIG.3458", Scope.TARGET),
    (400, "APIG.3326", Scope.TARGET),
    (409, "APIG.3462", Scope.TARGET),
    (404, "APIG.3030 APIC.7302", Scope.GATEWAY),
    (409, "APIC.7711 APIC.7712", Scope.GATEWAY),
    (403, "APIG.1136", Scope.GATEWAY),
    (400, "APIGW.0106 APIGW.0602 APIG.0602", Scope.GATEWAY),
    (400, "APIGW.0201", Scope.GATEWAY),
    (413, "APIGW.0201", Scope.ITEM),
    (414, "APIGW.0201", Scope.GATEWAY),
    (494, "APIGW.0201", Scope.GATEWAY),
    (403, "APIG.3100 APIG.3136 APIG.3150", Scope.GATEWAY),
    (404, "APIGW.0101 APIG.0101", Scope.ACCOUNT),
    (400, "APIGW.0607", Scope.ACCOUNT),
    (401, "APIG.1005", Scope.ACCOUNT),
    (403, "APIG.1005 APIG.1020", Scope.ACCOUNT),
    (401, "APIG.1000 APIG.1001 APIG.1002 APIG.1003 APIG.1007", Scope.ACCOUNT),
    (401, "APIG.1009 APIG.1011 APIG.1012 APIG.1013", Scope.ACCOUNT),
    (401, "APIGW.0301 APIG.0301 APIGW.0305 APIGW.0307 APIG.0307", Scope.ACCOUNT),
    (403, "APIGW.0302 APIGW.0304 APIGW.0306 APIGW.0310", Scope.ACCOUNT),
    (403, "APIGW.0401 APIGW.0402 APIGW.0801 APIGW.0802", Scope.ACCOUNT),
    (429, "APIGW.0308 APIG.0308", Scope.THROTTLE),
    (500, "APIG.9008", Scope.THROTTLE),
    (500, "APIG.3500", Scope.BUSY),
    (409, "APIG.3711 APIG.3718 APIC.7701", Scope.BUSY),
    (401, "APIG.1010", Scope.AMBIGUOUS),
    (500, "APIG.1029 APIG.9999 APIC.9999 APIC.9000 APIC.9100", Scope.AMBIGUOUS),
    (500, "APIG.9004 APIG.9005 APIG.9006 APIG.9007", Scope.AMBIGUOUS),
    (500, "APIGW.0601 APIGW.0605 APIGW.0606 APIGW.0608", Scope.AMBIGUOUS),
    (500, "APIGW.0609 APIGW.0611 APIGW.0705", Scope.AMBIGUOUS),
    (502, "APIGW.0610 APIGW.0201", Scope.AMBIGUOUS),
    (503, "APIGW.0613", Scope.AMBIGUOUS),
    (504, "APIGW.0201", Scope.AMBIGUOUS),
]


@pytest.mark.parametrize(
    ("status", "code", "scope"),
    [
        pytest.param(status, code, scope, id=f"{code}-{status}")
        for status, codes, scope in CONTRACT
        for code in codes.split()
    ],
)
def test_a_documented_code_reaches_as_far_as_the_contract_says(status, code, scope):
    assert classify(Reply(status, code)) is scope


@pytest.mark.parametrize("status", [400, 404, 409, 412, 422])
def test_no_refusal_by_the_front_gateway_is_ever_taken_for_a_bad_row(status):
    assert classify(Reply(status, "APIGW.9876")) is Scope.GATEWAY


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 502])
def test_the_code_decides_whatever_the_status(status):
    assert classify(Reply(status, "APIG.3002")) is Scope.ITEM
    assert classify(Reply(status, "APIG.9008")) is Scope.THROTTLE


@pytest.mark.parametrize("code", ["", "APIG.7777", "nonsense", "APIG", ".", "DNS.0308"])
@pytest.mark.parametrize(
    ("status", "scope"),
    [
        (201, Scope.DONE),
        (204, Scope.DONE),
        (301, Scope.GATEWAY),
        (400, Scope.ITEM),
        (401, Scope.ACCOUNT),
        (403, Scope.GATEWAY),
        (404, Scope.ITEM),
        (405, Scope.GATEWAY),
        (408, Scope.AMBIGUOUS),
        (409, Scope.ITEM),
        (412, Scope.ITEM),
        (413, Scope.ITEM),
        (414, Scope.GATEWAY),
        (418, Scope.GATEWAY),
        (429, Scope.THROTTLE),
        (431, Scope.GATEWAY),
        (500, Scope.AMBIGUOUS),
        (502, Scope.AMBIGUOUS),
        (599, Scope.AMBIGUOUS),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(status, code, scope):
    assert classify(Reply(status, code)) is scope


def test_no_whole_answer_is_ambiguous():
    assert classify(Reply(0, OurCode.ANSWER_LOST)) is Scope.AMBIGUOUS


def test_a_request_that_never_left_is_surely_not_applied():
    assert classify(Reply(0, OurCode.NOT_REACHED, left=False)) is Scope.TRANSIENT


def test_a_201_that_cannot_be_read_is_ambiguous():
    assert classify(Reply(201, OurCode.REPLY_MALFORMED)) is Scope.AMBIGUOUS


@given(status=st.integers(0, 999), code=st.text(max_size=12), left=st.booleans())
def test_every_reply_reaches_somewhere(status, code, left):
    assert classify(Reply(status, code, left=left)) in Scope


@given(status=st.integers(500, 599), code=st.text(max_size=12))
def test_no_5xx_is_ever_taken_for_a_bad_row(status, code):
    assert classify(Reply(status, code)) is not Scope.ITEM or canonical(code) in RULES


@pytest.mark.parametrize(
    ("code", "spelt"),
    [
        ("APIG.0308", "APIGW.0308"),
        ("APIGW.0308", "APIGW.0308"),
        ("APIG.3002", "APIG.3002"),
        ("APIC.0301", "APIGW.0301"),
        ("APIC.7302", "APIC.7302"),
        ("APIG.", "APIG."),
        ("APIG", "APIG"),
        ("", ""),
    ],
)
def test_a_front_gateway_code_is_spelt_one_way(code, spelt):
    assert canonical(code) == spelt


# --- advice ---------------------------------------------------------------------------


def test_every_code_of_ours_that_a_report_may_show_is_explained():
    assert set(OurCode) == set(OUR_CODES) | {OurCode.REPLY_MALFORMED}


@pytest.mark.parametrize("code", [*RULES, *OUR_CODES])
def test_every_code_has_a_meaning_and_advice(code):
    rule = {**RULES, **OUR_CODES}[code]

    assert rule.meaning
    assert advise(code) == rule.advice != ""


def test_a_code_in_its_old_spelling_has_advice():
    assert advise("APIG.0308") == advise("APIGW.0308") != ""


def test_an_unknown_code_has_no_advice():
    assert advise("APIG.7777") == ""


def test_explained_yields_every_code_once():
    codes = [code for code, _ in explained()]

    assert len(codes) == len(set(codes)) == len(RULES) + len(OUR_CODES)


@pytest.mark.parametrize(
    ("scope", "cause"),
    [
        (Scope.ITEM, Cause.ITEM),
        (Scope.TARGET, Cause.TARGET),
        (Scope.GATEWAY, Cause.GATEWAY),
        (Scope.ACCOUNT, Cause.ACCOUNT),
        (Scope.AMBIGUOUS, Cause.OUTAGE),
        (Scope.TRANSIENT, Cause.OUTAGE),
        (Scope.THROTTLE, Cause.OUTAGE),
        (Scope.BUSY, Cause.OUTAGE),
    ],
)
def test_a_report_blames_whom_the_failure_reaches(scope, cause):
    assert cause_of(scope) is cause


# --- the limit a refusal tells --------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("policy user over ratelimit,limit:200,time:1 second", (200, 1.0)),
        ("policy user over ratelimit,limit:60,time:1 minute.", (60, 60.0)),
        ("over ratelimit,limit: 100, time: 2 hour", (100, 7200.0)),
        ("limit:5,time:1 day", (5, 86_400.0)),
        ("limit:0,time:1 second", None),
        ("limit:5,time:0 second", None),
        ("limit:5,time:1 fortnight", None),
        ("limit:99999999999,time:1 second", None),
        ("too many requests", None),
        ("", None),
    ],
)
def test_a_limit_is_read_from_the_text_that_tells_it(message, limit):
    assert read_limit(message) == limit


# --- waiting --------------------------------------------------------------------------

POLICY = RetryPolicy(first_wait_s=0.5, longest_wait_s=30.0, busy_longest_wait_s=10.0)
CHANCES = st.floats(0, 1, exclude_max=True)


@given(attempt=st.integers(1, 10_000), chance=CHANCES, busy=st.booleans())
def test_a_wait_lies_between_a_twentieth_of_its_ceiling_and_the_ceiling(
    attempt, chance, busy
):
    longest = 10.0 if busy else 30.0
    ceiling = min(longest, 0.5 * 2.0 ** min(attempt - 1, 30))
    seconds = backoff(attempt, policy=POLICY, chance=chance, busy=busy)

    assert ceiling / 20 <= seconds <= ceiling


@pytest.mark.parametrize(
    ("attempt", "ceiling"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (9, 30.0)],
)
def test_the_ceiling_doubles_up_to_the_longest_wait(attempt, ceiling):
    almost_one = 1 - 1e-12

    assert backoff(attempt, policy=POLICY, chance=almost_one) == pytest.approx(ceiling)


def test_a_busy_gateway_is_asked_again_sooner():
    assert backoff(20, policy=POLICY, chance=0.5, busy=True) < backoff(
        20, policy=POLICY, chance=0.5
    )


@given(attempt=st.integers(1, 40), one=CHANCES, other=CHANCES)
def test_the_wait_grows_with_chance(attempt, one, other):
    low, high = sorted((one, other))

    assert backoff(attempt, policy=POLICY, chance=low) <= backoff(
        attempt, policy=POLICY, chance=high
    )


NOW = datetime(2026, 11, 24, 4, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("100000", LONGEST_RETRY_AFTER_S),
        ("Tue, 24 Nov 2026 04:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 05:00:30 +0100", 30.0),
        ("Tue, 24 Nov 2026 04:00:30 -0000", 30.0),
        ("Tue, 24 Nov 2026 04:00:30", 30.0),
        ("Wed, 25 Nov 2026 04:00:00 GMT", LONGEST_RETRY_AFTER_S),
        ("Tue, 24 Nov 2026 03:59:30 GMT", None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("Tue, 99 Nov 2026 04:00:30 GMT", None),
        ("Tue, 24 Nov 99999999 04:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(text, seconds):
    assert read_retry_after(text, now=NOW) == seconds


@given(
    st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,9} [A-Za-z]{3} \d{1,9} [\d:+-]+")
)
def test_no_retry_after_raises_or_asks_for_more_than_an_hour(text):
    seconds = read_retry_after(text, now=NOW)

    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_S
