"""Columns: which of the file's are ours, which are carried, and what is missing."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from operator import itemgetter
from typing import Any

from bulkbind.manifest.faults import Problem, listed, quoted
from bulkbind.manifest.shape import Shape
from bulkbind.model import (
    DEFAULT_ACCOUNT,
    ID_COLUMNS,
    REPORT_COLUMNS,
    STAND_INS,
)

#: Most carried columns of one manifest.
MOST_CARRIED = 1024

#: Columns that must be in the file, or have a default.
REQUIRED = ("instance_id", "plugin_id", "env_id", "api_id")

_is_hex_id = re.compile(r"[0-9a-f]{32}").fullmatch
_GIVE_KEY = (
    "give the key, or name yours in [columns], or one value for all in [defaults]"
)

_Cells = Sequence[Any]


def plain(name: str) -> str:
    """Return a column's name without case, blanks, dashes and underscores."""
    name = name.strip("\ufeff \t\r\n\xa0").casefold()
    return "".join(name.replace("-", "").replace("_", "").split())


_OURS = {plain(column): column for column in ID_COLUMNS}
_OURS_IN_JSON = _OURS | {"apiids": "api_id"}
_STAND_INS = {plain(name): column for name, column in STAND_INS.items()}
_NOT_CARRIED = frozenset(map(plain, (*REPORT_COLUMNS, *STAND_INS)))


class Carried:
    """The carried columns of a whole manifest, in the order they turned up."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._slots = {name: slot for slot, name in enumerate(names)}

    def slot(self, name: str) -> int:
        """Return the place of a column, a new one if it was not seen before.

        A column too many gets the place ``MOST_CARRIED``, and is forgotten.
        """
        slot = self._slots.get(name, len(self._names))
        if slot == len(self._names) < MOST_CARRIED:
            self._slots[name] = slot
            self._names.append(name)
        return slot

    def find(self, name: str) -> int | None:
        """Return the place of a column by its name, tolerantly; None: not seen."""
        if name in self._slots:
            return self._slots[name]
        wanted = plain(name)
        return next((s for n, s in self._slots.items() if plain(n) == wanted), None)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where to find what in the records of one header."""

    width: int
    """Cells in a record."""
    tail: tuple[str, ...]
    """To be put after a record: what stands in for absent columns."""
    ids: tuple[int, ...]
    """Places of ``ID_COLUMNS`` in a record with its tail."""
    target: Callable[[_Cells], tuple[str, ...]]
    """Picks all ids but the last, ``api_id``."""
    carried_at: tuple[int, ...]
    """Places of the carried cells, by slot."""
    carried: Callable[[_Cells], tuple[str, ...]]
    """Picks the carried cells."""
    problems: tuple[Problem, ...]
    """What is wrong with the header."""
    left_out: tuple[str, ...]
    """Columns that are neither ours nor carried."""
    named: tuple[int, ...] = ()
    """Places of names and selectors: they stand in for ids that are not there."""


def layout_of(
    names: Sequence[str], *, shape: Shape, carried: Carried, is_json: bool = False
) -> Layout:
    """Return where everything is under a header.

    Args:
        names: The file's columns, in its order.
        shape: The user's mapping and defaults.
        carried: Grows by what is new here.
        is_json: The names are the keys of an object; ``api_ids`` is ours too.
    """
    claims = _Claims(names, shape, _OURS_IN_JSON if is_json else _OURS)
    kept, left_out = _split_others(names, claims.taken)
    absent = [c for c in ID_COLUMNS if c not in claims.places]
    tail = ("", *(_default(shape, column) for column in absent))
    places = claims.places | {
        column: len(names) + 1 + at for at, column in enumerate(absent)
    }
    ids = tuple(places[column] for column in ID_COLUMNS)
    carried_at = _carried_places(kept, carried, blank=len(names))
    return Layout(
        width=len(names),
        tail=tail,
        ids=ids,
        target=itemgetter(*ids[:-1]),
        carried_at=carried_at,
        carried=_picker(carried_at),
        problems=(
            *claims.problems,
            *_missing(names, absent, claims, shape, is_json=is_json),
            *_too_many(kept, carried),
        ),
        left_out=tuple(left_out),
        named=tuple(claims.named),
    )


class _Claims:
    """Which column of the file stands for which of ours."""

    def __init__(
        self, names: Sequence[str], shape: Shape, ours: Mapping[str, str]
    ) -> None:
        self.places: dict[str, int] = {}
        self.taken: set[int] = set()
        self.problems: list[Problem] = []
        self.named: list[int] = []
        self._names = names
        for column, theirs in shape.columns.items():
            self._map(column, theirs)
        mapped = frozenset(self.places)
        for place, name in enumerate(names):
            column = ours.get(plain(name), "")
            if column and column not in mapped and place not in self.taken:
                self._claim(column, place)
        for place, name in enumerate(names):
            column = _STAND_INS.get(plain(name), "")
            if column and column not in self.places and column not in shape.defaults:
                self._claim(column, place)
                self.named.append(place)

    def _map(self, column: str, theirs: str) -> None:
        exact = [p for p, name in enumerate(self._names) if name.strip() == theirs]
        wanted = plain(theirs)
        near = [p for p, name in enumerate(self._names) if plain(name) == wanted]
        for place in exact or near:
            self._claim(column, place)
        if not near and not exact:
            text = (
                f"[columns] says {column} = {quoted(theirs)}, and there is no such"
                f" column; there are {listed(self._names)}{_did_you_mean(theirs, self._names)}"
            )
            self.problems.append(Problem(column, text, "correct [columns]"))

    def _claim(self, column: str, place: int) -> None:
        self.taken.add(place)
        first = self.places.setdefault(column, place)
        if first != place:
            text = (
                f"the columns {quoted(self._names[first])} and"
                f" {quoted(self._names[place])} both mean {column}"
            )
            self.problems.append(
                Problem(
                    column, text, f"remove one, or say which: [columns] {column} = …"
                )
            )


def _split_others(
    names: Sequence[str], taken: set[int]
) -> tuple[list[tuple[int, str]], list[str]]:
    kept: list[tuple[int, str]] = []
    left_out: list[str] = []
    seen: set[str] = set()
    for place, raw in enumerate(names):
        name = raw.strip("\ufeff \t\r\n\xa0")
        if place in taken:
            continue
        if not name or plain(name) in _NOT_CARRIED or plain(name) in _OURS:
            left_out.append(name or f"column {place + 1} without a name")
            continue
        kept.append((place, _unlike(name, seen)))
    return kept, left_out


def _unlike(name: str, seen: set[str]) -> str:
    unique, number = name, 1
    while unique in seen:
        number += 1
        unique = f"{name}_{number}"
    seen.add(unique)
    return unique


def _default(shape: Shape, column: str) -> str:
    return shape.defaults.get(column, DEFAULT_ACCOUNT if column == "account" else "")


def _carried_places(
    kept: Sequence[tuple[int, str]], carried: Carried, *, blank: int
) -> tuple[int, ...]:
    slots = {carried.slot(name): place for place, name in kept}
    slots.pop(MOST_CARRIED, None)
    return tuple(slots.get(slot, blank) for slot in range(max(slots, default=-1) + 1))


def _picker(places: Sequence[int]) -> Callable[[_Cells], tuple[str, ...]]:
    if not places:
        return lambda _: ()
    if len(places) == 1:
        only = places[0]
        return lambda cells: (cells[only],)
    return itemgetter(*places)


def _missing(
    names: Sequence[str],
    absent: Sequence[str],
    claims: _Claims,
    shape: Shape,
    *,
    is_json: bool,
) -> list[Problem]:
    told = {problem.column for problem in claims.problems}
    missing = [
        c for c in REQUIRED if c in absent and c not in shape.defaults and c not in told
    ]
    free = [name for place, name in enumerate(names) if place not in claims.taken]
    if is_json:
        return [
            Problem(column, f"is missing{_hint(column, free)}", _GIVE_KEY)
            for column in missing
        ]
    return [_missing_columns(missing, names, free)] if missing else []


def _missing_columns(
    missing: Sequence[str], names: Sequence[str], free: Sequence[str]
) -> Problem:
    hints = "".join(_hint(column, free) for column in missing)
    if any(map(_is_hex_id, names)):
        hints += "; the line looks like a row: is the header line missing?"
    word = "column" if len(missing) == 1 else "columns"
    text = (
        f"the {word} {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing;"
        f" there are {listed(names)}{hints}"
    )
    one = missing[0]
    remedy = (
        f'map it: [columns] {one} = "…", or give every row one value:'
        f' [defaults] {one} = "…" or --default {one}=…'
    )
    return Problem(one, text, remedy)


def _too_many(kept: Sequence[tuple[int, str]], carried: Carried) -> list[Problem]:
    if all(carried.slot(name) < MOST_CARRIED for _, name in kept):
        return []
    text = f"there are more than {MOST_CARRIED:,} columns to carry"
    return [Problem("", text, "remove those that nobody reads")]


def _hint(column: str, free: Sequence[str]) -> str:
    return _did_you_mean(column, free)


def _did_you_mean(wanted: str, names: Sequence[str]) -> str:
    by_plain = {plain(name): name for name in names}
    near = get_close_matches(plain(wanted), by_plain, n=1, cutoff=0.6)
    return f"; for {wanted}, did you mean {quoted(by_plain[near[0]])}?" if near else ""
