"""A plain bar chart as SVG: no library is worth five bars."""

from collections.abc import Mapping
from html import escape

_WIDTH, _BAR, _GAP, _LEFT = 720, 22, 10, 190


def bars(title: str, values: Mapping[str, float], *, unit: str) -> str:
    """Return a chart of one bar for each value, longest 100 %."""
    most = max(values.values())
    height = 50 + len(values) * (_BAR + _GAP)
    font = 'font-family="sans-serif" font-size="13"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {font}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="10" y="25" font-size="15">{escape(title)}</text>',
    ]
    for place, (name, value) in enumerate(values.items()):
        top = 42 + place * (_BAR + _GAP)
        length = max(1.0, (_WIDTH - _LEFT - 110) * value / most)
        middle = top + _BAR - 6
        colour = "#0b6" if name.startswith("bulkbind") else "#789"
        lines += [
            f'<text x="{_LEFT - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{length:.0f}" height="{_BAR}" fill="{colour}"/>',
            f'<text x="{_LEFT + length + 6:.0f}" y="{middle}">{value:,.0f} {unit}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
