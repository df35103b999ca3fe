"""Weather written as text: scenarios, faults with shares, conditions with values."""

import pytest

from bulkbind.sandbox.faults import READS, Fault, Turn, decide
from bulkbind.sandbox.scenarios import PAIRS, SCENARIOS, parse_weather
from bulkbind.sandbox.weather import Ceiling, Outage, Slow, Weather, Where


def shares(text):
    return dict(parse_weather(text).changes.shares)


def test_faults_with_shares():
    assert shares("lost_after=0.1, http_502_before = 0.05 ,") == {
        Fault.LOST_AFTER: 0.1,
        Fault.HTTP_502_BEFORE: 0.05,
    }


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_a_name_without_before_or_after_is_both(name):
    before, after = PAIRS[name]

    assert shares(f"{name}=0.1") == {before: 0.05, after: 0.05}


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault != "none"])
def test_every_fault_has_its_name(fault):
    weather = parse_weather(f"{fault}=0.5")
    plan = weather.reads if fault in READS else weather.changes

    assert dict(plan.shares) == {fault: 0.5}


@pytest.mark.parametrize("text", ["", "none", " , "])
def test_nothing_is_calm(text):
    assert parse_weather(text) == Weather()


def test_a_storm_is_about_a_third_in_nine_ways():
    storm = parse_weather("storm").changes
    turns = [Turn(0, f"gw{no % 4}", no // 4) for no in range(40_000)]
    hit = sum(decide(storm, turn) is not Fault.NONE for turn in turns)

    assert len(storm.shares) == 9
    assert 0.31 < hit / len(turns) < 0.36
    assert storm.longest_run == 3


def test_scenarios_are_what_their_names_say():
    assert sum(shares("flaky").values()) == pytest.approx(0.05)
    assert set(shares("lossy")) == {Fault.LOST_BEFORE, Fault.LOST_AFTER}
    assert set(shares("throttled")) == {
        Fault.HTTP_429,
        Fault.HTTP_429_SECONDS,
        Fault.HTTP_429_DATE,
        Fault.TOO_MANY,
    }
    assert parse_weather("lagging") == Weather(lag_s=3.0)
    assert set(SCENARIOS) == {
        *("none", "storm", "flaky", "lossy", "throttled", "lagging")
    }


def test_later_items_override_and_join_a_scenario():
    weather = parse_weather("storm, lagging, cut=0, lost_after=0.1, longest_run=1")

    assert weather.lag_s == 3.0
    assert weather.changes.longest_run == 1
    assert len(weather.changes.shares) == 8
    assert dict(weather.changes.shares)[Fault.LOST_AFTER] == 0.1


@pytest.mark.parametrize(
    ("text", "weather"),
    [
        ("lag=1.5s", Weather(lag_s=1.5)),
        ("lag=2", Weather(lag_s=2.0)),
        ("page_limit=100", Weather(page_limit=100)),
        ("page_limit=900", Weather(page_limit=500)),
        ("jitter=200ms", Weather(jitter_s=0.2)),
        ("slow=1min", Weather(slow=Slow(60.0))),
        ("slow=2s@0.25", Weather(slow=Slow(2.0, Where(0.25)))),
        ("slow=2s@gw-a", Weather(slow=Slow(2.0, Where(instance_id="gw-a")))),
        ("pause=5s", Weather(pause_s=5.0)),
        ("cut_at=17", Weather(cut_at=17)),
        ("away=10s-1min", Weather(outages=(Outage("away", 10.0, 60.0),))),
        (
            "locked=5s, upgrading=0-2s@gw",
            Weather(
                outages=(
                    Outage("locked", 5.0, float("inf")),
                    Outage("upgrading", 0.0, 2.0, Where(instance_id="gw")),
                )
            ),
        ),
        ("drop=33/s@10s", Weather(ceilings=(Ceiling(33, 1.0, 10.0),))),
        (
            "drop=60/min@1m, hidden_drop=5/10s",
            Weather(
                ceilings=(
                    Ceiling(60, 60.0, 60.0),
                    Ceiling(5, 10.0, 0.0, is_told=False),
                )
            ),
        ),
        ("counts_refused=yes", Weather(counts_refused=True)),
        ("retry_after=date", Weather(retry_after="date")),
        ("token_life=1h", Weather(token_life_s=3600.0)),
    ],
)
def test_conditions_have_values(text, weather):
    assert parse_weather(text) == weather


@pytest.mark.parametrize("text", ["strom", "strom=0.1", "storm=0.1", "none=0.5"])
def test_an_unknown_name_is_answered_with_the_known_ones(text):
    with pytest.raises(ValueError, match="is no fault") as told:
        parse_weather(text)

    message = str(told.value)
    known = {*SCENARIOS, *PAIRS, *Fault, "longest_run", "lag", "hidden_drop"}
    assert all(name in message for name in known)
    assert "did you mean 'storm'?" in message or "no" in text or "storm" in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cut", "'cut' wants a value: write cut=…"),
        ("cut=2", "cut=2: write a share from 0 to 1, such as cut=0.05"),
        ("cut=much", "cut=much: write a share"),
        ("cut=nan", "cut=nan: write a share"),
        ("cut=0.6, lost=0.6", "lost_before, lost_after, cut: the shares are 1.2"),
        ("lag=soon", "lag=soon: write a duration, such as lag=3s"),
        ("slow=2x", "slow=2x: write a duration"),
        ("slow=2s@7", "slow=…@7: write a share of the gateways, or the id of one"),
        ("page_limit=0", "page_limit=0: write a whole number from 1"),
        ("cut_at=-1", "cut_at=-1: write a whole number from 0"),
        ("longest_run=x", "longest_run=x: write a whole number"),
        ("drop=fast", "drop=fast: write a rate and a time, such as drop=33/s@10s"),
        ("drop=0/s", "drop=0/s: write a rate"),
        ("counts_refused=1", "counts_refused=1: write yes or no"),
        ("retry_after=5", "retry_after=5: write none, seconds or date"),
    ],
)
def test_a_wrong_value_is_answered_with_a_right_one(text, told):
    with pytest.raises(ValueError, match=r".") as refused:
        parse_weather(text)

    assert told in str(refused.value)
