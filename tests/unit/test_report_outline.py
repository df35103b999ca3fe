"""A report in a few lines: what became of the rows, why, what to do."""

from dataclasses import replace
from pathlib import Path

from bulkbind.model import Record, Scope, Verdict
from bulkbind.report import Totals, describe
from bulkbind.report.block import Block
from bulkbind.report.totals import Tally
from tests.unit.test_report_source import answer, intent, made_run


def totals(*histories, choices=None) -> Totals:
    run = made_run(
        choices or [0] * len(histories), batch_size=1, histories=list(histories)
    )
    tally = Tally(lambda code: f"about {code}" if code else "")
    tally.count(Block.of(run.judged(), carried=0))
    return tally.totals()


def refused(**facts) -> list[Record]:
    return [intent([0]), answer([0], Scope.ITEM, **facts)]


def taken() -> list[Record]:
    return [intent([0]), answer([0], Scope.DONE, named=[0])]


def test_verdicts_that_were_met_are_counted():
    lines = describe(totals(taken(), taken(), [])).splitlines()

    assert lines[:3] == ["3 rows", "  2  bound", "  1  not_sent"]


def test_failures_stand_with_code_message_and_advice():
    text = describe(totals(refused(code="APIG.3002", message="API x not found")))

    assert "  1 failed: APIG.3002: API x not found\n      about APIG.3002" in text


def test_one_message_of_many_is_called_an_example():
    one = refused(code="APIG.3002", message="API x not found")
    other = refused(code="APIG.3002", message="API y not found")

    text = describe(totals(one, other))

    assert "  2 failed: APIG.3002, such as: API x not found" in text


def test_most_rows_come_first():
    text = describe(
        totals(refused(code="A.1"), refused(code="A.2"), refused(code="A.2"))
    )

    assert text.index("A.2") < text.index("A.1")


def test_an_answer_without_a_code_is_told_by_its_status():
    assert "1 failed: HTTP 404" in describe(totals(refused(status=404)))


def test_rows_as_asked_need_no_reason():
    assert describe(totals(taken())) == "1 rows\n  1  bound"


def test_files_are_named_at_the_end():
    text = describe(totals(taken()), files=[Path("runs/r1/report.csv")])

    assert text.endswith("\n\n  runs/r1/report.csv")


def test_no_reason_is_lost_unsaid():
    many = [refused(code=f"A.{number}") for number in range(25)]

    assert "... and 5 more; the report has them all" in describe(totals(*many))


def test_outside_text_cannot_forge_lines_or_colours():
    text = describe(
        totals(refused(code="A.1", message="x\n  9 bound\x1b[31m\u202e" + "y" * 999))
    )

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "x 9 bound" in text
    assert max(len(line) for line in text.splitlines()) < 160


def test_rows_set_aside_are_told_too():
    text = describe(totals(choices=[Verdict.DUPLICATE]))

    assert "1 duplicate: BULKBIND.DUPLICATE: because of line 0" in text


def test_rows_without_code_and_answer_say_so():
    lost = replace(answer([0], Scope.AMBIGUOUS), status=0)

    assert "1 unconfirmed: no code" in describe(totals([intent([0]), lost]))
