"""Lines in a log-log frame, as SVG text; for bars see ``bars``."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

_COLOURS = ("#2563eb", "#9ca3af", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6")
_STYLE = "<style>text{font:13px sans-serif;fill:#6b7280}</style>"
_WIDTH = 640

Points = Sequence[tuple[float, float]]


def write_lines(path: Path, title: str, lines: Mapping[str, Points]) -> None:
    """Write lines between points, both axes logarithmic; a slope of 1 is 45 degrees."""
    every = [point for points in lines.values() for point in points]
    left, right = _decades([x for x, _ in every])
    low, high = _decades([y for _, y in every])
    step = min(400 / (right - left), 110)

    def at(x: float, y: float) -> tuple[float, float]:
        return 60 + (math.log10(x) - left) * step, 40 + (high - math.log10(y)) * step

    shapes = [f'<text x="0" y="16">{escape(title)}</text>']
    for power in range(left, right + 1):
        x, bottom = at(10.0**power, 10.0**low)
        shapes.append(f'<text x="{x:.0f}" y="{bottom + 18:.0f}">1e{power}</text>')
    for power in range(low, high + 1):
        x, y = at(10.0**left, 10.0**power)
        shapes.append(
            f'<text x="{x - 8:.0f}" y="{y + 4:.0f}" text-anchor="end">1e{power}</text>'
        )
        shapes.append(
            f'<line x1="{x:.0f}" y1="{y:.0f}" x2="{x + (right - left) * step:.0f}"'
            f' y2="{y:.0f}" stroke="#e5e7eb"/>'
        )
    ends = []
    for (name, points), colour in zip(lines.items(), _COLOURS, strict=False):
        places = [at(x, y) for x, y in points]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        shapes.append(
            f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        label = f"{name} (slope {slope(points):.2f})"
        ends.append((places[-1][1], places[-1][0], colour, label))
    last = -math.inf
    for y, x, colour, label in sorted(ends):
        last = max(y + 4, last + 16)
        shapes.append(
            f'<text x="{x + 8:.0f}" y="{last:.0f}" style="fill:{colour}">{escape(label)}'
            "</text>"
        )
    _write(path, shapes, height=round(80 + (high - low) * step))


def slope(points: Points) -> float:
    """Return the slope of the last piece of a log-log line: 1 is proportional."""
    (x1, y1), (x2, y2) = list(pairwise(points))[-1]
    return math.log(y2 / y1) / math.log(x2 / x1)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low = math.floor(math.log10(min(values)))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _write(path: Path, shapes: Sequence[str], *, height: int) -> None:
    body = "\n".join([_STYLE, *shapes])
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}">\n'
        f"{body}\n</svg>\n",
        encoding="utf-8",
    )
