"""Events: one JSON line each, no secrets, nothing global."""

import io
import json

import pytest
import structlog

from bulkbind.log import event_logger
from bulkbind.model import Secret


def logged(event="done", **facts):
    file = io.StringIO()
    event_logger(file, now=lambda: 1_700_000_000.5).info(event, **facts)
    return file.getvalue()


def test_an_event_is_one_json_line_with_its_time_first():
    text = logged("request_settled", batch=3, ids=500)

    assert text.count("\n") == 1
    assert list(json.loads(text).items()) == [
        ("at", "2023-11-14T22:13:20.500+00:00"),
        ("batch", 3),
        ("ids", 500),
        ("event", "request_settled"),
    ]


def test_what_is_empty_is_left_out():
    assert set(json.loads(logged(code="", message=None, status=0))) == {
        "at",
        "event",
        "status",
    }


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\u2028b", "a\x1b[31mb", "a\x85b"])
def test_no_text_can_forge_a_line(text):
    line = logged(message=text).removesuffix("\n")

    assert line.splitlines() == [line]
    assert "\x1b" not in line


def test_a_token_in_a_text_is_scrubbed():
    assert "MIIsecret" not in logged(message="X-Auth-Token: MIIsecret")


def test_a_secret_as_a_value_shows_nothing():
    assert "hunter2" not in logged(token=Secret("hunter2"))


def test_text_that_no_file_takes_is_written_all_the_same():
    assert json.loads(logged(message="a\ud800b"))["message"] == "a b"


def test_other_scripts_stay_readable():
    assert "插件" in logged(message="插件")


def test_the_applications_own_structlog_is_left_alone():
    before = structlog.get_config()
    logged()

    assert structlog.get_config() == before
    assert not structlog.is_configured()
