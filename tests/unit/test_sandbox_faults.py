"""Which requests meet a fault, and which exceed the rate."""

from collections import Counter
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.sandbox.answers import retry_at, retry_in, throttled
from bulkbind.sandbox.faults import (
    BEFORE,
    READS,
    Fault,
    Turn,
    decide,
    make_plan,
    pick,
)
from bulkbind.sandbox.options import SandboxOptions
from bulkbind.sandbox.throttle import SlidingWindow
from bulkbind.sandbox.weather import Where

SHARES = {
    Fault.LOST_AFTER: 0.2,
    Fault.ERROR_BEFORE: 0.1,
    Fault.HTTP_502_AFTER: 0.2,
    Fault.CUT: 0.1,
}
STORM = make_plan(SHARES)


def fates(plan, *, seed=4, gateway="gw", kind="change", count=4_000):
    return [decide(plan, Turn(seed, gateway, no, kind)) for no in range(count)]


def test_shares_are_kept():
    shares = {fault: n / 4_000 for fault, n in Counter(fates(STORM)).items()}

    assert shares == pytest.approx({Fault.NONE: 0.4, **SHARES}, abs=0.03)


@given(
    st.dictionaries(st.sampled_from(list(Fault)), st.floats(0.01, 0.25), max_size=4),
    st.integers(),
)
def test_only_what_was_asked_for_happens(shares, seed):
    shares.pop(Fault.NONE, None)
    seen = set(fates(make_plan(shares), seed=seed, count=200))

    assert seen <= {Fault.NONE, *shares}
    assert sum(share for _, share in make_plan(shares).shares) <= 1


def test_one_seed_one_fate():
    assert fates(STORM) == fates(STORM)
    assert fates(STORM) != fates(STORM, seed=5)


def test_the_order_that_shares_are_given_in_does_not_matter():
    backwards = make_plan(dict(reversed(SHARES.items())))

    assert fates(backwards) == fates(STORM)


def test_gateways_and_kinds_have_their_own_fates():
    assert fates(STORM) != fates(STORM, gateway="other")
    assert fates(STORM) != fates(STORM, kind="read")


def test_a_fate_does_not_depend_on_what_others_do_meanwhile():
    turns = [Turn(4, gateway, no) for no in range(500) for gateway in ("gw", "other")]
    interleaved = [decide(STORM, turn) for turn in turns]

    assert interleaved[::2] == fates(STORM, count=500)


def test_nothing_asked_for_nothing_happens():
    assert set(fates(make_plan({}))) == {Fault.NONE}
    assert SandboxOptions().whole_weather().changes == make_plan({})


def test_a_share_of_one_hits_every_request():
    assert set(fates(make_plan({Fault.LOST_AFTER: 1.0}))) == {Fault.LOST_AFTER}


@pytest.mark.parametrize("longest_run", [1, 2, 5])
@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
def test_a_run_of_faults_is_no_longer_than_allowed(share, longest_run):
    plan = make_plan({Fault.ERROR_BEFORE: share}, longest_run=longest_run)
    hits = [fate is not Fault.NONE for fate in fates(plan, count=600)]
    runs = [len(list(run)) for is_hit, run in groupby(hits) if is_hit]

    assert max(runs) == longest_run


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="cut: a share is from 0 to 1"):
        make_plan({Fault.CUT: share})


def test_shares_of_more_than_one_together_are_refused():
    with pytest.raises(ValueError, match=r"error_before, cut: the shares are 1\.2"):
        make_plan({Fault.CUT: 0.6, Fault.ERROR_BEFORE: 0.6})


def test_shares_of_options_join_those_of_their_weather():
    options = SandboxOptions(error_before=0.1, lost_after=0.2, error_after=0.3)
    shares = dict(options.whole_weather().changes.shares)

    assert shares == {
        Fault.ERROR_BEFORE: 0.1,
        Fault.LOST_AFTER: 0.2,
        Fault.ERROR_AFTER: 0.3,
    }


def test_what_comes_before_the_effect_says_so():
    assert {fault for fault in Fault if "before" in fault} <= BEFORE
    assert not {fault for fault in Fault if "after" in fault} & BEFORE
    assert len(READS) == 11


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.integers(0, 99))
def test_some_ids_are_picked_in_their_order_and_of_several_not_all(ids, number):
    picked = pick(ids, Turn(0, "gw", number))
    places = [ids.index(one) for one in picked]

    assert 1 <= len(picked) <= max(1, len(ids) - 1)
    assert all(a < b for a, b in pairwise(places))
    assert picked == pick(ids, Turn(0, "gw", number))


def test_a_condition_holds_for_one_gateway_or_for_a_share_of_them():
    names = [f"gw{no}" for no in range(1000)]
    quarter = Where(0.25)
    hit = [one for one in names if quarter.holds(one, seed=1, what="slow")]

    assert 200 < len(hit) < 300
    assert all(Where().holds(one, seed=1, what="slow") for one in names)
    assert Where(instance_id="gw7").holds("gw7", seed=1, what="slow")
    assert not Where(instance_id="gw7").holds("gw8", seed=1, what="slow")


# --- the rate limit -------------------------------------------------------------------


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


def test_a_refused_request_may_count():
    window = SlidingWindow(limit=1, seconds=1.0, counts_refused=True)

    assert [window.admits("p", now=now) for now in (0.0, 0.6, 1.2, 2.3)] == [
        *(True, False, False, True)
    ]


def test_a_limit_may_change():
    window = SlidingWindow(limit=3, seconds=1.0, longest_s=10.0)
    before = [window.admits("p", now=0.1 * no) for no in range(4)]
    window.limit, window.seconds = 2, 10.0

    assert before == [True, True, True, False]
    assert window.free_in("p", now=1.0) == pytest.approx(9.1)
    assert not window.admits("p", now=10.0)
    assert window.admits("p", now=10.2)


@given(
    st.integers(1, 5),
    st.floats(0.5, 3.0),
    st.lists(st.floats(0.0, 1.0), max_size=60),
)
def test_no_window_ever_admits_more_than_the_limit(limit, seconds, gaps):
    window = SlidingWindow(limit=limit, seconds=seconds)
    now, admitted = 0.0, []
    for gap in gaps:
        now += gap
        wait = window.free_in("p", now=now)
        passes = window.admits("p", now=now)
        assert passes is (wait <= 0)
        admitted += [now] if passes else []

    for first, last in zip(admitted, admitted[limit:], strict=False):
        assert last - first > seconds - 1e-9


def test_a_refusal_without_a_limit_gives_no_figures():
    assert "limit:" not in str(throttled().body)


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "1"), (0.2, "1"), (1.2, "2")])
def test_seconds_to_wait_are_rounded_up(seconds, text):
    assert retry_in(throttled(), seconds).headers == {"Retry-After": text}


def test_a_date_to_wait_for_is_rounded_up():
    answer = retry_at(throttled(), seconds=1.5, now_ns=600_000_000)

    assert answer.headers == {"Retry-After": "Thu, 01 Jan 1970 00:00:03 GMT"}
