"""A run at work, drawn: one frozen value in, something that rich can show out.

Whoever watches a run (the run itself, or another process that reads its ledger) makes
a ``RunView`` now and then; how it fits a terminal is decided here. All that came from
outside is shown as text: no markup, no control characters.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import nsmallest
from typing import TYPE_CHECKING

from bulkbind.cli.words import count, duration
from bulkbind.wire import visible

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

#: Lanes shown by name at most; a view of more says nothing to anybody.
MOST_LANES = 12

#: Codes shown, the last met first.
MOST_CODES = 3

#: Columns below which a gateway's id is cut, and how much of it is left then.
_WIDE, _SHORT_ID = 60, 8

#: Lines that the view takes besides those of lanes and codes.
_OTHER_LINES = 7


class LaneState(StrEnum):
    """What a gateway's lane does; those worth a look first come first."""

    WAITING = "waiting"
    SENDING = "sending"
    IN_LINE = "in line"
    """Ready, and waiting for its turn: gateway lock, pace, slot."""
    STOPPED = "stopped"
    DONE = "done"


_STYLES = {
    LaneState.WAITING: "yellow",
    LaneState.SENDING: "green",
    LaneState.IN_LINE: "",
    LaneState.STOPPED: "red",
    LaneState.DONE: "dim",
}
_RANKS = {state: rank for rank, state in enumerate(LaneState)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """One gateway's lane."""

    name: str
    """The gateway: host and instance id."""
    state: LaneState
    rows: int
    settled: int
    """Rows that have an answer of their own."""
    why: str = ""
    """Why it waits or stopped."""
    seconds: float | None = None
    """Waiting: still to go; sending: how long the request is out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeView:
    """Answers that were no success, of one code."""

    code: str
    times: int
    message: str
    """The last one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run at one moment. Counts are of rows unless they say otherwise."""

    run_id: str
    """Empty: it is still being planned."""
    rows: int = 0
    settled: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    pages: int = 0
    """Of lists that were read."""
    rate_per_s: float = 0.0
    """Requests per second, lately."""
    ceiling: str = ""
    """What the pace allows, in words; empty: not known."""
    eta_s: float | None = None
    """None: nobody can tell."""
    stopping: str = ""
    """Why nothing more leaves; empty: it does."""
    lanes: Sequence[LaneView] = ()
    codes: Sequence[CodeView] = ()
    """The last met first."""


def draw(view: RunView, *, width: int, height: int) -> "Group":
    """Draw a run so that it fits.

    Args:
        view: The run.
        width: Columns.
        height: Lines; few lanes are shown where there are few.
    """
    from rich.console import Group
    from rich.text import Text

    if not view.run_id:
        return Group(Text(f"reading what is bound: {count(view.pages, 'page')}"))
    room = min(MOST_LANES, height - _OTHER_LINES - min(MOST_CODES, len(view.codes)))
    parts: list[Text | Table] = [_bar(view)]
    parts += [Text(line) for line in flow(_counts(view), width)]
    parts += [Text(line) for line in flow(_speed(view), width)]
    if view.stopping:
        parts.append(_text(view.stopping, "bold yellow"))
    parts += [Text(line) for line in flow(_summary(view.lanes), width)]
    if chosen := choose(view.lanes, room):
        parts.append(_lanes(chosen, width))
    parts += list(_codes(view.codes))
    return Group(*parts)


def flow(parts: Iterable[str], width: int) -> Iterator[str]:
    """Put parts with commas between them into lines; none is broken unless it must."""
    line = ""
    for part in parts:
        longer = f"{line}, {part}" if line else part
        if line and len(longer) > width:
            yield f"{line},"
            longer = part
        line = longer
    if line:
        yield line


def choose(lanes: Sequence[LaneView], room: int) -> list[LaneView]:
    """Choose lanes to show by name: all that are not done, each in its place.

    Where there are too many: the longest waiting, then those longest out, then those
    that have stopped; who only waits for a turn is not told from the others.
    """
    room = max(0, room)
    open_lanes = [lane for lane in lanes if lane.state is not LaneState.DONE]
    if len(open_lanes) <= room:
        return open_lanes
    busy = [
        lane
        for lane in open_lanes
        if lane.state in {LaneState.WAITING, LaneState.SENDING} or lane.why
    ]
    return nsmallest(room, busy, key=_worth)


def _worth(lane: LaneView) -> tuple[int, float, str]:
    return _RANKS[lane.state], -(lane.seconds or 0.0), lane.name


def _bar(view: RunView) -> "Table":
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    percent = 100 * view.settled // view.rows if view.rows else 100
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True)
    bar = ProgressBar(total=max(1, view.rows), completed=view.settled)
    knows = view.eta_s is not None and view.settled < view.rows
    eta = f"{duration(view.eta_s or 0.0)} left" if knows else ""
    table.add_row(f"{percent} %", bar, eta)
    return table


def _counts(view: RunView) -> Iterator[str]:
    yield f"{view.settled:,} of {view.rows:,} rows"
    for verdict, many in view.verdicts.items():
        if many:
            yield f"{many:,} {verdict}"


def _speed(view: RunView) -> Iterator[str]:
    yield count(view.requests, "request")
    yield f"{view.rate_per_s:.1f}/s" + (f" ({view.ceiling})" if view.ceiling else "")
    if view.pages:
        yield f"{count(view.pages, 'page')} read"


def _summary(lanes: Sequence[LaneView]) -> Iterator[str]:
    many = Counter(lane.state for lane in lanes)
    head = f"{count(len(lanes), 'gateway')}: "
    for state in LaneState:
        if many[state]:
            yield f"{head}{many[state]:,} {state}"
            head = ""


def _lanes(lanes: Sequence[LaneView], width: int) -> "Table":
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    for lane in lanes:
        name = lane.name.rpartition("/")[2]
        if width < _WIDE:
            name = name[:_SHORT_ID]
        done = f"{lane.settled:,}/{lane.rows:,}"
        table.add_row(
            _text(f"  {name}"), done, _text(_doing(lane), _STYLES[lane.state])
        )
    return table


def _doing(lane: LaneView) -> str:
    """Say what a lane does, why, and for how long."""
    match lane.state:
        case LaneState.WAITING:
            return f"waits up to {_seconds(lane)}: {lane.why}"
        case LaneState.SENDING:
            return f"sending for {_seconds(lane)}"
        case LaneState.STOPPED:
            return f"stopped: {lane.why}" if lane.why else "stopped"
        case _:
            return lane.state.value


def _seconds(lane: LaneView) -> str:
    seconds = lane.seconds or 0.0
    return duration(seconds) if seconds >= 1 else "under 1 s"


def _codes(codes: Sequence[CodeView]) -> Iterator["Text"]:
    for one in codes[:MOST_CODES]:
        yield _text(f"{one.code} x {one.times:,}: {one.message}", "red")


def _text(text: str, style: str = "") -> "Text":
    from rich.text import Text

    line = visible(text).replace("\n", " ")
    return Text(line, style=style, no_wrap=True, overflow="ellipsis")
