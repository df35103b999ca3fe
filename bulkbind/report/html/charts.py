"""Counts by time -> drawings that need no script, each with its table. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from bulkbind.report.html.axis import Axis
from bulkbind.report.html.words import moment, number, shown, span

#: Height of a plot in its own units; a page stretches it.
_HEIGHT = 100


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over time, on each other."""

    title: str
    axis: Axis
    series: Mapping[str, Sequence[float]]
    """By name, the lowest first: one number for each part of the axis."""
    limit: float = 0.0
    """Drawn as a line; 0: none."""
    limit_name: str = ""


def drawn(chart: Chart) -> str:
    """Draw a chart with legend, axis, and the same as a table."""
    met = {name: bars for name, bars in chart.series.items() if any(bars)}
    sums = [sum(bars) for bars in zip(*met.values(), strict=True)]
    highest = max(sums, default=0.0)
    top = _round_up(max(highest, chart.limit if chart.limit < 10 * highest else 0))
    return "\n".join(
        (
            f'<figure class="chart"><figcaption><h3>{shown(chart.title)}</h3>',
            f"{_legend(chart, met)}</figcaption>",
            f'<div class="plot"><span class="top">{number(top)}</span>',
            _plot(chart, met, top=top),
            "</div>",
            _foot(chart.axis),
            _table(chart, met),
            "</figure>",
        )
    )


def css_class(name: str) -> str:
    """Return the class that gives a verdict or an outcome its colour."""
    return "c-" + name.replace(" ", "-").replace("_", "-")


def bars(bars_: Sequence[tuple[float, float, float, float]]) -> str:
    """Return the path of some boxes: left, top, width, height of each."""
    return "".join(
        f"M{left:.5g} {top:.5g}h{width:.5g}v{height:.5g}h{-width:.5g}z"
        for left, top, width, height in bars_
        if height > 0
    )


def _plot(chart: Chart, met: Mapping[str, Sequence[float]], *, top: float) -> str:
    parts = chart.axis.parts
    base = [0.0] * parts
    paths = []
    for name, numbers in met.items():
        boxes = []
        for place, value in enumerate(numbers):
            height = _HEIGHT * value / top
            base[place] += height
            boxes.append((place + 0.06, _HEIGHT - base[place], 0.88, height))
        paths.append(f'<path class="{css_class(name)}" d="{bars(boxes)}"/>')
    line = ""
    if 0 < chart.limit <= top:
        height = _HEIGHT * (1 - chart.limit / top)
        line = f'<path class="limit" d="M0 {height:.5g}H{parts}"/>'
    label = shown(f"{chart.title}: {_summary(chart, met)}; the same as a table below")
    return (
        f'<svg viewBox="0 0 {parts} {_HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}">{"".join(paths)}{line}</svg>'
    )


def _summary(chart: Chart, met: Mapping[str, Sequence[float]]) -> str:
    highest = max((max(numbers) for numbers in met.values()), default=0.0)
    limit = f", {chart.limit_name}" if chart.limit else ""
    return f"{', '.join(met)}; at most {number(highest)} of one kind{limit}"


def _legend(chart: Chart, met: Mapping[str, Sequence[float]]) -> str:
    items = [
        f'<li><i class="key {css_class(name)}"></i>{shown(name.replace("_", " "))}</li>'
        for name in met
    ]
    if chart.limit:
        items.append(f'<li><i class="key limit"></i>{shown(chart.limit_name)}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def _foot(axis: Axis) -> str:
    begin, end = axis.spans[0][0], axis.spans[-1][1]
    starts = len(axis.spans)
    pauses = f"; the time between {starts} starts is left out" if starts > 1 else ""
    return (
        f'<div class="axis"><span>{moment(begin, tenths=axis.is_short)}</span>'
        f"<span>a bar is {span(axis.step_s)}{pauses}</span>"
        f"<span>{moment(end, tenths=axis.is_short)} UTC</span></div>"
    )


def _table(chart: Chart, met: Mapping[str, Sequence[float]]) -> str:
    heads = "".join(
        f'<th scope="col" class="n">{shown(name.replace("_", " "))}</th>'
        for name in met
    )
    axis = chart.axis
    rows = [
        f'<tr><th scope="row">{moment(axis.begins(part), tenths=axis.is_short)}</th>'
        + "".join(f'<td class="n">{number(value)}</td>' for value in values)
        + "</tr>"
        for part, values in enumerate(zip(*met.values(), strict=True))
        if any(values)
    ]
    return (
        '<details><summary>As a table</summary><div class="wide" tabindex="0"'
        f' role="group" aria-label="{shown(chart.title)}, as a table"><table><thead>'
        f'<tr><th scope="col">from, UTC</th>{heads}</tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table></div></details>"
    )


def strip(axis: Axis, parts: Iterable[tuple[str, Iterable[int]]], *, label: str) -> str:
    """Draw one line of a timeline.

    Args:
        axis: The time.
        parts: Names with the parts of the axis that they fill; the later cover the
            earlier.
        label: The same in words.
    """
    paths = []
    for name, places in parts:
        boxes = [(begin, 0, end - begin, 10) for begin, end in _runs(places)]
        if boxes:
            paths.append(f'<path class="{css_class(name)}" d="{bars(boxes)}"/>')
    return (
        f'<svg class="strip" viewBox="0 0 {axis.parts} 10" preserveAspectRatio="none"'
        f' role="img" aria-label="{shown(label)}">{"".join(paths)}</svg>'
    )


def _runs(places: Iterable[int]) -> list[tuple[int, int]]:
    """Join neighbours: from, and before."""
    found: list[tuple[int, int]] = []
    for place in sorted(places):
        if found and found[-1][1] == place:
            found[-1] = found[-1][0], place + 1
        else:
            found.append((place, place + 1))
    return found


def share_bar(counts: Mapping[str, int]) -> str:
    """Draw how a whole is shared out; what is there is seen, however small."""
    width = 1000.0
    met = {name: many for name, many in counts.items() if many}
    whole = sum(met.values())
    if not whole:
        return ""
    sizes = {name: max(many / whole * width, 6.0) for name, many in met.items()}
    scale = width / sum(sizes.values())
    paths, left = [], 0.0
    for name, size in sizes.items():
        path = bars([(left, 0, size * scale, 10)])
        paths.append(f'<path class="{css_class(name)}" d="{path}"/>')
        left += size * scale
    words = ", ".join(
        f"{many:,} {name.replace('_', ' ')}" for name, many in met.items()
    )
    return (
        '<svg class="share" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img"'
        f' aria-label="{shown(words)}">{"".join(paths)}</svg>'
    )


def _round_up(value: float) -> float:
    """Return a round number that is not below: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    for factor in (1, 2, 2.5, 5, 10):
        if value <= factor * power * (1 + 1e-9):
            return float(factor * power)
    return float(ceil(value))
