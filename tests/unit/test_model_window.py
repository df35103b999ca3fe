"""When a job may send: what a wall clock shows, also when it jumps."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.control.hours import hours_of
from bulkbind.errors import OutsideWindow, SettingsError
from bulkbind.model import Deadline, Window, parse_window
from bulkbind.model.window import first_instant, zone_of
from bulkbind.settings.units import parse_deadline

ZURICH = "Europe/Zurich"  # skips 02:00-03:00 on 2026-03-29, repeats it on 2026-10-25


def at(text: str, zone: str = "UTC") -> datetime:
    """Return a moment by a zone's clock."""
    local = datetime.fromisoformat(text).replace(tzinfo=zone_of(zone))
    return local.astimezone(UTC)


def window(text: str) -> Window:
    found = parse_window(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("moment", "is_open", "until"),
    [
        ("2026-06-01T21:59", False, "2026-06-01T22:00"),
        ("2026-06-01T22:00", True, "2026-06-02T05:00"),
        ("2026-06-02T04:59", True, "2026-06-02T05:00"),
        ("2026-06-02T05:00", False, "2026-06-02T22:00"),
    ],
)
def test_a_window_over_midnight(moment, is_open, until):
    phase = window("22:00-05:00 Asia/Shanghai").phase(at(moment, "Asia/Shanghai"))

    assert phase == (is_open, at(until, "Asia/Shanghai"))


@pytest.mark.parametrize(
    ("moment", "is_open", "until"),
    [
        ("2026-06-05T23:00", True, "2026-06-06T05:00"),  # Friday night
        ("2026-06-06T04:00", True, "2026-06-06T05:00"),  # ... which Saturday ends
        ("2026-06-06T23:00", False, "2026-06-08T22:00"),
        ("2026-06-08T04:00", False, "2026-06-08T22:00"),  # Sunday had none
    ],
)
def test_days_are_those_on_which_it_opens(moment, is_open, until):
    phase = window("Mon-Fri 22:00-05:00 UTC").phase(at(moment))

    assert phase == (is_open, at(until))


def test_days_that_touch_are_one_window():
    phase = window("Sat,Sun 00:00-24:00 UTC").phase(at("2026-06-06T12:00"))

    assert phase == (True, at("2026-06-08T00:00"))


def test_a_window_of_every_hour_never_closes():
    assert window("00:00-24:00 UTC").phase(at("2026-06-06T12:00")) == (True, None)


def test_the_night_of_spring_is_an_hour_shorter_and_that_of_autumn_longer():
    night = window(f"22:00-05:00 {ZURICH}")

    for day, hours in (("03-28", 6), ("06-28", 7), ("10-24", 8)):
        opened = at(f"2026-{day}T22:00", ZURICH)
        assert night.phase(opened) == (True, opened + timedelta(hours=hours))


def test_a_time_that_is_skipped_is_the_jump():
    jump = datetime(2026, 3, 29, 1, tzinfo=UTC)
    day = date(2026, 3, 29)

    for minutes in (121, 150, 179, 180):
        assert first_instant(day, minutes, zone_of(ZURICH)) == jump
    phase = window(f"02:10-02:50 {ZURICH}").phase(jump)
    assert phase == (False, at("2026-03-30T02:10", ZURICH))


def test_a_time_that_is_shown_twice_is_the_first_one():
    phase = window(f"02:15-02:45 {ZURICH}").phase(at("2026-10-25T00:15"))

    assert phase == (True, at("2026-10-25T00:45"))


@given(
    day=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    zone=st.sampled_from(
        (ZURICH, "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "UTC")
    ),
    minutes=st.integers(0, 2 * 24 * 60),
)
def test_the_first_instant_is_the_first_at_which_the_clock_shows_it(day, zone, minutes):
    found = first_instant(day, minutes, zone_of(zone))
    naive = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001

    def shows(instant: datetime) -> datetime:
        return instant.astimezone(zone_of(zone)).replace(tzinfo=None)

    assert shows(found) >= naive
    assert shows(found - timedelta(seconds=1)) < naive


@given(
    moment=st.datetimes(
        datetime(2026, 1, 1),  # noqa: DTZ001
        datetime(2027, 12, 31),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    opens=st.integers(0, 1439),
    length=st.integers(1, 1439),
    days=st.sets(st.integers(0, 6), min_size=1),
    zone=st.sampled_from((ZURICH, "America/New_York", "Asia/Shanghai")),
)
def test_a_phase_holds_until_it_ends_and_no_longer(moment, opens, length, days, zone):
    closes = (opens + length - 1) % 1440 + 1
    one = Window(opens, closes, zone, tuple(sorted(days)))

    is_open, until = one.phase(moment)
    if until is None:
        assert is_open
        return
    assert until > moment
    assert one.phase(moment + (until - moment) / 2) == (is_open, until)
    assert one.phase(until).is_open is not is_open


@given(
    opens=st.integers(0, 1439),
    closes=st.integers(1, 1440),
    days=st.sets(st.integers(0, 6), min_size=1),
)
def test_a_window_is_written_as_it_is_read(opens, closes, days):
    if opens == closes:
        return
    one = Window(opens, closes, "Asia/Shanghai", tuple(sorted(days)))

    assert parse_window(str(one)) == one


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("22:00-05:00", '"22:00-05:00 Asia/Shanghai"'),
        ("Mon-Fri 22:00-05:00", "write the zone after it"),
        ("22:00-05:00 Mars/Base", "no time zone"),
        ("22:00-05:00 ../../etc/passwd", "no time zone"),
        ("25:00-05:00 UTC", "no time of day"),
        ("22:60-05:00 UTC", "no time of day"),
        ("22:00-22:00 UTC", "00:00-24:00 UTC"),
        ("Foo 22:00-05:00 UTC", "no day"),
        ("nightly", "no window"),
    ],
)
def test_what_is_no_window_says_how_to_write_one(text, says):
    with pytest.raises(ValueError, match="write") as refused:
        parse_window(text)

    assert says in str(refused.value)


def test_a_deadline_is_a_duration_or_a_time_of_day():
    began = at("2026-06-01T20:00")

    assert parse_deadline("2h") == Deadline(7200.0)
    assert Deadline(7200.0).instant(began) == at("2026-06-01T22:00")
    clock = parse_deadline("05:30 Asia/Shanghai")
    assert clock is not None
    assert clock.instant(began) == at("2026-06-02T05:30", "Asia/Shanghai")
    assert clock.instant(at("2026-06-01T21:30")) == at("2026-06-02T21:30")


@pytest.mark.parametrize("text", ["0", "soon", "-1", "05:30", "25:00 UTC"])
def test_what_is_no_deadline_is_told(text):
    with pytest.raises(ValueError, match=r"write"):
        parse_deadline(text)


def test_the_earlier_of_deadline_and_window_ends_a_run():
    now = at("2026-06-01T23:00").timestamp()
    night = window("22:00-05:00 UTC")

    hours = hours_of("job", deadline=Deadline(3600.0), window=night, now=now)

    assert hours.due(now + 3599) is None
    end = hours.due(now + 3600)
    assert end is not None
    assert end.rule == "deadline"
    hours = hours_of("job", deadline=Deadline(36_000.0), window=night, now=now)
    end = hours.due(now + 6 * 3600)
    assert end is not None
    assert (end.rule, "2026-06-02 05:00 UTC" in end.why) == ("window", True)


def test_outside_its_window_a_job_says_when_it_opens():
    now = at("2026-06-01T12:00").timestamp()

    with pytest.raises(OutsideWindow, match=r"opens at 2026-06-01 22:00 UTC, in 10\.0"):
        hours_of("job", deadline=None, window=window("22:00-05:00 UTC"), now=now)


def test_a_job_file_names_what_is_wrong(tmp_path):
    from bulkbind.settings import Overrides, load_job

    values = {"stop.window": "22:00-05:00", "stop.deadline": "soon"}
    with pytest.raises(SettingsError) as refused:
        load_job(tmp_path / "apis.csv", Overrides(values=values), environ={})

    assert [p.split(": ")[1] for p in refused.value.problems] == [
        "stop.deadline",
        "stop.window",
    ]
