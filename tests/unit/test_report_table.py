"""Judged rows -> lines: safe and reversible as CSV, exact and canonical as JSON."""

import csv
import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkbind.errors import ReportWrong
from bulkbind.model import FORMULA, REPORT_COLUMNS, Cause, Verdict
from bulkbind.report.block import BLOCK_ROWS, Block, blocks, is_plain
from bulkbind.report.cells import (
    csv_cell,
    json_inside,
    json_text,
    report_cells,
    time_text,
)
from bulkbind.report.judged import JudgedRow, Shared
from bulkbind.report.table import CsvForm, JsonlForm
from tests.unit.test_report_source import made_layout, made_row, made_target

#: Texts as they are found in spreadsheets, and as attackers put them there.
awkward = st.one_of(
    st.text(),
    st.from_regex(FORMULA),
    st.sampled_from(
        ["=1+1", "'=1+1", "''", "-", "+", "@x", "\tx", "\rx", '"', ",", "\r\n", "a\nb"]
    ),
)


def restored(cell: str) -> str:
    """Read a cell as the manifest reader does."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def shared(**facts) -> Shared:
    return Shared(
        account="default",
        project_id="p1",
        instance_id="gw",
        plugin_id="plugin",
        plugin_type="cors",
        env_id="env",
        **{"verdict": Verdict.BOUND, **facts},
    )


@st.composite
def judged_rows(draw, width: int) -> list[JudgedRow]:
    """Rows with anything in any cell."""
    several = draw(st.integers(1, 6))
    common = [
        shared(
            verdict=draw(st.sampled_from(Verdict)),
            cause=draw(st.sampled_from(Cause)),
            http_status=draw(st.sampled_from([0, 201, 404])),
            error_code=draw(awkward),
            error_msg=draw(awkward),
            plugin_name=draw(awkward),
            finished_at=draw(st.sampled_from([0.0, 1_700_000_000.5])),
        )
        for _ in range(2)
    ]
    return [
        JudgedRow(
            made_row(
                number,
                made_target(),
                api_id=draw(awkward) or "api",
                carried=draw(st.lists(awkward, max_size=width)),
            ),
            draw(st.sampled_from(common)),
            draw(awkward),
            draw(awkward),
            draw(st.integers(0, 9)),
            draw(st.sampled_from(["", "yes", "missing"])),
        )
        for number in range(several)
    ]


# --- cells ----------------------------------------------------------------------------


@given(awkward)
@example("'" * 3 + "=x")
def test_a_csv_cell_is_read_back_as_it_was(text):
    (row,) = read_csv(f"{csv_cell(text)},end\r\n")

    assert restored(row[0]) == text


@given(awkward)
def test_no_csv_cell_starts_a_formula(text):
    (row,) = read_csv(f"{csv_cell(text)},end\r\n")

    assert not row[0].startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("plain", "plain"),
        ("", ""),
        ("=1", "'=1"),
        ("'=1", "''=1"),
        ("it's", "it's"),
        ("'quoted'", "'quoted'"),
        ("-5", "'-5"),
        ("a,b", '"a,b"'),
        ('say "x"', '"say ""x"""'),
        ("two\nlines", '"two\nlines"'),
        ("=a,b", '"\'=a,b"'),
    ],
)
def test_a_csv_cell_is_quoted_and_made_safe_only_where_it_must_be(text, cell):
    assert csv_cell(text) == cell


@given(st.text())
def test_a_json_text_is_read_back_as_it_was(text):
    assert json.loads(json_text(text)) == text


def test_a_json_text_escapes_only_what_it_must():
    assert json_text('ä插件 "x"\n=1') == '"ä插件 \\"x\\"\\n=1"'


@given(st.lists(awkward, max_size=5))
@example(["\uff1d1+1"])
@example(["\uff0b"])
def test_a_plain_column_needs_no_escaping(texts):
    if is_plain(texts):
        assert [csv_cell(text) for text in texts] == texts
        assert [json_inside(text) for text in texts] == texts


@pytest.mark.parametrize(
    "text", ["0af3-9", "2026-01-02T03:04:05Z", "/v1/{id}", "é", ""]
)
def test_what_is_common_is_plain(text):
    assert is_plain(["x", text])


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, ""),
        (1_700_000_000.0, "2023-11-14T22:13:20.000Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds(at, text):
    assert time_text(at) == text


# --- report.csv and report.jsonl ------------------------------------------------------


@given(judged_rows(width=2))
def test_report_csv_holds_every_cell(rows):
    layout = made_layout(carried=("owner", "=note"), files=("a,b.csv",))
    form = CsvForm(layout)

    read = read_csv(form.header + form.lines(Block.of(rows, carried=2)))

    assert [restored(cell) for cell in read[0]] == [*REPORT_COLUMNS, "owner", "=note"]
    assert [[restored(cell) for cell in line] for line in read[1:]] == [
        [str(cell) for cell in report_cells(row, layout=layout)] for row in rows
    ]


@given(judged_rows(width=2))
def test_report_jsonl_holds_every_cell_exactly(rows):
    layout = made_layout(carried=("owner", "100%"))
    text = JsonlForm(layout).lines(Block.of(rows, carried=2))

    for line, row in zip(text.removesuffix("\n").split("\n"), rows, strict=True):
        *cells, owner, percent = report_cells(row, layout=layout)
        expected = dict(zip(REPORT_COLUMNS, cells, strict=True))
        expected_carried = {"owner": owner, "100%": percent}
        assert json.loads(line) == {**expected, "carried": expected_carried}


@given(judged_rows(width=1))
def test_report_jsonl_is_canonical(rows):
    layout = made_layout(carried=("owner",))
    text = JsonlForm(layout).lines(Block.of(rows, carried=1))

    for line in text.removesuffix("\n").split("\n"):
        again = json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":"))
        assert again == line


def test_numbers_are_numbers_and_what_is_missing_is_an_empty_text():
    row = JudgedRow(made_row(0, made_target()), shared(verdict=Verdict.NOT_SENT))

    found = json.loads(JsonlForm(made_layout()).lines(Block.of([row], carried=0)))

    assert (found["line"], found["attempts"]) == (2, 0)
    assert (found["http_status"], found["finished_at"], found["verified"]) == ("",) * 3
    assert found["carried"] == {}


def test_advice_stands_with_the_code():
    row = JudgedRow(made_row(0, made_target()), shared(error_code="APIG.3002"))

    found = json.loads(JsonlForm(made_layout()).lines(Block.of([row], carried=0)))

    assert found["advice"] == "about APIG.3002"


def test_a_lone_surrogate_in_a_file_name_does_not_stop_the_report():
    row = JudgedRow(made_row(0, made_target()), shared())
    layout = made_layout(files=("bad\udcff.csv",))

    line = JsonlForm(layout).lines(Block.of([row], carried=0))

    assert json.loads(line.encode("utf-8", "backslashreplace"))["file"] == (
        "bad\udcff.csv"
    )


def test_lines_end_as_rfc_4180_wants_them():
    row = JudgedRow(made_row(0, made_target()), shared())
    form = CsvForm(made_layout())

    text = form.header + form.lines(Block.of([row], carried=0))

    assert text.count("\r\n") == text.count("\n") == 2


def test_a_row_with_fewer_carried_cells_is_filled_up():
    row = JudgedRow(made_row(0, made_target(), carried=["x"]), shared())
    form = CsvForm(made_layout(carried=("a", "b", "c")))

    assert read_csv(form.lines(Block.of([row], carried=3)))[0][-3:] == ["x", "", ""]


def test_a_row_with_more_carried_cells_than_columns_is_refused():
    row = JudgedRow(made_row(0, made_target(), carried=["x", "y"]), shared())

    with pytest.raises(ReportWrong, match="carries 2 columns, the manifest 1"):
        Block.of([row], carried=1)


def test_what_rows_share_is_rendered_once():
    common = shared()
    rows = [JudgedRow(made_row(number, made_target()), common) for number in range(3)]
    form = CsvForm(made_layout())

    form.lines(Block.of(rows[:1], carried=0))
    first = common.drawn["csv"]
    form.lines(Block.of(rows, carried=0))

    assert common.drawn["csv"] is first


def test_rows_are_cut_into_blocks_in_order():
    row = JudgedRow(made_row(0, made_target()), shared())

    sizes = [len(block.rows) for block in blocks([row] * (BLOCK_ROWS + 1), carried=0)]

    assert sizes == [BLOCK_ROWS, 1]
