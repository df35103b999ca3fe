"""Rows and ledger -> one verdict per row; what does not add up is refused."""

import re
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bulkbind.errors import ReportWrong
from bulkbind.model import Aside, Cause, RowVerdict, Scope, Stop, Verdict
from bulkbind.report import judged_rows
from bulkbind.verdict import Stops, judge
from tests.unit.test_report_source import (
    MadeRun,
    answer,
    intent,
    made_run,
    made_target,
    runs,
)


def verdicts(run: MadeRun) -> list[Verdict]:
    return [judged.shared.verdict for judged in run.judged()]


def test_rows_come_in_manifest_order_whatever_their_targets():
    run = made_run([2, 0, 1, 0, 2, 1, 0])

    assert [judged.row for judged in run.judged()] == run.rows


def test_a_row_bears_its_own_receipt():
    run = made_run([0, 1, 0], batch_size=2)

    attach_ids = [judged.plugin_attach_id for judged in run.judged()]

    assert attach_ids == ["attach0", "attach0", "attach1"]


def test_a_row_set_aside_bears_the_reason_as_message_and_our_code():
    run = made_run([0, Verdict.DUPLICATE])

    shared = run.judged()[1].shared

    assert shared.verdict is Verdict.DUPLICATE
    assert shared.error_code == "BULKBIND.DUPLICATE"
    assert shared.error_msg == "because of line 1"
    assert shared.cause is Cause.NONE


@pytest.mark.parametrize("aside", [Verdict.DUPLICATE, Verdict.SUPERSEDED])
def test_a_sound_row_set_aside_bears_its_accounts_project(aside):
    run = made_run([0, aside], targets=[made_target(project_id="resolved")])

    assert [judged.shared.project_id for judged in run.judged()] == ["resolved"] * 2


def test_an_invalid_row_keeps_its_own_text():
    run = made_run([0, Verdict.INVALID], targets=[made_target(project_id="resolved")])
    run.rows[1] = run.rows[1]._replace(project_id="=odd")

    assert run.judged()[1].shared.project_id == "=odd"


def test_rows_of_one_answer_share_their_cells():
    run = made_run([0, 0, 0], batch_size=2)

    first, second, third = (judged.shared for judged in run.judged())

    assert first is second
    assert third is not first


def test_a_target_holds_its_open_batch_and_the_next_one():
    run = made_run([0, 1, 0, 1, 0, 1, 0, 1], batch_size=1)

    rows = judged_rows(run.rows, source=run.source, expected_rows=8)
    list(islice(rows, 2))

    assert len(run.source.read) == 4


def test_a_run_of_no_rows_adds_up():
    assert made_run([]).judged() == []


def test_unanswered_rows_bear_the_stop_of_this_invocation():
    stop = Stop(
        scope=Scope.GATEWAY,
        key="0",
        cause=Cause.GATEWAY,
        invocation=2,
        at=5.0,
        code="APIC.7711",
    )
    run = made_run([0], histories=[[]], all_stops=[stop], invocation=2)

    shared = run.judged()[0].shared

    assert (shared.verdict, shared.error_code) == (Verdict.NOT_SENT, "APIC.7711")


# --- the law --------------------------------------------------------------------------


@given(runs())
def test_every_row_has_exactly_one_verdict(run):
    judged = run.judged()

    counts = Counter(row.shared.verdict for row in judged)

    assert [row.row for row in judged] == run.rows
    assert counts.total() == run.expected_rows


@given(runs())
def test_the_merge_says_what_the_rules_say(run):
    expected: dict[int, RowVerdict] = {}
    stops = Stops.of(run.source.all_stops, invocation=run.source.invocation)
    for target in run.source.all_targets:
        for batch, records in run.source.batches(target.no):
            found = judge(batch, records, target=target, stops=stops)
            expected.update(zip(batch.rows, found, strict=True))

    for number, judged in enumerate(run.judged()):
        if number in expected:
            verdict, shared = expected[number], judged.shared
            assert shared.verdict is verdict.verdict
            assert shared.error_code == verdict.error_code
            assert shared.finished_at == verdict.finished_at
            assert judged.attempts == verdict.attempts
            assert judged.plugin_attach_id == verdict.plugin_attach_id


@given(runs(), st.data())
def test_a_dropped_row_is_noticed(run, data):
    assume(run.rows)
    del run.rows[data.draw(st.integers(0, len(run.rows) - 1))]
    run.expected_rows -= data.draw(st.integers(0, 1))

    with pytest.raises(ReportWrong):
        run.judged()


@given(runs(), st.data())
def test_a_doubled_row_is_noticed(run, data):
    assume(run.rows)
    place = data.draw(st.integers(0, len(run.rows) - 1))
    run.rows.insert(place, run.rows[place])
    run.expected_rows += data.draw(st.integers(0, 1))

    with pytest.raises(ReportWrong):
        run.judged()


@given(runs(), st.data())
def test_rows_that_changed_places_are_noticed(run, data):
    aside = {aside.row for aside in run.source.all_asides}
    sent = [number for number in range(len(run.rows)) if number not in aside]
    assume(sent)
    one = data.draw(st.sampled_from(sent))
    other = data.draw(st.integers(0, len(run.rows) - 1))
    assume(one != other)
    run.rows[one], run.rows[other] = run.rows[other], run.rows[one]

    with pytest.raises(ReportWrong):
        run.judged()


@given(runs(), st.data())
def test_a_lost_or_doubled_batch_is_noticed(run, data):
    assume(run.source.by_target)
    batches = run.source.by_target[data.draw(st.sampled_from([*run.source.by_target]))]
    place = data.draw(st.integers(0, len(batches) - 1))
    if data.draw(st.booleans()):
        batches.insert(place, batches[place])
    else:
        del batches[place]

    with pytest.raises(ReportWrong):
        run.judged()


@given(runs(), st.data())
def test_a_lost_aside_is_noticed(run, data):
    asides = run.source.all_asides
    assume(asides)
    place = data.draw(st.integers(0, len(asides) - 1))
    run.source.all_asides = [*asides[:place], *asides[place + 1 :]]

    with pytest.raises(ReportWrong):
        run.judged()


# --- what the refusal says ------------------------------------------------------------


def test_a_row_in_no_batch_is_named_with_its_line_and_target():
    run = made_run([0, 0], batch_size=1)
    run.source.by_target[0].pop()

    with pytest.raises(ReportWrong, match=r"row 1 \(line 3, API 'api1', target defau"):
        run.judged()


def test_a_row_of_an_unknown_target_is_named():
    run = made_run([0])
    run.rows[0] = run.rows[0]._replace(plugin_id="other")

    with pytest.raises(ReportWrong, match="default/gw0/other/env"):
        run.judged()


def test_another_api_in_its_place_is_named():
    run = made_run([0])
    run.rows[0] = run.rows[0]._replace(api_id="other")

    with pytest.raises(ReportWrong, match="has row 0, API 'api0' at its place"):
        run.judged()


def test_a_row_set_aside_beyond_the_manifest_is_named():
    run = made_run([0])
    run.source.all_asides = [Aside(9, Verdict.DUPLICATE, "line 1")]

    with pytest.raises(ReportWrong, match="row 9 was set aside, but is no row"):
        run.judged()


def test_a_batch_beyond_the_manifest_is_named():
    run = made_run([0, 1])
    run.rows.pop()
    run.expected_rows = 1

    with pytest.raises(ReportWrong, match=r"target default/gw1/plugin1/env: .* row 1"):
        run.judged()


def test_too_few_rows_are_told_in_figures():
    run = made_run([Verdict.INVALID])
    run.expected_rows = 2

    with pytest.raises(ReportWrong, match=re.escape("has 1 rows, the plan has 2")):
        run.judged()


def test_a_batch_with_more_rows_than_ids_is_named():
    run = made_run([0, 0])
    batch, records = run.source.by_target[0][0]
    run.source.by_target[0][0] = replace(batch, api_ids=("api0",)), records

    with pytest.raises(ReportWrong, match="batch 1: 2 rows, but 1 ids"):
        run.judged()


def test_records_of_ids_that_the_batch_lacks_are_refused():
    records = [intent([0]), answer([0], Scope.DONE, named=[5])]
    run = made_run([0], histories=[records])

    with pytest.raises(ReportWrong, match="batch 1: its records name ids"):
        run.judged()
