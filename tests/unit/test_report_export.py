"""A finished run's report for somebody: chosen rows, one file or one per value."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.errors import ReportWrong, SettingsError, StateError
from bulkbind.model import Verdict
from bulkbind.report import Wish, export
from bulkbind.report.block import blocks
from bulkbind.report.split import MOST_FILES, Split, file_name
from tests.unit.test_report_source import made_layout, made_run

LAYOUT = made_layout(carried=("owner",))
OWNERS = ["ann", "bob", "ann", "Ann", "../etc"]


def rows(owners=OWNERS, choices=None):
    chosen = choices or [0] * len(owners)
    run = made_run(chosen, carried=[(owner,) for owner in owners])
    return blocks(run.judged(), carried=1)


def streamed(**wish) -> bytes:
    out = io.BytesIO()
    export(rows(), layout=LAYOUT, wish=Wish(**wish), out=out)
    return out.getvalue()


def lines_of(data: bytes) -> list[str]:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    return [row["line"] for row in reader]


# --- one file -------------------------------------------------------------------------


def test_a_csv_export_is_the_report(tmp_path):
    result = export(rows(), layout=LAYOUT, wish=Wish(), out=tmp_path / "x.csv")

    assert result.rows == 5
    assert result.files == (tmp_path / "x.csv",)
    assert lines_of((tmp_path / "x.csv").read_bytes()) == ["2", "3", "4", "5", "6"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_a_stream_gets_the_same_bytes_as_a_file(tmp_path):
    export(rows(), layout=LAYOUT, wish=Wish(), out=tmp_path / "x.csv")

    assert streamed() == (tmp_path / "x.csv").read_bytes()


def test_jsonl_has_one_object_per_row():
    lines = streamed(format="jsonl").splitlines()

    assert [json.loads(line)["carried"]["owner"] for line in lines] == OWNERS


def test_an_unknown_format_is_refused():
    with pytest.raises(SettingsError, match="'xlsx' is none of csv, jsonl, html"):
        streamed(format="xlsx")


def test_excel_gets_a_byte_order_mark_and_nothing_else():
    assert streamed(excel=True) == b"\xef\xbb\xbf" + streamed()


def test_excel_is_for_csv():
    with pytest.raises(SettingsError, match="only with --format csv"):
        streamed(format="jsonl", excel=True)


def test_a_run_that_does_not_add_up_leaves_no_file(tmp_path):
    run = made_run([0, 0])
    run.expected_rows = 3
    judged = (row for row in [run])

    with pytest.raises(ReportWrong):
        export(
            blocks((row for made in judged for row in made.judged()), carried=0),
            layout=made_layout(),
            wish=Wish(),
            out=tmp_path / "x.csv",
        )

    assert list(tmp_path.iterdir()) == []


# --- chosen rows ----------------------------------------------------------------------


def test_only_takes_any_of_the_values():
    assert lines_of(streamed(only=[("owner", ["bob", "Ann"])])) == ["3", "5"]


def test_only_repeated_takes_rows_that_meet_all():
    only = [("owner", ["ann"]), ("line", ["4", "5"])]

    assert lines_of(streamed(only=only)) == ["4"]


def test_only_compares_the_text_as_it_is_not_as_it_is_written():
    judged = rows(owners=["=x", "y"])
    out = io.BytesIO()

    export(judged, layout=LAYOUT, wish=Wish(only=[("owner", ["=x"])]), out=out)

    assert lines_of(out.getvalue()) == ["2"]


def test_only_takes_report_columns():
    judged = rows(owners=["a", "b"], choices=[0, Verdict.DUPLICATE])
    out = io.BytesIO()

    export(judged, layout=LAYOUT, wish=Wish(only=[("verdict", ["duplicate"])]), out=out)

    assert lines_of(out.getvalue()) == ["3"]


def test_an_unknown_column_is_refused_with_the_nearest_and_all():
    with pytest.raises(
        SettingsError, match=r"mean 'verdict'\? There.*file, line"
    ) as it:
        streamed(only=[("verdikt", ["bound"])])

    assert str(it.value).endswith("owner")


def test_a_column_like_none_is_refused_without_a_guess():
    with pytest.raises(SettingsError, match="no column 'zzz'; there are: file"):
        streamed(only=[("zzz", ["x"])])


def test_no_match_is_refused_before_anything_is_written(tmp_path):
    wish = Wish(only=[("owner", ["nobody"])])

    with pytest.raises(SettingsError, match="--only owner=nobody: no row"):
        export(rows(), layout=LAYOUT, wish=wish, out=tmp_path / "x.csv")

    assert list(tmp_path.iterdir()) == []


def test_a_run_of_no_rows_is_a_header():
    out = io.BytesIO()

    result = export([], layout=LAYOUT, wish=Wish(), out=out)

    assert result.rows == 0
    assert out.getvalue().count(b"\r\n") == 1


# --- one file per value ---------------------------------------------------------------


def split(folder: Path, owners=OWNERS, **wish):
    return export(
        rows(owners), layout=LAYOUT, wish=Wish(split_by="owner", **wish), out=folder
    )


def test_a_split_has_one_file_per_value(tmp_path):
    result = split(tmp_path / "out")

    assert result.rows == 5
    found = {path.name: lines_of(path.read_bytes()) for path in result.files}
    assert found["ann.csv"] == ["2", "4"]
    assert found["bob.csv"] == ["3"]
    assert sorted(found.values()) == [["2", "4"], ["3"], ["5"], ["6"]]


def test_a_split_stays_in_its_folder(tmp_path):
    result = split(tmp_path / "out")

    assert {path.parent for path in result.files} == {tmp_path / "out"}
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert set((tmp_path / "out").iterdir()) == set(result.files)


def test_every_file_of_a_split_has_the_header_and_the_mark(tmp_path):
    for path in split(tmp_path, excel=True).files:
        assert path.read_bytes().startswith(b"\xef\xbb\xbffile,line,")


def test_a_split_by_a_report_column_is_allowed(tmp_path):
    wish = Wish(split_by="verdict", format="jsonl")

    result = export(rows(), layout=LAYOUT, wish=wish, out=tmp_path)

    assert [path.name for path in result.files] == ["bound.jsonl"]


def test_a_split_by_an_unknown_column_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="--split-by: no column 'ownr'"):
        export(rows(), layout=LAYOUT, wish=Wish(split_by="ownr"), out=tmp_path)


def test_a_split_needs_a_folder():
    with pytest.raises(SettingsError, match="needs a folder"):
        streamed(split_by="owner")


def test_a_split_into_a_file_is_a_state_error(tmp_path):
    (tmp_path / "x").write_text("")

    with pytest.raises(StateError, match="cannot be written"):
        split(tmp_path / "x")


def test_a_split_over_a_folder_of_that_name_is_a_state_error(tmp_path):
    (tmp_path / "ann.csv").mkdir()

    with pytest.raises(StateError, match="cannot be written"):
        split(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["ann.csv"]


def test_a_split_into_too_many_files_is_refused_and_leaves_nothing(tmp_path):
    def spread() -> None:
        with Split(tmp_path, header="h\n", suffix="csv") as files:
            for number in range(MOST_FILES + 1):
                files.add(str(number), "x\n")

    with pytest.raises(SettingsError, match="more than 10,000 values"):
        spread()

    assert list(tmp_path.iterdir()) == []


def test_more_text_than_is_held_back_keeps_its_order(tmp_path):
    with Split(tmp_path, header="h\n", suffix="csv") as files:
        for number in range(5):
            files.add("big", f"{number}" * 3_000_000 + "\n")
            files.add("small", f"{number}\n")
        files.publish()

    assert (tmp_path / "small.csv").read_text() == "h\n0\n1\n2\n3\n4\n"
    big = (tmp_path / "big.csv").read_text().splitlines()
    assert [line[0] for line in big] == ["h", "0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("value", "begins"),
    [
        ("payments", "payments.csv"),
        ("a-b_9", "a-b_9.csv"),
        ("", "empty~"),
        ("..", "empty~"),
        ("../etc/passwd", "etc_passwd~"),
        ("Payments", "payments~"),
        ("团队", "empty~"),
        ("-x", "x~"),
        (".hidden", "hidden~"),
        ("a" * 300, "a" * 48 + "~"),
    ],
)
def test_a_file_name_is_readable_and_safe(value, begins):
    assert file_name(value, suffix="csv").startswith(begins)


@given(st.text())
def test_a_file_name_is_never_more_than_a_name(value):
    name = file_name(value, suffix="csv")

    assert Path(name).name == name
    assert not name.startswith((".", "-"))
    assert len(name) <= 80
    assert name.isascii()


@given(st.text(), st.text())
def test_two_values_never_share_a_file_even_where_case_is_ignored(one, other):
    same = file_name(one, suffix="csv") == file_name(other, suffix="csv").lower()

    assert same == (one == other)
