"""What a refused credential's message means, for people."""

import pytest

from bulkbind.model import Reply
from bulkbind.retry import RULES, remark_on

#: Codes -> what their owner must do, one advice per cause.
CAUSES = {
    "expired": ("APIG.1001", "get a new token"),
    "wrong": ("APIG.1002", "copy the whole token"),
    "wrong region": ("APIGW.0307", "of the endpoint's region"),
    "unscoped": ("APIG.1003", "scope is the region's project"),
    "wrong project": ("APIGW.0310", "check project_id"),
    "missing right": ("APIG.1005", "grant the right that the message names"),
    "refused key": ("APIGW.0301", "five failures lock a key"),
    "access control": ("APIGW.0304", "access control"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_has_an_advice_of_its_own(cause):
    code, part = CAUSES[cause]

    assert part in RULES[code].advice
    others = [RULES[other].advice for other, _ in CAUSES.values() if other != code]
    assert RULES[code].advice not in others


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("AK access failed to reach the limit,forbidden", "locked for five minutes"),
        ("verify aksk signature fail", "the secret is not the key's"),
        ("Get secretKey failed", "no such access key"),
        ("decrypt token fail", "cut off, or of another region"),
        ("token expires", "has expired"),
    ],
)
def test_a_message_of_one_code_says_which_cause_it_is(message, part):
    reply = Reply(401, "APIGW.0301", f"Incorrect IAM authentication: {message}")

    assert part in remark_on(reply, 0.0)


@pytest.mark.parametrize(
    ("skew_s", "said"),
    [(901.0, "15 min behind"), (-7200.0, "120 min ahead of"), (899.0, "")],
)
def test_a_wrong_clock_is_said_where_it_matters(skew_s, said):
    remark = remark_on(Reply(401, "APIGW.0301", "no"), skew_s)

    assert said in remark
    assert bool(said) == bool(remark)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, "", "reach the limit"),
        Reply(404, "APIG.3002", "token expire"),
        Reply(401, "APIGW.0301", "token expire", left=False),
    ],
)
def test_nothing_else_is_remarked_on(reply):
    assert remark_on(reply, 7200.0) == ""
