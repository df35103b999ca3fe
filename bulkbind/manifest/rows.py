"""Rows: records of one file, checked and put into their final form."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bulkbind.errors import Fault
from bulkbind.manifest.check import Checker, is_id
from bulkbind.manifest.faults import Problem, joined
from bulkbind.manifest.header import Carried, Layout, plain
from bulkbind.manifest.shape import Shape
from bulkbind.manifest.text import Lines
from bulkbind.model import FORMULA, ID_COLUMNS, NAMED, STAND_INS, Row

Filter = Callable[[tuple[str, ...], tuple[str, ...]], bool]
"""Given a row's ids and its carried cells: is it wanted?"""

Record = tuple[int, list[str]]
"""The line where it starts, and its cells."""

_new_row: Callable[[type[Row], tuple[Any, ...]], Row] = tuple.__new__
_is_formula = FORMULA.match


class RowMaker:
    """Makes rows of one file.

    Args:
        file: The file's number.
        name: The file, as faults show it.
        checker: Shared by all files of the manifest.
        wanted: None: every row is.
    """

    def __init__(
        self, file: int, *, name: str, checker: Checker, wanted: Filter | None
    ) -> None:
        self.file = file
        self.sound = checker.sound
        self.known = checker.known
        self._name = name
        self._checker = checker
        self._wanted = wanted

    @property
    def is_choosy(self) -> bool:
        """Whether some rows may not be wanted."""
        return self._wanted is not None

    def row(
        self,
        line: int,
        *,
        cells: Sequence[str],
        layout: Layout,
        problems: Sequence[Problem] = (),
    ) -> Row:
        """Return the row of a record that has all its cells and its tail.

        A filter drops no row whose cells may be in the wrong places: such a row has
        a problem without a column.
        """
        ids, fault = self._checked(line, cells, layout, problems)
        carried = layout.carried(cells)
        unsure = any(not problem.column for problem in problems)
        wanted = self._wanted is None or unsure or self._wanted(ids, carried)
        return _new_row(Row, (self.file, line, *ids, carried, fault, wanted))

    def _checked(
        self,
        line: int,
        cells: Sequence[str],
        layout: Layout,
        problems: Sequence[Problem],
    ) -> tuple[tuple[str, ...], Fault | None]:
        raw, api_id = layout.target(cells), cells[layout.ids[-1]]
        number = None if problems else self.sound.get(raw)
        if number is not None and is_id(api_id):
            return (*self.known[number], api_id), None
        return self._checker.check(
            (*raw, api_id), name=self._name, line=line, found=problems
        )

    def fault(self, line: int, *, problems: Sequence[Problem]) -> Fault:
        """Return the fault of a row that is none."""
        return joined(problems, name=self._name, line=line)

    def rows(
        self, records: Iterable[Record], *, layout: Layout, lines: Lines
    ) -> Iterator[Row]:
        """Yield the rows of a table; most take the short way, checked before."""
        file, wanted, sound, known = self.file, self._wanted, self.sound, self.known
        width, tail, api_at = layout.width, layout.tail, layout.ids[-1]
        target_of, carried_of, named = layout.target, layout.carried, layout.named
        for line, record in records:
            cells = unguarded(record) if lines.has_apostrophe else record
            if len(cells) != width:
                yield self._ragged(line, cells, layout)
                continue
            cells += tail
            for place in named:
                cells[place] = NAMED + cells[place].strip()
            number = sound.get(target_of(cells))
            api_id = cells[api_at]
            if number is None or not is_id(api_id):
                yield self.row(line, cells=cells, layout=layout)
                continue
            target = known[number]
            carried = carried_of(cells)
            keep = wanted is None or wanted((*target, api_id), carried)
            yield _new_row(Row, (file, line, *target, api_id, carried, None, keep))

    def one(self, line: int, record: list[str], *, layout: Layout) -> Row:
        """Return the row of a record in which no cell begins with ``'``."""
        if len(record) != layout.width:
            return self._ragged(line, record, layout)
        return self.row(line, cells=[*record, *layout.tail], layout=layout)

    def _ragged(self, line: int, cells: list[str], layout: Layout) -> Row:
        text = f"the row has {len(cells)} cells, the header {layout.width}"
        more = "is there a delimiter too many, or a cell that needs quotes?"
        fewer = "is there a delimiter missing?"
        remedy = more if len(cells) > layout.width else fewer
        full = (cells + [""] * layout.width)[: layout.width] + list(layout.tail)
        return self.row(
            line, cells=full, layout=layout, problems=[Problem("", text, remedy)]
        )


def unguarded(cells: list[str]) -> list[str]:
    """Return the cells without the ``'`` that keeps a formula from running."""
    return [c[1:] if c[:1] == "'" and _is_formula(c) else c for c in cells]


def filter_of(shape: Shape, carried: Carried) -> Filter | None:
    """Return the filter that the user asked for; None: no filter."""
    if not shape.only:
        return None
    ours = {plain(column): at for at, column in enumerate(ID_COLUMNS)}
    ours |= {plain(name): ours[plain(column)] for name, column in STAND_INS.items()}

    def wanted(ids: tuple[str, ...], cells: tuple[str, ...]) -> bool:
        return all(value(ids, cells).strip() in allowed for value, allowed in tests)

    tests = [
        (_value_of(column, ours.get(plain(column)), carried), allowed)
        for column, allowed in shape.only
    ]
    return wanted


def _value_of(
    column: str, id_at: int | None, carried: Carried
) -> Callable[[tuple[str, ...], tuple[str, ...]], str]:
    if id_at is not None:
        return lambda ids, _: ids[id_at].removeprefix(NAMED)

    def value(_: tuple[str, ...], cells: tuple[str, ...]) -> str:
        slot = carried.find(column)
        return cells[slot] if slot is not None and slot < len(cells) else ""

    return value
