"""A schedule's text and times, held against the parsers that will read them."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkbind.errors import SettingsError
from bulkbind.schedule import (
    Task,
    calendar_lines,
    clock_remarks,
    crontab_text,
    next_runs,
    parse_schedule,
    unit_texts,
)

ZURICH = ZoneInfo("Europe/Zurich")
NOON = datetime(2027, 3, 27, 12, tzinfo=ZURICH)
"""The day before summer time begins."""
OCTOBER = datetime(2027, 10, 30, 12, tzinfo=ZURICH)


def a_task(**how):
    given = {
        "name": "nightly",
        "program": ("/opt/bulk bind/bin/bulkbind",),
        "job": "/srv/100% of $it/o'brien.toml",
        "folder": "/srv/100% of $it",
        "user": "ops",
    }
    return Task(**{**given, **how})


def systemds_next(line, after, count):
    """Ask systemd itself when a calendar event comes next."""
    assert shutil.which("systemd-analyze"), "apt-get install systemd"
    base = f"{after.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    said = subprocess.run(
        [
            *("systemd-analyze", "calendar", f"--iterations={count}"),
            *(f"--base-time={base}", line),
        ],
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.findall(r"(?:elapse|#\d+): \w+ ([-\d]+ [:\d]+) UTC", said)
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in found]


def ours(expression, after, count, *, as_systemd):
    schedule = parse_schedule(expression, zone=ZURICH)
    runs = next_runs(schedule, after=after, as_systemd=as_systemd)
    return [run.astimezone(UTC) for run in islice(runs, count)]


# --- when -----------------------------------------------------------------------------


def test_cron_runs_what_a_gap_leaves_out_right_after_it():
    runs = list(
        islice(next_runs(parse_schedule("30 2 * * *", zone=ZURICH), after=NOON), 2)
    )

    assert [run.isoformat() for run in runs] == [
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
    ]


@pytest.mark.parametrize(
    ("expression", "as_systemd", "remark"),
    [
        ("30 2 * * *", False, "leaves out 02:30: it runs at Sun 2027-03-28 03:00"),
        ("30 2 * * *", True, "leaves out 02:30: it does not run then"),
        ("*/20 2 * * *", False, "leaves out 02:00, 02:20, 02:40: it does not run"),
        ("0 5 * * *", False, "the first run after it: Sun 2027-03-28 05:00 CEST"),
        ("30 2 * * *", False, "brings 02:30 twice: it runs the first time only"),
        ("30 * * * *", False, "brings 02:30 twice: it runs both times"),
    ],
)
def test_what_a_change_of_the_clock_does_is_said(expression, as_systemd, remark):
    schedule = parse_schedule(expression, zone=ZURICH)

    said = clock_remarks(schedule, after=NOON, as_systemd=as_systemd)

    assert len(said) == 2
    assert "2027-03-28 the clock goes from 02:00 to 03:00" in said[0]
    assert "2027-10-31 the clock goes from 03:00 to 02:00" in said[1]
    assert remark in " ".join(said)


def test_a_zone_without_summer_time_has_nothing_to_say():
    schedule = parse_schedule("30 2 * * *", zone=ZoneInfo("Asia/Shanghai"))

    assert clock_remarks(schedule, after=NOON) == []


@pytest.mark.parametrize("after", [NOON, OCTOBER])
@pytest.mark.parametrize(
    "expression",
    [
        *("0 2 * * *", "30 2 * * *", "15,45 1-3 * * *", "0 12 * * mon-fri"),
        *("5 4 1,15 * *", "0 0 31 * *", "59 23 29 2 *", "0 3 * 6-8 sun", "7 */6 * * 7"),
        *("30 * * * *", "*/20 1-4 * * *"),
    ],
)
def test_systemd_runs_it_when_we_say(expression, after):
    schedule = parse_schedule(expression, zone=ZURICH)
    (line,) = calendar_lines(schedule)

    assert systemds_next(line, after, 6) == ours(expression, after, 6, as_systemd=True)


def test_either_day_of_a_crontab_is_two_events():
    lines = calendar_lines(parse_schedule("0 3 1 * mon", zone=ZURICH))

    runs = {run for line in lines for run in systemds_next(line, NOON, 12)}

    assert len(lines) == 2
    assert sorted(runs)[:10] == ours("0 3 1 * mon", NOON, 10, as_systemd=True)


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        *("", "0 2 * *", "0 0 2 * * *", "60 2 * * *", "0 24 * * *", "0 2 0 * *"),
        *("0 2 L * *", "0 2 * * 1#2", "0 2 LW * *", "5/10 * * * *", "0 2 30 2 *"),
        *(
            "@reboot",
            "0 2 * * *; rm -rf /",
            "0 2 5-1 * *",
            "a b c d e",
            "0 2 * * MONDAY",
        ),
    ],
)
def test_what_no_crontab_takes_is_refused_with_a_remedy(expression):
    with pytest.raises(SettingsError, match="write five fields"):
        parse_schedule(expression, zone=ZURICH)


def test_a_nickname_is_five_fields():
    assert parse_schedule("@daily", zone=ZURICH).expression == "0 0 * * *"


@settings(max_examples=200)
@given(st.text(max_size=20))
def test_any_text_is_taken_or_refused(text):
    try:
        schedule = parse_schedule(text, zone=ZURICH)
    except SettingsError:
        return

    assert next(next_runs(schedule, after=NOON)) > NOON


# --- text -----------------------------------------------------------------------------


def test_a_command_too_long_for_cron_is_refused():
    schedule = parse_schedule("0 2 * * *", zone=ZURICH)

    with pytest.raises(SettingsError, match="--format systemd"):
        crontab_text(a_task(job="/x" * 500), schedule, remarks=(), names_zone=False)


def test_a_name_makes_no_other_unit():
    files = unit_texts(
        a_task(name="../../etc/x@y z"),
        parse_schedule("0 2 * * *", zone=ZURICH),
        remarks=(),
    )

    assert list(files) == ["bulkbind-etc-x-y-z.service", "bulkbind-etc-x-y-z.timer"]
