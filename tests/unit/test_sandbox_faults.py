"""Which requests meet a fault, and which exceed the rate."""

from collections import Counter

import pytest

from bulkbind.sandbox.answers import throttled
from bulkbind.sandbox.faults import Fault, decide
from bulkbind.sandbox.options import SandboxOptions
from bulkbind.sandbox.throttle import SlidingWindow

STORM = SandboxOptions(
    error_before=0.1, error_after=0.2, lost_before=0.1, lost_after=0.2, seed=4
)


def fates(options, *, gateway="gw", count=4_000):
    return [decide(options, gateway=gateway, number=no) for no in range(count)]


def test_shares_are_kept():
    shares = {fault: n / 4_000 for fault, n in Counter(fates(STORM)).items()}

    assert shares == pytest.approx(
        {
            Fault.NONE: 0.4,
            Fault.ERROR_BEFORE: 0.1,
            Fault.ERROR_AFTER: 0.2,
            Fault.LOST_BEFORE: 0.1,
            Fault.LOST_AFTER: 0.2,
        },
        abs=0.03,
    )


def test_one_seed_one_fate():
    assert fates(STORM) == fates(STORM)


def test_gateways_have_their_own_fates():
    assert fates(STORM) != fates(STORM, gateway="other")


def test_nothing_asked_for_nothing_happens():
    assert set(fates(SandboxOptions())) == {Fault.NONE}


def test_a_share_of_one_hits_every_request():
    assert set(fates(SandboxOptions(lost_after=1.0))) == {Fault.LOST_AFTER}


def test_any_window_admits_no_more_than_the_limit():
    window = SlidingWindow(limit=3, seconds=1.0)
    times = [0.0, 0.5, 0.9, 0.95, 1.0, 1.4, 1.5]

    assert [window.admits("p", now=now) for now in times] == [
        *(True, True, True, False, True, False, True)
    ]


def test_projects_have_their_own_windows():
    window = SlidingWindow(limit=1, seconds=1.0)

    assert window.admits("p", now=0.0)
    assert window.admits("q", now=0.0)
    assert not window.admits("p", now=0.1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.0, "limit:20,time:1 second"),
        (10, "limit:20,time:10 second"),
        (60, "limit:20,time:1 minute"),
        (7200, "limit:20,time:2 hour"),
        (86_400, "limit:20,time:1 day"),
    ],
)
def test_the_refusal_tells_the_limit_in_the_documented_words(seconds, text):
    answer = throttled(limit=20, seconds=seconds)

    assert answer.status == 429
    assert answer.body == {
        "error_code": "APIGW.0308",
        "error_msg": "The throttling threshold has been reached:"
        f" policy user over ratelimit,{text}",
    }
