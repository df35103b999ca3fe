"""The parts of a page that are there without a script."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from bulkbind.report.html.about import About
from bulkbind.report.html.axis import Axis, axis_of
from bulkbind.report.html.charts import css_class, drawn, share_bar, strip
from bulkbind.report.html.history import Outcome
from bulkbind.report.html.times import Finished, LaneTimes, lanes, rates
from bulkbind.report.html.words import bdi, share, shown
from bulkbind.report.totals import Reason, Totals

#: Lanes in the timeline; the others are counted.
_LANES_SHOWN = 100

#: Reasons in the table of codes.
_REASONS_SHOWN = 200

#: Failed rows that are there without a script.
FAILED_SHOWN = 1_000

_NO_TIMES = "<p>No request was sent, so there is nothing to draw.</p>"


def facts(about: About) -> str:
    """Return what is said of the run below its title."""
    items = [
        f"<div><dt>{shown(name)}</dt><dd>{bdi(text)}</dd></div>"
        for name, text in about.facts
        if text
    ]
    return f"<dl class='facts'>{''.join(items)}</dl>"


def tiles(totals: Totals) -> str:
    """Return the totals: a tile for each verdict met, and how they share the whole."""
    met = {name: rows for name, rows in totals.verdicts.items() if rows}
    items = [f'<li class="tile"><b>{totals.rows:,}</b> rows</li>']
    items += [
        f'<li class="tile {css_class(name)}"><b>{rows:,}</b>'
        f" {shown(name.replace('_', ' '))} <small>{share(rows, totals.rows)}</small></li>"
        for name, rows in met.items()
    ]
    return f"{share_bar(met)}<ul class='tiles'>{''.join(items)}</ul>"


def reasons(totals: Totals) -> str:
    """Return the errors by code, with what to do."""
    if not totals.reasons:
        return "<p>Every row went as asked.</p>"
    shown_ones = list(totals.reasons.items())[:_REASONS_SHOWN]
    rows = [_reason(reason, many, totals) for reason, many in shown_ones]
    more = len(totals.reasons) - len(shown_ones)
    rest = (
        f"<p>... and {more:,} more kinds; report.csv has them all.</p>" if more else ""
    )
    heads = _heads("rows", "verdict", "code", "such as", "what to do")
    body = f"<tbody>{''.join(rows)}</tbody>"
    return _wide("Errors by code", heads + body, css="codes") + rest


def _reason(reason: Reason, rows: int, totals: Totals) -> str:
    code = reason.error_code
    name = code or (f"HTTP {reason.http_status}" if reason.http_status else "")
    return (
        f'<tr><td class="n">{rows:,}</td><td>{_mark(reason.verdict.value)}</td>'
        f'<th scope="row"><code>{bdi(name)}</code></th>'
        f"<td>{bdi(totals.messages[reason])}</td>"
        f"<td>{bdi(totals.advice.get(code, ''))}</td></tr>"
    )


def times(about: About, finished: Finished) -> str:
    """Return requests and verdicts over time."""
    axis = axis_of(about.history)
    windows = axis_of(about.history, least_s=about.window_s)
    if axis is None or windows is None:
        return _NO_TIMES
    rate = rates(about.history, windows, ceiling_per_s=about.ceiling_per_s)
    return drawn(rate) + drawn(finished.chart(axis))


def timeline(about: About) -> str:
    """Return what each lane did, over time."""
    axis = axis_of(about.history)
    if axis is None:
        return _NO_TIMES
    did = lanes(about.history, axis)
    stopped = {
        lane: [why for _, why in some]
        for lane, some in groupby(sorted(about.stopped), key=lambda item: item[0])
    }
    names = {lane.no: (lane.gateway, lane.account) for lane in about.lanes}
    numbers = sorted(did.keys() | stopped.keys())
    rows = [
        _lane(
            names.get(number, (f"lane {number}", "")),
            did.get(number, LaneTimes()),
            axis,
            stopped.get(number, []),
        )
        for number in numbers[:_LANES_SHOWN]
    ]
    more = len(numbers) - len(rows)
    rest = f"<p>... and {more:,} more lanes.</p>" if more else ""
    outcomes = [outcome.words for outcome in Outcome]
    heads = _heads("gateway", "over time", *outcomes, "stopped")
    return _wide("Lanes", f"{heads}<tbody>{''.join(rows)}</tbody>", css="lanes") + rest


def _lane(
    name: tuple[str, str], did: LaneTimes, axis: Axis, stopped: Sequence[str]
) -> str:
    gateway, account = name
    host, _, instance = gateway.rpartition("/")
    under_way = ", ".join(
        f"{did.requests[outcome]:,} {outcome.words}"
        for outcome in Outcome
        if did.requests[outcome]
    )
    parts = [(outcome.words, did.parts[outcome]) for outcome in Outcome]
    picture = strip(axis, parts, label=f"requests: {under_way or 'none'}")
    counts = "".join(f'<td class="n">{did.requests[one]:,}</td>' for one in Outcome)
    small = " ".join(bdi(text) for text in (account, host) if text)
    return (
        f'<tr><th scope="row"><code>{bdi(instance)}</code> <small>{small}</small></th>'
        f"<td>{picture}</td>{counts}<td>{bdi('; '.join(stopped))}</td></tr>"
    )


def failed_rows(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, all_: int
) -> str:
    """Return the first failed rows as a plain table.

    Args:
        columns: Their names.
        rows: At most :data:`FAILED_SHOWN`.
        all_: How many there are.
    """
    if not rows:
        return ""
    body = "".join(
        "<tr>" + "".join(f"<td>{bdi(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    which = f"the first {len(rows):,} of {all_:,}" if len(rows) < all_ else f"{all_:,}"
    table = _wide("Failed rows", f"{_heads(*columns)}<tbody>{body}</tbody>")
    return (
        '<details id="failed" open><summary>Failed rows, with the answer:'
        f" {which}</summary>{table}</details>"
    )


def _mark(verdict: str) -> str:
    return f'<span class="mark {css_class(verdict)}">{shown(verdict)}</span>'


def _heads(*names: str) -> str:
    cells = "".join(f'<th scope="col">{shown(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _wide(name: str, table: str, *, css: str = "") -> str:
    """Return a table that scrolls sideways where there is no room."""
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="{shown(name)}">'
        f'<table class="{css}">{table}</table></div>'
    )


def data(kind: str, packs: Iterable[str]) -> Iterable[str]:
    """Yield packs as elements that nobody runs."""
    for pack in packs:
        yield (
            f'<script type="application/octet-stream" data-pack="{shown(kind)}">'
            f"{pack}</script>\n"
        )
