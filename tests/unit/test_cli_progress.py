"""What progress counts and says, with the clock in hand."""

import pytest

from bulkbind.cli.progress import PlainProgress
from bulkbind.model import (
    Action,
    Batch,
    Cause,
    Lane,
    LaneTally,
    Receipts,
    Record,
    RecordKind,
    Scope,
    Stop,
)
from tests.clock import FakeClock

LANE = Lane(0, "default", "host/gw")


def batch(action=Action.ATTACH):
    return Batch(1, 0, 0, action, (0, 1, 2), ("a", "b", "c"))


def answer(scope=Scope.DONE, *, span=(0, 1, 2), named=()):
    return Record(
        batch=1,
        kind=RecordKind.ANSWER,
        invocation=1,
        at=0.0,
        span=span,
        scope=scope,
        receipts=Receipts(named, ("",) * len(named), ("",) * len(named)),
    )


@pytest.fixture
def progress():
    made = PlainProgress(clock=FakeClock())
    made.run_started("r", [LaneTally(0, 2, 0, 6, 0, 0)])
    return made


def settle(progress, batch, answer):
    progress.request_settled(LANE, batch, answer, seconds=0.1)


def test_one_page_is_no_pages():
    reading = PlainProgress(clock=FakeClock())
    reading.pages = 1

    assert reading.line() == "reading what is bound: 1 page"


def test_rows_with_a_receipt_are_done(progress):
    settle(progress, batch(), answer(named=(0, 2)))

    assert (progress.done, progress.failed) == (2, 0)


def test_a_row_refused_alone_is_done_and_failed(progress):
    settle(progress, batch(), answer(Scope.ITEM, span=(1,)))

    assert (progress.done, progress.failed) == (1, 1)


def test_a_refused_group_settles_nobody(progress):
    settle(progress, batch(), answer(Scope.ITEM))

    assert progress.done == 0


def test_an_accepted_detach_counts_its_rows(progress):
    settle(progress, batch(Action.DETACH), answer())

    assert progress.line().startswith("3 of 6 rows (50 %)")


def test_why_a_run_stops_is_said_once(capsys):
    said = PlainProgress()
    why = "the run was stopped by ann, at once"
    said.noticed(why)
    said.noticed("stopped by ann, at once")
    said.stopped(
        Stop(
            scope=Scope.DONE,
            key="",
            cause=Cause.STOP,
            invocation=1,
            at=0.0,
            message=why,
        )
    )
    said.noticed("unpaused: the run goes on")

    assert capsys.readouterr().err.splitlines() == [why, "unpaused: the run goes on"]


def test_a_first_signal_says_what_a_second_would_do(progress, capsys):
    progress.draining("SIGINT")

    assert capsys.readouterr().err == (
        "SIGINT: what is out is awaited, then the run stops; once more stops it now\n"
    )
