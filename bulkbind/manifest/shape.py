"""What the user said about how the manifest is to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bulkbind.model import DEFAULT_ACCOUNT


class Source(NamedTuple):
    """One file to read."""

    name: str
    """As faults and reports show it; ``<stdin>`` for standard input."""
    path: Path | None
    """None: standard input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How to read a manifest."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Our name of a column -> the name it has in the file."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Our name of a column -> the value of every row, when the column is absent."""
    encoding: str = ""
    """A codec's name; empty: found out."""
    fill_blank: bool = False
    """An empty cell takes the default too."""
    accounts: Mapping[str, str] = field(default_factory=lambda: {DEFAULT_ACCOUNT: ""})
    """Names of the known accounts -> their ``project_id``, empty when not given."""
    only: Sequence[tuple[str, frozenset[str]]] = ()
    """Filters: a column and the values allowed in it; a wanted row passes all."""
