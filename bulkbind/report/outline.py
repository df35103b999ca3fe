"""A report in a few lines of plain text, for a terminal."""

from collections.abc import Sequence
from pathlib import Path

from bulkbind.report.totals import Reason, Totals

#: Reasons listed; a run may meet many codes, and the report has them all.
_REASONS_SHOWN = 20

#: Characters of a message shown.
_MESSAGE_SHOWN = 100


def describe(totals: Totals, *, files: Sequence[Path] = ()) -> str:
    """Say what became of the rows, why, what to do, and where it stands.

    Args:
        totals: What the report adds up to.
        files: The reports, named at the end.

    Returns:
        Lines without a final line end; no colour, no control characters.
    """
    parts = [
        _verdicts(totals),
        _reasons(totals),
        [f"  {path}" for path in files],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _verdicts(totals: Totals) -> list[str]:
    met = {name: rows for name, rows in totals.verdicts.items() if rows}
    width = len(f"{totals.rows:,}")
    lines = [f"  {rows:>{width},}  {name}" for name, rows in met.items()]
    return [f"{totals.rows:,} rows", *lines]


def _reasons(totals: Totals) -> list[str]:
    shown = list(totals.reasons)[:_REASONS_SHOWN]
    lines = [line for reason in shown for line in _one(reason, totals)]
    more = len(totals.reasons) - len(shown)
    if more:
        lines.append(f"  ... and {more:,} more; the report has them all")
    return lines


def _one(reason: Reason, totals: Totals) -> list[str]:
    code = reason.error_code
    name = code or (f"HTTP {reason.http_status}" if reason.http_status else "no code")
    rows = totals.reasons[reason]
    line = f"  {rows:,} {reason.verdict.value}: {name}"
    message = _one_line(totals.messages[reason])
    if message:
        line += f": {message}" if rows == 1 else f", such as: {message}"
    advice = totals.advice.get(code, "")
    return [line, f"      {_one_line(advice)}"] if advice else [line]


def _one_line(text: str) -> str:
    """Make outside text safe to show: one line, short, nothing invisible."""
    shown = "".join(
        letter if letter.isprintable() else " " for letter in text[: _MESSAGE_SHOWN * 2]
    )
    shown = " ".join(shown.split())
    cut = len(shown) > _MESSAGE_SHOWN
    return shown[:_MESSAGE_SHOWN] + "..." if cut else shown
