"""Rates and durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.settings import parse_duration, parse_rate
from bulkbind.settings.units import MAX_RATE, parse_share


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", (10, 1.0)),
        ("1/sec", (1, 1.0)),
        ("1/second", (1, 1.0)),
        ("60/min", (60, 60.0)),
        ("60/m", (60, 60.0)),
        ("60/minutes", (60, 60.0)),
        ("1000/h", (1000, 3600.0)),
        ("1000/hour", (1000, 3600.0)),
        ("1000/Hours", (1000, 3600.0)),
        (" 10 / S ", (10, 1.0)),
        ("10/2s", (10, 2.0)),
        ("100/5min", (100, 300.0)),
        ("100/5 min", (100, 300.0)),
        (f"{MAX_RATE}/s", (MAX_RATE, 1.0)),
        ("unlimited", (0, 1.0)),
        (" Unlimited ", (0, 1.0)),
    ],
)
def test_a_rate_is_requests_in_a_window(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "/s",
        "10/",
        "10/ms",
        "10/d",
        "1.5/s",
        "-1/s",
        "ten/s",
        "10/s/s",
        "1e3/s",
    ],
)
def test_what_is_no_rate_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r'is no rate; write "10/s"'):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0/s", "10/0s", f"{MAX_RATE + 1}/s", "0/min"])
def test_a_rate_out_of_range_is_refused_with_the_range(text):
    with pytest.raises(ValueError, match="from 1 to 1,000,000 requests"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        (90, 90.0),
        (0.5, 0.5),
        ("90s", 90.0),
        ("90 sec", 90.0),
        ("1 second", 1.0),
        ("30min", 1800.0),
        ("30 mins", 1800.0),
        ("30m", 1800.0),
        ("1.5 h", 5400.0),
        ("2 Hours", 7200.0),
        ("0", 0.0),
    ],
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "ms", "500ms", "5ss", "1d", "-1", "1e3", "1,5h", "1h30min", "nan"]
)
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is no duration; write 90"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("20", (20.0, False)),
        (20, (20.0, False)),
        ("0", (0.0, False)),
        ("5%", (0.05, True)),
        ("5 %", (0.05, True)),
        ("0.5 %", (0.005, True)),
        ("100%", (1.0, True)),
    ],
)
def test_a_share_is_a_number_of_rows_or_per_cent_of_them(text, share):
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["", "%", "-1", "five", "101%", "5%%"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match=r"write a number of rows|at most 100 %"):
        parse_share(text)


@given(st.text())
def test_no_text_at_all_makes_a_rate_of_nothing_or_raises_something_else(text):
    try:
        limit, window_s = parse_rate(text)
    except ValueError:
        return

    assert 0 <= limit <= MAX_RATE
    assert window_s > 0


@given(st.text() | st.floats() | st.integers())
def test_no_text_at_all_makes_a_negative_duration(text):
    try:
        seconds = parse_duration(text)
    except ValueError:
        return

    assert seconds >= 0
