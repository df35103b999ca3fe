"""``failed.csv``: what is worth another run, ready to be run."""

import csv
import io

from bulkbind.model import FORMULA, Row, Scope, Verdict
from bulkbind.report.block import Block
from bulkbind.report.judged import JudgedRow, Shared
from bulkbind.report.table import FailedForm
from tests.unit.test_report_source import (
    answer,
    intent,
    made_layout,
    made_row,
    made_run,
    made_target,
)


def shared(**facts) -> Shared:
    return Shared(
        account="default",
        project_id="p1",
        instance_id="gw",
        plugin_id="plugin",
        plugin_type="cors",
        env_id="env",
        **facts,
    )


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def failed_of(*verdicts: Verdict, **facts) -> list[list[str]]:
    rows = [
        JudgedRow(
            made_row(number, made_target(), carried=["team"]),
            shared(verdict=verdict, **facts),
        )
        for number, verdict in enumerate(verdicts)
    ]
    form = FailedForm(made_layout(carried=("owner",)))
    return read_csv(form.header + form.lines(Block.of(rows, carried=1)))


def test_failed_csv_has_the_ids_then_the_carried_columns_then_why():
    assert failed_of(Verdict.BOUND) == [
        [
            "account",
            "project_id",
            "instance_id",
            "plugin_id",
            "plugin_type",
            "env_id",
            "api_id",
            "owner",
            "line",
            "verdict",
            "error_code",
            "error_msg",
            "advice",
        ]
    ]


def test_failed_csv_holds_the_rows_that_are_worth_another_run():
    lines = failed_of(*Verdict)

    assert [line[9] for line in lines[1:]] == [
        "failed",
        "unconfirmed",
        "not_sent",
        "invalid",
    ]


def test_a_failed_row_bears_resolved_ids_and_advice():
    lines = failed_of(Verdict.FAILED, error_code="APIG.3002", error_msg="gone")

    assert lines[1] == [
        *("default", "p1", "gw", "plugin", "cors", "env", "api0", "team", "2"),
        *("failed", "APIG.3002", "gone", "about APIG.3002"),
    ]


def test_an_invalid_row_keeps_its_own_text_in_failed_csv():
    run = made_run([Verdict.INVALID])
    run.rows[0] = run.rows[0]._replace(api_id="=a/b", plugin_type="odd", env_id="")
    form = FailedForm(made_layout())

    (line,) = read_csv(form.lines(Block.of(run.judged(), carried=0)))

    assert line[4:7] == ["odd", "", "'=a/b"]


# --- run again ------------------------------------------------------------------------


def as_manifest(text: str) -> list[Row]:
    """Read rows as the manifest reader does: one ``'`` less where one was added."""
    lines = csv.DictReader(io.StringIO(text, newline=""))
    rows = []
    for line in lines:
        cells = {
            name: cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
            for name, cell in line.items()
        }
        ids = [cells[name] for name in FailedForm(made_layout()).header.split(",")[:7]]
        facts = 0, lines.line_num, *ids, (cells["owner"],), None, True
        rows.append(Row._make(facts))
    return rows


def failed_again(rows: list[Row]) -> str:
    """Run rows that are all refused, and return their ``failed.csv``."""
    refusal = [intent([0]), answer([0], Scope.ITEM, code="APIG.3002", message="-gone")]
    run = made_run([0] * len(rows), batch_size=1, histories=[refusal] * len(rows))
    owners = [row.carried for row in rows]
    run.rows = [
        made._replace(line=row.line, carried=owner)
        for made, row, owner in zip(run.rows, rows, owners, strict=True)
    ]
    form = FailedForm(made_layout(carried=("owner",)))
    return form.header + form.lines(Block.of(run.judged(), carried=1))


def test_failed_csv_run_again_and_again_is_stable():
    first = failed_again(
        [
            made_row(number, made_target(), carried=[owner])
            for number, owner in enumerate(["=1", "'=1", "a,b", "x\ny", "'"])
        ]
    )
    second = failed_again(as_manifest(first))

    assert failed_again(as_manifest(second)) == second
    assert [row.carried for row in as_manifest(second)] == [
        ("=1",),
        ("'=1",),
        ("a,b",),
        ("x\ny",),
        ("'",),
    ]
