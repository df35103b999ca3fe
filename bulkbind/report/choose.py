"""Columns by name: which rows are wanted, and what a row has in a column."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches

from bulkbind.errors import SettingsError
from bulkbind.report.cells import Layout, report_cells
from bulkbind.report.judged import JudgedRow

#: ``--only`` as the user gives it: columns with the values that are wanted. The same
#: column may come twice.
Only = Sequence[tuple[str, Sequence[str]]]


def chosen(
    rows: Iterable[JudgedRow], *, only: Only, layout: Layout
) -> Iterator[JudgedRow]:
    """Yield the rows that have, in each column named, one of its values.

    Args:
        rows: All rows of a run.
        only: Any of the values, all of the entries; empty: every row.
        layout: Which columns there are.

    Raises:
        SettingsError: There is no such column.
    """
    wanted = [
        (cell_reader(column, layout=layout, option="--only"), frozenset(values))
        for column, values in only
    ]
    return (
        judged
        for judged in rows
        if all(read(judged) in values for read, values in wanted)
    )


def cell_reader(
    column: str, *, layout: Layout, option: str
) -> Callable[[JudgedRow], str]:
    """Return what reads a row's text in a report column or a carried one.

    Raises:
        SettingsError: There is no such column.
    """
    if column not in layout.columns:
        raise SettingsError([_no_such(column, columns=layout.columns, option=option)])
    place = layout.columns.index(column)
    return lambda judged: str(report_cells(judged, layout=layout)[place])


def _no_such(column: str, *, columns: Sequence[str], option: str) -> str:
    near = get_close_matches(column, columns, n=1)
    hint = f"did you mean {near[0]!r}? There" if near else "there"
    return f"{option}: no column {column!r}; {hint} are: {', '.join(columns)}"
