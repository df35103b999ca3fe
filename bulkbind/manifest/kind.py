"""Which of the formats a text is in, by its content alone."""

from collections.abc import Iterator
from enum import Enum, auto
from itertools import chain

from bulkbind.manifest.text import LINE_CAP


class Kind(Enum):
    """The formats that are read."""

    TABLE = auto()
    """CSV, TSV and their kin."""
    DOCUMENT = auto()
    """A JSON array, or JSON objects laid out over lines."""
    LINES = auto()
    """JSONL: an object in each line."""


def recognised(texts: Iterator[str]) -> tuple[Kind, Iterator[str]]:
    """Return a text's format, and the whole text.

    Raises:
        ManifestError: The text breaks off early.
    """
    head = ""
    for text in texts:
        head += text
        start = head.lstrip()
        if len(head) > LINE_CAP or (start and (start[0] != "{" or _has_line(start))):
            break
    return _kind_of(head.lstrip()), chain([head], texts)


def _has_line(start: str) -> bool:
    return "\n" in start or "\r" in start


def _kind_of(start: str) -> Kind:
    if not start or start[0] not in "[{":
        return Kind.TABLE
    if start[0] == "[":
        return Kind.DOCUMENT
    first = start.replace("\r", "\n", 1).partition("\n")[0].strip()
    return Kind.LINES if first.endswith("}") else Kind.DOCUMENT
