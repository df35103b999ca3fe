"""Who is told what of a run, when, and how often it is tried."""

import socket
import stat
import sys

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bulkbind.errors import NotifyFailed
from bulkbind.http import MAX_ANSWER, Http
from bulkbind.notify import Addresses, News, On, Signals, child_environment, is_due
from bulkbind.notify.hooks import call_hook
from bulkbind.notify.metrics import write_metrics
from bulkbind.notify.news import document, facts, headline, slack, text
from tests.listener import listening

GOOD = News(
    job="cors",
    exit_code=0,
    at=1_700_000_000.0,
    run_id="20231114T221320-abc",
    state="finished",
    rows=3,
    verdicts={"bound": 3, "failed": 0},
    requests=1,
    folder="/reports",
)
BAD = News(
    job="cors",
    exit_code=1,
    at=1_700_000_000.0,
    run_id="20231114T221320-abc",
    rows=12,
    verdicts={"bound": 2, "failed": 10},
    codes={"APIG.3002": 4, "APIG.3011": 3, "APIG.2012": 2, "APIG.9999": 1},
    trouble="a" * 32,
    folder="/reports",
)


@pytest.mark.parametrize(
    ("on", "news", "told", "due"),
    [
        (On.ALWAYS, GOOD, "", True),
        (On.FAILURE, GOOD, "", False),
        (On.FAILURE, BAD, "a" * 32, True),
        (On.CHANGE, GOOD, "", False),
        (On.CHANGE, BAD, "", True),
        (On.CHANGE, BAD, "a" * 32, False),
        (On.CHANGE, BAD, "b" * 32, True),
        (On.CHANGE, GOOD, "a" * 32, True),
    ],
)
def test_when_people_are_to_hear_of_it(on, news, told, due):
    assert is_due(on, news, told=told) is due


def test_a_message_says_what_became_of_the_rows_why_and_where_to_look():
    assert text(BAD).splitlines() == [
        "bulkbind cors: 2 bound, 10 failed (exit 1)",
        "4 x APIG.3002",
        "3 x APIG.3011",
        "2 x APIG.2012",
        "... and 1 other codes",
        "run 20231114T221320-abc: /reports",
    ]


def test_an_error_is_said_in_its_first_line():
    news = News(job="cors", exit_code=2, at=0.0, error="no credential\nset one")

    assert headline(news) == "bulkbind cors: no credential (exit 2)"


def test_no_name_calls_a_slack_channel():
    news = News(job="<!channel> & co", exit_code=0, at=0.0)

    assert "&lt;!channel&gt; &amp; co" in str(slack(news)["text"])


def test_a_hook_finds_the_facts_under_names_that_set_no_setting():
    given = facts(BAD)

    assert given["BULKBIND_EVENT_EXIT_CODE"] == "1"
    assert given["BULKBIND_EVENT_FAILED"] == "10"
    assert all(name.startswith("BULKBIND_EVENT_") for name in given)


def test_a_programme_of_the_users_sees_no_credential():
    environ = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "BULKBIND_TOKEN": "secret",
        "HUAWEICLOUD_SDK_SK": "secret",
        "PAGER_KEY": "passed on",
    }

    assert child_environment(environ, also=("PAGER_KEY",)) == {
        "PATH": "/bin",
        "LC_ALL": "C",
        "PAGER_KEY": "passed on",
    }


# --- metrics --------------------------------------------------------------------------


def test_metrics_are_read_by_prometheus_own_parser(tmp_path):
    path = tmp_path / "cors.prom"

    write_metrics(path, BAD, last_success=5.0)

    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
    job = ("job", "cors")
    assert found["bulkbind_last_run_rows", job, ("verdict", "failed")] == 10
    assert found["bulkbind_last_run_error_rows", ("code", "APIG.3002"), job] == 4
    assert found["bulkbind_last_run_exit_code", job] == 1
    assert found["bulkbind_last_success_timestamp_seconds", job] == 5.0
    assert [one.name for one in tmp_path.iterdir()] == ["cors.prom"]


def test_a_metrics_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "nowhere" / "cors.prom"

    with pytest.raises(NotifyFailed, match=r"metrics_textfile: .*nowhere/cors\.prom"):
        write_metrics(path, GOOD, last_success=0.0)


# --- posts ----------------------------------------------------------------------------


def signals(**addresses):
    return Signals(Addresses(**addresses), waits_s=(0.0, 0.0), timeout_s=5.0)


async def test_everybody_hears_of_it_once():
    with listening() as ears:
        to = signals(
            webhook=f"{ears.url}/hook",
            slack=f"{ears.url}/slack",
            ping=f"{ears.url}/ping/",
        )
        wrong = await to.start() + await to.end(BAD, is_due=True, last_success=0.0)

    heard = {one.path: one.body for one in ears.heard}
    assert wrong == []
    assert len(ears.heard) == 4
    assert msgspec.json.decode(heard["/hook"]) == document(BAD)
    assert msgspec.json.decode(heard["/slack"]) == slack(BAD)
    assert heard["/ping/start"] == b""
    assert heard["/ping/1"] == text(BAD).encode()


async def test_what_is_not_due_is_not_sent_but_a_ping_is():
    with listening() as ears:
        to = signals(webhook=f"{ears.url}/hook", ping=f"{ears.url}/ping")
        wrong = await to.end(GOOD, is_due=False, last_success=0.0)

    assert wrong == []
    assert [one.path for one in ears.heard] == ["/ping/0"]


@pytest.mark.parametrize("busy", [500, 503, 429, 408])
async def test_what_may_pass_is_tried_again(busy):
    with listening([busy, busy, 200]) as ears:
        to = signals(webhook=f"{ears.url}/hook")
        wrong = await to.end(BAD, is_due=True, last_success=0.0)

    assert wrong == []
    assert len(ears.heard) == 3


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (302, 1), (503, 3)])
async def test_what_is_not_taken_is_reported_without_its_url(status, tries):
    with listening([status]) as ears:
        to = signals(webhook=f"{ears.url}/hook/T0/secret")
        wrong = await to.end(BAD, is_due=True, last_success=0.0)

    assert wrong == [f"notify.webhook: it was not taken: HTTP {status}"]
    assert [one.path for one in ears.heard] == ["/hook/T0/secret"] * tries


async def test_nobody_listening_is_reported_without_the_url():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        to = signals(webhook=f"http://127.0.0.1:{port}/T0/secret")
        (wrong,) = await to.end(BAD, is_due=True, last_success=0.0)

    assert wrong.startswith("notify.webhook: it was not taken: no connection to")
    assert "secret" not in wrong


async def test_a_webhook_that_hangs_holds_nobody_up_for_long():
    with listening([0]) as ears:
        to = Signals(Addresses(webhook=ears.url), waits_s=(), timeout_s=0.05)
        wrong = await to.end(BAD, is_due=True, last_success=0.0)

    assert wrong == ["notify.webhook: it was not taken: no whole answer came in time"]


@pytest.mark.parametrize("name", ["webhook", "slack", "ping"])
async def test_a_long_answer_that_nobody_needs_is_taken_once(name):
    with listening(body=bytes(MAX_ANSWER + 1)) as ears:
        wrong = await signals(**{name: ears.url}).end(
            BAD, is_due=True, last_success=0.0
        )

    assert wrong == []
    assert len(ears.heard) == 1


async def test_a_ping_that_hangs_holds_a_run_up_for_fifteen_seconds_at_most(
    monkeypatch,
):
    tries, waits = [], []

    class Hasty(Http):
        """The real one, that writes down how long it would have waited."""

        def __init__(self, *, timeout_s, connections):
            self.patience_s = timeout_s
            super().__init__(timeout_s=0.05, connections=connections)

        async def send(self, *given, **how):
            tries.append(self.patience_s)
            return await super().send(*given, **how)

    async def waited(seconds):
        waits.append(seconds)

    monkeypatch.setattr("bulkbind.notify.signals.Http", Hasty)
    monkeypatch.setattr("bulkbind.notify.signals.anyio.sleep", waited)
    with listening([0]) as ears:
        to = Signals(Addresses(ping=ears.url))
        assert len(await to.start()) == 1
        assert sum(tries) + sum(waits) <= 3.0
        assert len(await to.end(BAD, is_due=True, last_success=0.0)) == 1

    assert len(tries) == 4
    assert sum(tries) + sum(waits) <= 15.0


def test_addresses_show_no_url():
    assert "secret" not in repr(Addresses(webhook="https://x/secret", ping="secret"))


# --- hooks ----------------------------------------------------------------------------


def script(tmp_path, text):
    path = tmp_path / "hook"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


async def test_a_hook_is_started_without_a_shell(tmp_path):
    out = tmp_path / "out"
    hook = script(tmp_path, "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2])")

    await call_hook([hook, str(out), "$(id); *"], environ={}, timeout_s=30.0)

    assert out.read_text() == "$(id); *"


@pytest.mark.parametrize(
    ("body", "timeout_s", "problem"),
    [
        ("raise SystemExit(7)", 30.0, "exited with 7"),
        ("import time; time.sleep(600)", 0.05, "was not done after 0.05 s"),
    ],
)
async def test_a_hook_that_does_not_do_its_work_is_reported(
    tmp_path, body, timeout_s, problem
):
    hook = script(tmp_path, body)

    with pytest.raises(NotifyFailed, match=problem):
        await call_hook([hook], environ={}, timeout_s=timeout_s)


async def test_a_hook_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(NotifyFailed, match=r"cannot be started \(No such file"):
        await call_hook([str(tmp_path / "none")], environ={}, timeout_s=1.0)
