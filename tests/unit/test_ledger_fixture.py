"""Ledgers of every schema version are read to the same verdicts by today's code."""

import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from bulkbind.ledger import SqliteLedger
from bulkbind.ledger.schema import VERSION
from bulkbind.model import Cause, RunState, Verdict, Why
from bulkbind.verdict import Stops, judge
from tests.fixtures import make_ledger

FOLDER = Path(make_ledger.__file__).parent
LEDGERS = sorted(FOLDER.glob("ledger-v*.db"))

#: Row -> verdict, cause, code, attach id. Written once, by hand.
VERDICTS = {
    0: (Verdict.BOUND, Cause.NONE, "", f"{16:032x}"),
    1: (Verdict.BOUND, Cause.NONE, "", f"{17:032x}"),
    2: (Verdict.FAILED, Cause.ITEM, "APIG.3002", ""),
    6: (Verdict.FAILED, Cause.TARGET, "APIG.3068", ""),
    7: (Verdict.FAILED, Cause.TARGET, "APIG.3068", ""),
    8: (Verdict.UNCONFIRMED, Cause.OUTAGE, "APIG.9999", ""),
    9: (Verdict.UNCONFIRMED, Cause.STOP, "BULKBIND.INTERRUPTED", ""),
    11: (Verdict.UNCONFIRMED, Cause.STOP, "BULKBIND.INTERRUPTED", ""),
    12: (Verdict.NOT_SENT, Cause.STOP, "BULKBIND.INTERRUPTED", ""),
}


@pytest.fixture(params=LEDGERS, ids=lambda path: path.name)
def path(request, tmp_path):
    return Path(shutil.copy(request.param, tmp_path))


@pytest.fixture
def ledger(path):
    with closing(SqliteLedger.read(path)) as ledger:
        yield ledger


def test_there_is_a_ledger_of_every_version():
    assert [path.name for path in LEDGERS] == [
        f"ledger-v{version}.db" for version in range(1, VERSION + 1)
    ]


def test_the_ledgers_are_small():
    assert all(path.stat().st_size < 32 * 1024 for path in LEDGERS)


def test_every_row_has_the_verdict_it_always_had(ledger):
    stops = Stops.of(ledger.stops(), invocation=1)
    found = {
        row: (told.verdict, told.cause, told.error_code, told.plugin_attach_id)
        for target in ledger.targets()
        for batch, records in ledger.batches(target.no)
        for row, told in zip(
            batch.rows, judge(batch, records, target=target, stops=stops), strict=True
        )
    }

    assert found == VERDICTS


def test_the_facts_of_a_receipt_are_what_they_were(ledger):
    batch, records = next(ledger.batches(0))
    told = judge(
        batch, records, target=ledger.targets()[0], stops=Stops.of([], invocation=1)
    )[0]

    assert told.attached_time == "2026-01-02T03:04:05.123456789Z"
    assert (told.plugin_name, told.env_name) == ("跨域", "RELEASE")
    assert (told.http_status, told.request_id, told.attempts) == (201, "request1", 2)


def test_the_plan_is_what_it_was(ledger):
    assert ledger.lanes() == make_ledger.LANES
    assert ledger.targets() == make_ledger.TARGETS
    assert list(ledger.asides()) == make_ledger.ASIDES
    assert [
        batch for target in range(3) for batch, _ in ledger.batches(target)
    ] == make_ledger.BATCHES


def test_the_run_is_what_it_was(ledger):
    (invocation,) = ledger.invocations()

    assert invocation.state is RunState.STOPPED
    assert invocation.stopped_by == "SIGINT"
    assert ledger.requests_by_reason() == {
        Why.FIRST: 4,
        Why.RETRY: 0,
        Why.ISOLATION: 2,
    }
    assert ledger.meta()["written_by"] == "bulkbind 0.1.0"


def test_an_old_ledger_can_be_gone_on_with(path):
    with closing(SqliteLedger.open(path)) as ledger:
        ledger.begin()
        number = ledger.start(command="resume", operator="me@here", pid=8, at=1.8e9)
        ledger.put_record(make_ledger.intent(5, (0,)))
        ledger.commit()

        assert number == 2
        assert ledger.open_lanes() == [0, 1]


def test_the_script_still_makes_the_newest_one(tmp_path):
    make_ledger.make(tmp_path / "made.db")

    def everything(path):
        with closing(SqliteLedger.read(path)) as ledger:
            return (
                ledger.meta(),
                ledger.stops(),
                Counter(ledger.tally()),
                [list(ledger.batches(target)) for target in range(3)],
            )

    assert everything(tmp_path / "made.db") == everything(LEDGERS[-1])
