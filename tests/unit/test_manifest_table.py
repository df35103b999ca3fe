"""CSV and its kin: cells, lines, delimiters, ragged rows."""

import csv
import io
from pathlib import Path

import pytest

from bulkbind.errors import ManifestError
from bulkbind.manifest import Manifest, Shape, Source
from bulkbind.manifest.text import LINE_CAP

HEADER = "instance_id,plugin_id,env_id,api_id"


@pytest.fixture
def manifest(tmp_path: Path):
    def build(text: str | bytes, **shape) -> Manifest:
        path = tmp_path / "m.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Manifest([Source("m.csv", path)], shape=Shape(**shape))

    return build


def broken(manifest: Manifest) -> str:
    with pytest.raises(ManifestError) as caught:
        list(manifest.rows())
    return str(caught.value)


def test_a_plain_row_has_its_ids_its_line_and_what_it_carries(manifest):
    m = manifest(f"{HEADER},owner\ni,p,e,a,anna\n")
    (row,) = m.rows()

    assert row == (0, 2, "default", "", "i", "p", "", "e", "a", ("anna",), None, True)
    assert m.carried == ["owner"]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_the_one_that_gives_our_columns(manifest, delimiter):
    text = f"{HEADER},a;b|c\ni,p,e,a,x\n".replace(",", delimiter)
    (row,) = manifest(text).rows()

    assert row.api_id == "a"


def test_the_delimiter_line_of_excel_is_no_header(manifest):
    (row,) = manifest(f"sep=;\n{HEADER}\ni,p,e,a\n".replace(",", ";")).rows()

    assert (row.line, row.api_id) == (3, "a")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_a_line(manifest, end):
    rows = list(manifest(end.join([HEADER, "i,p,e,a", "", "i,p,e,b"])).rows())

    assert [(row.line, row.api_id) for row in rows] == [(2, "a"), (4, "b")]


def test_a_row_is_at_the_line_where_it_starts(manifest):
    rows = list(manifest(f'{HEADER},note\ni,p,e,a,"x\r\ny\rz"\ni,p,e,b,\n').rows())

    assert [row.line for row in rows] == [2, 5]
    assert rows[0].carried == ("x\r\ny\rz",)


def test_a_header_may_span_lines(manifest):
    (row,) = manifest(f'{HEADER},"two\nlines"\ni,p,e,a,x\n').rows()

    assert row.line == 3


def test_blank_lines_are_no_rows(manifest):
    assert len(list(manifest(f"\n{HEADER}\n\n   \ni,p,e,a\n\n").rows())) == 1


def test_a_row_of_empty_cells_is_a_faulty_row(manifest):
    (row,) = manifest(f"{HEADER}\n,,,\n").rows()

    assert row.fault is not None


def test_a_header_alone_gives_no_rows(manifest):
    m = manifest(HEADER)

    assert list(m.rows()) == []
    assert m.files[0].size == len(HEADER)


@pytest.mark.parametrize(
    ("row", "cells"), [("i,p,e", 3), ("i,p,e,a,b", 5), ('"i,p,e,a"', 1)]
)
def test_a_ragged_row_is_a_fault_and_reading_goes_on(manifest, row, cells):
    bad, good = manifest(f"{HEADER}\n{row}\ni,p,e,z\n").rows()

    assert bad.fault.problem.startswith(f"the row has {cells} cells, the header 4")
    assert good.fault is None


def test_a_quote_that_is_never_closed_names_the_line_where_it_opens(manifest):
    text = broken(manifest(f'{HEADER}\ni,p,e,a\ni,p,e,"b\ni,p,e,c\n'))

    assert text.startswith("m.csv:3: a quote is opened in this row and never closed")


def test_text_after_a_closing_quote_ends_the_reading(manifest):
    assert broken(manifest(f'{HEADER}\ni,p,e,"a"b\n')).startswith("m.csv:2: a quoted")


def test_a_line_without_end_is_refused(manifest):
    text = broken(manifest(HEADER + "\n" + "x" * (LINE_CAP + 1)))

    assert text.startswith("m.csv:2: the line is longer than 16 MiB")


def test_a_header_may_come_after_very_many_blank_lines(manifest):
    text = (" " * 2**20 + "\n") * 17 + f"{HEADER}\ni,p,e,a\n"
    (row,) = manifest(text).rows()

    assert row.line == 19


def test_a_cell_without_end_is_refused(manifest):
    text = broken(manifest(HEADER + '\n"' + "xxxxxxx\n" * (LINE_CAP // 8 + 1)))

    assert text.startswith("m.csv:2: a cell is longer than 16 MiB")


@pytest.mark.parametrize("cell", ["=1+1", "-x", "@a", "'=x", "''+1", "\tx", "\rx"])
def test_one_guard_before_a_formula_is_taken_away(manifest, cell):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[*HEADER.split(","), "n"], [*"ipea", f"'{cell}"]])
    (row,) = manifest(text.getvalue()).rows()

    assert row.carried == (cell,)


def test_an_apostrophe_before_anything_else_stays(manifest):
    (row,) = manifest(f"{HEADER},n\ni,p,e,a,'t Hooft\n").rows()

    assert row.carried == ("'t Hooft",)


def test_an_id_that_begins_like_a_formula_loses_its_guard(manifest):
    (row,) = manifest(f"{HEADER}\ni,p,e,'-a\n").rows()

    assert (row.api_id, row.fault) == ("-a", None)


def test_a_failed_csv_can_be_run_again(manifest):
    header = (
        "account,project_id,instance_id,plugin_id,plugin_type,env_id,api_id,owner,"
        "line,verdict,error_code,error_msg,advice"
    )
    m = manifest(f"{header}\ndefault,,i,p,cors,e,a,anna,7,failed,X,'=no,ask\n")
    (row,) = m.rows()

    assert row[2:11] == ("default", "", "i", "p", "cors", "e", "a", ("anna",), None)
    assert len(m.warnings) == 1
    assert '"verdict", "error_code"' in m.warnings[0]
