"""The report in columns says what the report row by row says, byte for byte."""

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.errors import ReportWrong
from bulkbind.model import Aside, PinnedRows, Verdict, windows
from bulkbind.report import Layout, judged_blocks, judged_rows
from bulkbind.report.block import blocks
from bulkbind.report.sorter import Entries, Sorter
from bulkbind.report.table import CsvForm, FailedForm, JsonlForm
from tests.unit.test_report_source import MadeRun, made_layout, made_run, runs

FORMS = (CsvForm, JsonlForm, FailedForm)


def parts_of(run: MadeRun, size: int) -> list[PinnedRows]:
    rows = [run.rows[at : at + size] for at in range(0, len(run.rows), size)]
    return [PinnedRows.of(some) for some in rows]


def by_columns(run: MadeRun, *, window: int, size: int = 3, carried: int = 0):
    with tempfile.TemporaryDirectory() as folder:
        yield from judged_blocks(
            parts_of(run, size),
            source=run.source,
            expected_rows=run.expected_rows,
            carried=carried,
            folder=Path(folder),
            window=window,
        )


def by_rows(run: MadeRun, *, carried: int = 0):
    rows = judged_rows(run.rows, source=run.source, expected_rows=run.expected_rows)
    return blocks(rows, carried=carried)


def texts(some, layout: Layout) -> list[str]:
    forms = [form(layout) for form in FORMS]
    found = [io.StringIO() for _ in forms]
    for block in some:
        for form, text in zip(forms, found, strict=True):
            text.write(form.lines(block))
    return [text.getvalue() for text in found]


def damage(run: MadeRun, data: st.DataObject) -> None:
    """Lose, double, swap or change something, or nothing."""
    rows, source = run.rows, run.source
    match data.draw(
        st.sampled_from(["", "row", "twice", "swap", "id", "target", "set"])
    ):
        case "row" if rows:
            del rows[data.draw(st.integers(0, len(rows) - 1))]
            run.expected_rows -= data.draw(st.integers(0, 1))
        case "twice" if rows:
            rows.append(rows[data.draw(st.integers(0, len(rows) - 1))])
            run.expected_rows += data.draw(st.integers(0, 1))
        case "swap" if rows:
            place = data.draw(st.integers(0, len(rows) - 1))
            rows[0], rows[place] = rows[place], rows[0]
        case "id" if rows:
            place = data.draw(st.integers(0, len(rows) - 1))
            rows[place] = rows[place]._replace(api_id="another")
        case "target" if source.by_target:
            target = data.draw(st.sampled_from(sorted(source.by_target)))
            some = source.by_target[target]
            place = data.draw(st.integers(0, len(some) - 1))
            if data.draw(st.booleans()):
                some.insert(place, some[place])
            else:
                del some[place]
        case "set":
            place = data.draw(st.integers(0, len(rows)))
            more = Aside(place, Verdict.DUPLICATE, "line 1")
            asides = sorted([*source.all_asides, more])
            run.source.all_asides = asides
        case _:
            pass


def outcome(make) -> object:
    try:
        return texts(make(), made_layout())
    except ReportWrong:
        return ReportWrong


@given(runs(), st.integers(1, 9), st.integers(1, 9))
def test_columns_and_rows_give_the_same_bytes(run, window, size):
    expected = texts(by_rows(run), made_layout())

    assert texts(by_columns(run, window=window, size=size), made_layout()) == expected


@given(runs(), st.integers(1, 9), st.data())
def test_what_does_not_add_up_row_by_row_does_not_in_columns(run, window, data):
    damage(run, data)

    expected = outcome(lambda: by_rows(run))

    assert outcome(lambda: by_columns(run, window=window)) == expected


def test_carried_cells_stay_with_their_rows():
    cells = [(f"owner{number}", "=1,2") for number in range(5)]
    run = made_run([1, 0, Verdict.INVALID, 0, 1], carried=cells)
    layout = made_layout(carried=("owner", "note"))
    expected = texts(by_rows(run, carried=2), layout)

    assert texts(by_columns(run, window=2, carried=2), layout) == expected


@pytest.mark.parametrize(
    ("breaking", "told"),
    [
        (lambda run: run.source.by_target[0].pop(), r"row 4 \(line 6, .* in no batch"),
        (
            lambda run: run.source.by_target[0].insert(0, run.source.by_target[0][0]),
            "row 0 is twice",
        ),
        (
            lambda run: run.rows.__setitem__(0, run.rows[0]._replace(api_id="x")),
            "has row 0, API 'api0'",
        ),
        (lambda run: run.rows.pop(), "has 4 rows, the plan has 5"),
        (
            lambda run: setattr(
                run.source, "all_asides", [Aside(9, Verdict.DUPLICATE, "")]
            ),
            "row 9 was set aside, but is no row",
        ),
    ],
)
def test_what_does_not_add_up_is_named(breaking, told):
    run = made_run([0, 1, 0, 1, 0], batch_size=1)
    breaking(run)

    with pytest.raises(ReportWrong, match=told):
        list(by_columns(run, window=2))


def test_a_batch_beyond_the_manifest_is_named():
    run = made_run([0, 1, 0, 1], batch_size=1)
    del run.rows[2:]
    run.expected_rows = 2

    with pytest.raises(ReportWrong, match=r"target default/gw0/plugin0/env: .* row 2"):
        list(by_columns(run, window=2))


# --- the parts ------------------------------------------------------------------------


@given(st.permutations(range(30)), st.integers(1, 7), st.integers(1, 12))
def test_entries_come_back_by_window_ascending(numbers, size, window):
    with tempfile.TemporaryDirectory() as folder:
        sorter = Sorter(Path(folder), window=window)
        with sorter:
            for at in range(0, len(numbers), size):
                some = numbers[at : at + size]
                name = [f"é{number}" for number in some]
                sorter.add(Entries(some, some, name, name, name, some, name))
            sorter.end()
            found = [sorter.take(place) for place in list(sorter.windows_left)]

    assert [list(part.numbers) for part in found] == [
        list(range(30))[at : at + window] for at in range(0, 30, window)
    ]
    for part in found:
        assert list(part.verified) == [f"é{number}" for number in part.numbers]


@given(st.lists(st.integers(0, 5)), st.integers(1, 7))
def test_windows_hold_the_same_rows_in_order(sizes, size):
    rows = made_run([0 for _ in range(sum(sizes))]).rows
    parts: list[PinnedRows] = []
    for many in sizes:
        start = sum(len(part.lines) for part in parts)
        parts.append(PinnedRows.of(rows[start : start + many]))

    cut = list(windows(parts, size=size))

    assert [row for part in cut for row in part.rows()] == rows
    assert {len(part.lines) for part in cut[:-1]} <= {size}
