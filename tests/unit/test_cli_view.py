"""A run drawn for a terminal of any size, with the clock in hand."""

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from bulkbind.cli.view import (
    MOST_LANES,
    CodeView,
    LaneState,
    LaneView,
    RunView,
    choose,
    draw,
    flow,
)


def lane(no=0, state=LaneState.IN_LINE, **more):
    return LaneView(
        name=f"host/{no:032x}",
        state=state,
        rows=more.pop("rows", 500),
        settled=20,
        **more,
    )


def run_view(**more):
    return RunView(
        **{
            "run_id": "r",
            "rows": 10_000,
            "settled": 2_500,
            "verdicts": {"bound": 2_400, "unbound": 0, "failed": 100},
            "requests": 25,
            "pages": 4,
            "rate_per_s": 3.25,
            "ceiling": "ceiling 10/s",
            "eta_s": 75.0,
            **more,
        }
    )


def drawn(view, *, width=80, height=24, color=False):
    console = Console(
        file=StringIO(),
        width=width,
        height=height,
        force_terminal=color,
        color_system="standard" if color else None,
        _environ={},
    )
    with console.capture() as capture:
        console.print(draw(view, width=width, height=height))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_run_is_drawn_with_all_that_one_asks_for():
    lanes = [
        lane(1, LaneState.WAITING, why="busy", seconds=12.0),
        lane(2, LaneState.SENDING, seconds=0.25),
        lane(3),
        lane(4, LaneState.STOPPED, why="APIC.7711 locked"),
        lane(5, LaneState.DONE),
    ]
    codes = [CodeView(code="APIG.3500", times=1_200, message="it is busy")]

    bar, *lines = drawn(run_view(lanes=lanes, codes=codes))

    assert bar.startswith("25 % ━━")
    assert bar.endswith(" 75 s left")
    assert lines == [
        "2,500 of 10,000 rows, 2,400 bound, 100 failed",
        "25 requests, 3.2/s (ceiling 10/s), 4 pages read",
        "5 gateways: 1 waiting, 1 sending, 1 in line, 1 stopped, 1 done",
        f"  {1:032x}  20/500  waits up to 12 s: busy",
        f"  {2:032x}  20/500  sending for under 1 s",
        f"  {3:032x}  20/500  in line",
        f"  {4:032x}  20/500  stopped: APIC.7711 locked",
        "APIG.3500 x 1,200: it is busy",
    ]


def test_forty_columns_are_enough():
    lines = drawn(
        run_view(
            lanes=[
                lane(0x1234567890 << 88, LaneState.WAITING, why="retry", seconds=9.0)
            ],
            codes=[CodeView(code="APIG.3500", times=2, message="x" * 200)],
            stopping="SIGINT: stopping, what is out is awaited",
        ),
        width=40,
    )

    assert lines[1:] == [
        "2,500 of 10,000 rows, 2,400 bound,",
        "100 failed",
        "25 requests, 3.2/s (ceiling 10/s),",
        "4 pages read",
        "SIGINT: stopping, what is out is awaited",
        "1 gateway: 1 waiting",
        "  12345678  20/500  waits up to 9 s: re…",
        f"APIG.3500 x 2: {'x' * 24}…",
    ]


states = st.sampled_from(LaneState)
texts = st.text(max_size=60)
lanes_of_any_kind = st.lists(
    st.builds(
        LaneView,
        name=texts,
        state=states,
        rows=st.integers(0, 10**7),
        settled=st.integers(0, 10**7),
        why=texts,
        seconds=st.none() | st.floats(0, 10**6),
    ),
    max_size=30,
)


@given(
    lanes=lanes_of_any_kind,
    message=texts,
    width=st.integers(20, 200),
    height=st.integers(1, 60),
)
def test_no_line_is_wider_than_the_terminal_nor_obeyed_by_it(
    lanes, message, width, height
):
    codes = [CodeView(code="[red]X", times=1, message=message)]

    lines = drawn(
        run_view(lanes=lanes, codes=codes, stopping=message), width=width, height=height
    )

    assert max(map(cell_len, lines)) <= width
    assert not set("".join(lines)) & set("\x1b\x07\x9b\u202e\u2066")
    assert any(line.startswith("[red]X"[:width]) for line in lines)


@pytest.mark.parametrize("height", [24, 40, 1000])
def test_a_view_leaves_room_on_the_screen(height):
    codes = [CodeView(code=f"X{no}", times=1, message="") for no in range(9)]
    lanes = [lane(no, LaneState.SENDING, seconds=1.0) for no in range(200)]

    assert len(drawn(run_view(lanes=lanes, codes=codes), height=height)) < height


def test_a_run_that_is_planned_says_how_much_it_read():
    assert drawn(RunView(run_id="", pages=7)) == ["reading what is bound: 7 pages"]


def test_an_empty_run_is_all_done():
    assert drawn(RunView(run_id="r"))[0].startswith("100 %")


# --- which lanes ----------------------------------------------------------------------


def test_lanes_that_all_fit_keep_their_places():
    lanes = [lane(no, state) for no, state in enumerate(LaneState)]

    assert choose(lanes, 12) == lanes[:-1]


def test_of_200_lanes_the_longest_waiting_come_first_then_the_longest_out():
    lanes = [lane(no) for no in range(160)]
    lanes += [lane(no, LaneState.SENDING, seconds=no / 10) for no in range(160, 180)]
    lanes += [
        lane(no, LaneState.WAITING, seconds=float(no), why="busy")
        for no in range(180, 190)
    ]
    lanes += [lane(no, LaneState.DONE) for no in range(190, 200)]

    shown = choose(lanes, MOST_LANES)

    assert [one.seconds for one in shown] == [*range(189, 179, -1), 17.9, 17.8]
    lines = drawn(run_view(lanes=lanes), height=60)
    assert "200 gateways: 10 waiting, 20 sending, 160 in line, 10 done" in lines
    assert len([line for line in lines if line.startswith("  0")]) == MOST_LANES


def test_without_room_no_lane_is_shown():
    assert choose([lane(no) for no in range(3)], -2) == []


@given(st.lists(st.text("abc", min_size=1, max_size=9)), st.integers(1, 30))
def test_lines_flow_and_nothing_is_lost(parts, width):
    lines = list(flow(parts, width))

    joined = " ".join(lines)
    assert joined == ", ".join(parts)


# --- colours --------------------------------------------------------------------------


def test_colours_mark_who_waits_and_who_stopped():
    lanes = [
        lane(1, LaneState.WAITING, seconds=1.0, why="busy"),
        lane(2, LaneState.STOPPED, why="gone"),
    ]

    text = "\n".join(drawn(run_view(lanes=lanes), color=True))

    assert "\x1b[33mwaits up to 1 s: busy" in text
    assert "\x1b[31mstopped: gone" in text
