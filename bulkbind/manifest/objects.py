"""Objects: JSON elements become rows; a grouped one becomes several of one line."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bulkbind.manifest.elements import Element
from bulkbind.manifest.faults import Problem, quoted
from bulkbind.manifest.header import Carried, Layout, layout_of, plain
from bulkbind.manifest.rows import RowMaker
from bulkbind.manifest.shape import Shape
from bulkbind.model import ID_COLUMNS, NAMED, Row

#: Most different sets of keys remembered.
REMEMBERED = 256

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_ALL_TEXT = {str}
_OPTIONAL = frozenset({"project_id", "plugin_type"})
_QUOTE_IT = "put it in quotes: an id is text"

#: NUL, and halves of surrogate pairs: JSON can say them, no text file can hold them.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class _Keys(NamedTuple):
    """What is known of all objects with the same keys."""

    layout: Layout
    group: str
    """The key that may hold many ids; empty: none does."""
    must_group: bool
    """It is called ``api_ids``: a single id is wrong there."""
    problems: tuple[Problem, ...]


class ObjectReader:
    """Makes rows from the elements of one file.

    Args:
        maker: Makes the rows.
        shape: The user's mapping and defaults.
        carried: Grows by the keys that are new.

    Attributes:
        has_names: Whether an object had names or selectors.
        left_out: Keys that are neither ours nor carried, in the order seen.
    """

    def __init__(self, maker: RowMaker, *, shape: Shape, carried: Carried) -> None:
        self._maker = maker
        self._shape = shape
        self._carried = carried
        self._known: dict[tuple[str, ...], _Keys] = {}
        self.left_out: dict[str, None] = {}
        self.has_names = False

    def rows(self, elements: Iterable[Element]) -> Iterator[Row]:
        """Yield the rows of the elements; what is no object is a faulty row."""
        for line, value, problems in elements:
            if isinstance(value, dict):
                yield from self._object_rows(line, value, problems)
            else:
                yield self._no_object(line, value, problems)

    def _object_rows(
        self, line: int, value: dict[str, object], found: Sequence[Problem]
    ) -> Iterator[Row]:
        keys = self._keys(tuple(value))
        problems = [*found, *keys.problems]
        members = value.get(keys.group)
        if not keys.group or not (keys.must_group or isinstance(members, list)):
            yield self._row(line, list(value.values()), keys.layout, problems)
            return
        if not isinstance(members, list) or not members:
            what = "is an empty list" if members == [] else "is not a list"
            problems.append(Problem("api_id", f"api_ids {what}", "list the API ids"))
            members = [""]
        for member in members:
            cells = list((value | {keys.group: member}).values())
            yield self._row(line, cells, keys.layout, problems)

    def _row(
        self,
        line: int,
        values: list[object],
        layout: Layout,
        found: Sequence[Problem],
    ) -> Row:
        problems = [*found]
        padded = [*values, *layout.tail]
        ids = *layout.target(padded), padded[layout.ids[-1]]
        if set(map(type, ids)) != _ALL_TEXT:
            told = {problem.column for problem in found}
            wrong = self._wrong_types(ids)
            problems += (problem for problem in wrong if problem.column not in told)
        cells = [v if isinstance(v, str) else _text_of(v, problems) for v in padded]
        text = "".join(cells)
        if not text.isprintable() and _UNWRITABLE.search(text):
            cells = [_UNWRITABLE.sub("\ufffd", cell) for cell in cells]
            problems.append(_unwritable("a value"))
        for place in layout.named:
            cells[place] = NAMED + cells[place].strip()
        return self._maker.row(line, cells=cells, layout=layout, problems=problems)

    def _wrong_types(self, ids: Sequence[object]) -> Iterator[Problem]:
        for column, value in zip(ID_COLUMNS, ids, strict=True):
            may_be_null = column in _OPTIONAL or self._shape.fill_blank
            if isinstance(value, str) or (value is None and may_be_null):
                continue
            yield Problem(column, f"is {_kind_of(value)}, not text", _QUOTE_IT)

    def _no_object(self, line: int, value: object, found: Sequence[Problem]) -> Row:
        problems = found or (
            Problem("", f"this is {_kind_of(value)}, not an object", "write objects"),
        )
        blank = layout_of(ID_COLUMNS, shape=Shape(), carried=Carried([]))
        hushed = [Problem(column, "", "") for column in ID_COLUMNS]
        cells = [""] * blank.width + list(blank.tail)
        row = self._maker.row(line, cells=cells, layout=blank, problems=hushed)
        return row._replace(fault=self._maker.fault(line, problems=problems))

    def _keys(self, names: tuple[str, ...]) -> _Keys:
        keys = self._known.get(names)
        if keys is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            keys = self._known[names] = self._look_at(names)
            self.has_names = self.has_names or bool(keys.layout.named)
            self.left_out |= dict.fromkeys(keys.layout.left_out)
        return keys

    def _look_at(self, names: tuple[str, ...]) -> _Keys:
        clean = [_UNWRITABLE.sub("\ufffd", name) for name in names]
        odd = [_unwritable("a key")] if clean != list(names) else []
        layout = layout_of(
            clean, shape=self._shape, carried=self._carried, is_json=True
        )
        place = layout.ids[-1]
        key = names[place] if place < layout.width else ""
        must_group = plain(key) == "apiids"
        may_group = must_group or (key and plain(key) != "apiid")
        return _Keys(
            layout, key if may_group else "", must_group, (*odd, *layout.problems)
        )


def _text_of(value: object, problems: list[Problem]) -> str:
    if value is None:
        return ""
    try:
        return _encode(value)
    except RecursionError:
        problems.append(Problem("", "a value is nested too deeply", "flatten it"))
        return ""


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {quoted(str(value))}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return "a list" if isinstance(value, list) else "an object"


def _unwritable(what: str) -> Problem:
    text = f"{what} holds a NUL or half a surrogate pair"
    return Problem("", text, "remove that character")
