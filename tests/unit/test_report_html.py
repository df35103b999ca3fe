"""``report.html`` as it is written: packs, times, drawings, the file."""

import base64
import io
import json
import re
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.errors import SettingsError, StateError
from bulkbind.model import Lane, Scope, Verdict
from bulkbind.report import About, History, Watched, Wish, export, write_reports
from bulkbind.report.block import blocks
from bulkbind.report.html import charts, words
from bulkbind.report.html.axis import Axis, axis_of
from bulkbind.report.html.history import Outcome, Sent
from bulkbind.report.html.packing import PACK_ROWS, Packer, planes
from bulkbind.report.html.page import HtmlForm
from bulkbind.report.html.sections import FAILED_SHOWN
from bulkbind.report.html.times import lanes, rates
from bulkbind.report.totals import Tally
from tests.unit.test_report_source import (
    MemorySource,
    answer,
    intent,
    made_layout,
    made_row,
    made_run,
    made_target,
)

START = 1_700_000_000.0


def axis_for(requests, **how) -> Axis:
    axis = axis_of(requests, **how)
    assert axis is not None
    return axis


def about(folder: Path, **how) -> About:
    return About(title="job", facts=[], folder=folder, history=History(), **how)


def sent(left=START, took=0.0, *, invocation=1, lane=0, outcome=Outcome.DONE) -> Sent:
    return Sent(invocation, left, left + took, lane, outcome)


def page_of(run, folder: Path, *, carried=(), names=(), **how) -> str:
    """Return the page of a made run."""
    layout = made_layout(carried=tuple(names))
    out = io.BytesIO()
    export(
        blocks(run.judged(), carried=len(names)),
        layout=layout,
        wish=Wish(format="html"),
        out=out,
        about=about(folder, **how),
    )
    return out.getvalue().decode()


def packs(page: str, kind: str) -> list[bytes]:
    found = re.findall(rf'data-pack="{kind}">([^<]*)<', page)
    return [zlib.decompress(base64.b64decode(text)) for text in found]


def facts(page: str) -> dict[str, Any]:
    (text,) = packs(page, "facts")
    found: dict[str, Any] = json.loads(text)
    return found


# --- packs ----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_planes_hold_every_number(numbers):
    data = planes(numbers)

    many = len(numbers)
    parts = [data[plane * many : (plane + 1) * many] for plane in range(4)]
    assert [int.from_bytes(four, "little") for four in zip(*parts, strict=True)] == (
        numbers
    )


def test_more_rows_than_a_pack_holds_are_more_packs(tmp_path):
    target = made_target()
    run = made_run([0])
    (judged,) = run.judged()
    many = PACK_ROWS + 10
    rows = (judged._replace(row=made_row(number, target)) for number in range(many))
    packer = Packer(tmp_path, carried=0)
    for block in blocks(rows, carried=0):
        packer.add(block)

    written = [zlib.decompress(base64.b64decode(text)) for text in packer.packs()]
    packer.close()

    heads = [
        json.loads(one[4 : 4 + int.from_bytes(one[:4], "little")]) for one in written
    ]
    assert sum(head["rows"] for head in heads) == many
    assert len(heads) == 2
    assert heads[0]["odd"][3] == [3, "api3"]


@pytest.mark.parametrize(("values", "kept"), [(256, True), (257, False)])
def test_a_column_is_kept_up_to_256_values(tmp_path, values, kept):
    run = made_run([0] * 300, carried=[(str(n % values), "x") for n in range(300)])

    page = page_of(run, tmp_path, names=("many", "one"))

    names = [one["name"] for one in facts(page)["carried"]]
    assert names == (["many", "one"] if kept else ["one"])
    assert ("Not here, having more than 256 values: many" in page) is not kept
    assert len(packs(page, "carried-0")[0]) == 300


def test_nothing_is_left_on_disk(tmp_path):
    page_of(made_run([0, 0]), tmp_path)

    assert list(tmp_path.iterdir()) == []


# --- the file -------------------------------------------------------------------------


def test_a_page_is_one_file_of_the_report(tmp_path):
    run = made_run([0, Verdict.DUPLICATE])

    written = write_reports(
        tmp_path,
        blocks=blocks(run.judged(), carried=0),
        layout=made_layout(),
        formats=["csv", "html"],
        about=about(tmp_path),
    )

    assert set(written.sums) == {"report.csv", "report.html"}
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert facts(page)["rows"] == 2


def test_a_run_of_no_rows_has_a_page(tmp_path):
    out = io.BytesIO()

    export(
        [],
        layout=made_layout(carried=("owner",)),
        wish=Wish(format="html"),
        out=out,
        about=about(tmp_path),
    )

    page = out.getvalue().decode()
    assert facts(page)["rows"] == 0
    assert "nothing to draw" in page


def test_the_same_run_is_the_same_page(tmp_path):
    run = made_run([0, Verdict.DUPLICATE, 0], carried=[("b",), ("a",), ("c",)])

    assert page_of(run, tmp_path, names=("o",)) == page_of(run, tmp_path, names=("o",))


def test_a_page_without_what_it_is_about_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="what it is about"):
        write_reports(tmp_path, blocks=[], layout=made_layout(), formats=["html"])

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_state_error(tmp_path):
    with pytest.raises(StateError, match="cannot be written"):
        page_of(made_run([0]), tmp_path / "gone")


def test_a_page_cannot_be_split(tmp_path):
    wish = Wish(format="html", split_by="verdict")

    with pytest.raises(SettingsError, match="--split-by: not with --format html"):
        export([], layout=made_layout(), wish=wish, out=tmp_path)


def test_a_page_of_chosen_rows_has_their_totals(tmp_path):
    run = made_run([0, Verdict.DUPLICATE, Verdict.DUPLICATE])
    out = io.BytesIO()

    export(
        blocks(run.judged(), carried=0),
        layout=made_layout(),
        wish=Wish(format="html", only=[("verdict", ["duplicate"])]),
        out=out,
        about=about(tmp_path),
    )

    assert "<b>2</b> rows" in out.getvalue().decode()


def test_failed_rows_that_need_no_script_are_counted_beyond_the_first(tmp_path):
    run = made_run([Verdict.INVALID] * (FAILED_SHOWN + 1))

    page = page_of(run, tmp_path)

    assert "the first 1,000 of 1,001" in page
    table = page[page.index('<details id="failed"') :].partition("</details>")[0]
    assert table.count("<tr>") == 1 + FAILED_SHOWN


def test_texts_of_the_run_stay_texts(tmp_path):
    form = HtmlForm(
        made_layout(carried=("<i>",)),
        About(
            title="<script>",
            facts=[("note", "</style>\u202e"), ("empty", "")],
            folder=tmp_path,
            lanes=[Lane(0, "<b>", "host/<u>")],
            stopped=[(0, "<em>")],
            history=_told([(0, Scope.DONE)]),
        ),
    )

    page = "".join(form.end(Tally(lambda _: "").totals()))
    form.close()

    for hostile in ("<script>\n<", "</style>\u202e", "<b><", "<u>", "<em>", "<i>"):
        assert hostile not in page
    assert "&lt;/style&gt;\\u202e" in page
    assert "empty" not in re.findall("<dt>(.*?)</dt>", page)


# --- times ----------------------------------------------------------------------------


def _told(answers) -> History:
    history = History()
    for lane, scope in answers:
        history.tell(lane, [intent([0]), answer([0], scope)])
    return history


@pytest.mark.parametrize(
    ("scope", "outcome"),
    [
        (Scope.DONE, Outcome.DONE),
        (Scope.ITEM, Outcome.REFUSED),
        (Scope.ACCOUNT, Outcome.REFUSED),
        (Scope.THROTTLE, Outcome.HELD_BACK),
        (Scope.BUSY, Outcome.HELD_BACK),
        (Scope.AMBIGUOUS, Outcome.LOST),
    ],
)
def test_a_request_is_remembered_with_its_answer(scope, outcome):
    (one,) = _told([(3, scope)])

    assert one == Sent(1, START, START + 0.25, 3, outcome)


def test_a_request_without_answer_is_lost():
    history = History()

    history.tell(0, [intent([0]), intent([0], invocation=2), answer([0], Scope.DONE)])
    history.tell(1, [intent([0])])

    assert [one.outcome for one in history] == [
        Outcome.LOST,
        Outcome.DONE,
        Outcome.LOST,
    ]
    assert len(history) == 3


def test_a_history_hears_what_the_report_reads():
    run = made_run([0, 0])
    history = History()
    watched = Watched(run.source, history)

    read = [list(watched.batches(target.no)) for target in watched.targets()]

    requests = sum(
        record.kind == "intent" for some in read for _, told in some for record in told
    )
    assert len(history) == requests > 0
    assert (list(watched.asides()), list(watched.stops())) == ([], [])
    assert watched.invocation == run.source.invocation
    assert isinstance(run.source, MemorySource)


def test_time_between_starts_is_left_out():
    axis = axis_for([sent(took=10), sent(START + 86_400, took=10, invocation=2)])

    assert (axis.step_s, axis.parts) == (0.2, 100)
    assert axis.part(START + 9.9) == 49
    assert axis.part(START + 86_400) == 50
    assert axis.begins(50) == START + 86_400


def test_starts_that_overlap_are_one():
    axis = axis_for([sent(took=10), sent(START + 5, took=10, invocation=2)])

    assert axis.spans == ((START, START + 15),)


@given(
    st.lists(
        st.tuples(st.floats(0, 1e7), st.floats(0, 1e5), st.integers(1, 4)), min_size=1
    ),
    st.floats(-1e8, 1e8),
)
def test_every_moment_is_in_some_part(requests, other):
    made = [sent(START + a, b, invocation=i) for a, b, i in requests]
    axis = axis_for(made)

    assert 1 <= axis.parts <= 121
    for one in made:
        assert 0 <= axis.part(one.left) <= axis.part(one.answered) < axis.parts
    assert 0 <= axis.part(START + other) < axis.parts
    begins = [axis.begins(part) for part in range(axis.parts)]
    assert begins == sorted(begins)


def test_no_requests_have_no_time():
    assert axis_of([]) is None


def test_a_bar_is_no_shorter_than_what_the_gateway_counts_over():
    axis = axis_for([sent(took=0.3)], least_s=60.0)

    assert (axis.step_s, axis.parts) == (60.0, 1)


def test_rates_count_every_request_once():
    history = _told([(0, Scope.DONE), (0, Scope.ITEM), (1, Scope.DONE)])
    axis = axis_for(history)

    chart = rates(history, axis, ceiling_per_s=5.0)

    sums = {name: round(sum(bars) * axis.step_s) for name, bars in chart.series.items()}
    assert sums == {"done": 2, "held back": 0, "refused": 1, "lost": 0}
    assert chart.limit_name == "ceiling, 5/s"
    assert {
        lane: did.requests.total() for lane, did in lanes(history, axis).items()
    } == {
        0: 2,
        1: 1,
    }


# --- drawings -------------------------------------------------------------------------


def test_a_chart_is_well_formed_and_says_the_same_as_a_table():
    axis = axis_for([sent(took=0.35)])
    series = {
        "bound": [1.0, 2.0, 0.0, 4.0],
        "failed": [0.0] * 4,
        "kept": [1.0, 0, 0, 0],
    }

    drawn = charts.drawn(
        charts.Chart("a <title>", axis, series, limit=3, limit_name="l")
    )

    figure = ET.fromstring(drawn)  # noqa: S314 - our own
    assert [one.get("class") for one in figure.iter("path")] == [
        "c-bound",
        "c-kept",
        "limit",
    ]
    assert [one.text for one in figure.iter("td")] == ["1", "1", "2", "0", "4", "0"]
    labels = [one.get("aria-label", "") for one in figure.iter("svg")]
    assert labels[0].startswith("a <title>: bound, kept")


@pytest.mark.parametrize(
    ("took", "times"), [(0.25, [".0", ".1", ".2"]), (60.25, [":20", ":21", ":22"])]
)
def test_bars_of_a_second_are_told_apart(took, times):
    axis = axis_for([sent(took=took)])

    drawn = charts.drawn(charts.Chart("t", axis, {"a": [1.0] * 3}))

    found = re.findall(r'scope="row">([^<]*)<', drawn)
    assert [one[-len(times[0]) :] for one in found] == times


def test_a_limit_far_above_does_not_flatten_the_bars():
    axis = axis_for([sent(took=0.05)])

    drawn = charts.drawn(
        charts.Chart("t", axis, {"a": [1.0]}, limit=1000, limit_name="l")
    )

    assert 'class="top">1<' in drawn
    assert 'path class="limit"' not in drawn


def test_the_smallest_share_is_seen():
    bar = charts.share_bar({"bound": 1_000_000, "failed": 1, "kept": 0})

    widths = [float(one) for one in re.findall(r"h([\d.]+)v", bar)]
    assert len(widths) == 2
    assert widths[1] > 5
    assert charts.share_bar({}) == ""


@pytest.mark.parametrize(
    ("some", "all_", "text"),
    [(0, 5, "0"), (5, 5, "100"), (1, 10**6, "0.1"), (10**6 - 1, 10**6, "99.9")],
)
def test_a_share_is_nothing_or_all_only_when_it_is(some, all_, text):
    assert words.share(some, all_) == f"{text}\u202f%"
    assert words.share(0, 0) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.1, "0.1 s"), (60, "1 min"), (90, "90 s"), (7200, "2 h")]
)
def test_lengths_of_time_are_short(seconds, text):
    assert words.span(seconds) == text


@given(st.text())
def test_shown_text_is_markup_of_itself(text):
    shown = words.shown(text)

    assert not re.search("[<>\"'\u202a-\u202e\x00-\x1f]", shown)
