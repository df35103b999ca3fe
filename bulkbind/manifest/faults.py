"""How a fault is put into words, and how unreadable bytes travel to who knows the line."""

from collections.abc import Sequence
from typing import NamedTuple

from bulkbind.errors import Fault, ManifestError

#: Most characters of the user's text that a message quotes.
QUOTED = 80


class Problem(NamedTuple):
    """One thing wrong with one row, before the row's problems become one fault."""

    column: str
    text: str
    remedy: str


class Unreadable(Exception):
    """The bytes cannot be read on; whoever counts lines turns it into a fault."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(problem)


def quoted(text: str) -> str:
    """Return the text in quotes, cut, on one line and with nothing invisible in it."""
    cut = text[:QUOTED] + "…" * (len(text) > QUOTED)
    return f'"{"".join(map(_visible, cut))}"'


def listed(names: Sequence[str], *, most: int = 30) -> str:
    """Return the names, each quoted, the first ``most`` of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(quoted, names[:most])) + more


def refusal(name: str, *, line: int, problem: str, remedy: str) -> ManifestError:
    """Return the error for a file that cannot be read on from a line."""
    return ManifestError([Fault(name, line, "", problem, remedy)])


def joined(problems: Sequence[Problem], *, name: str, line: int) -> Fault:
    """Return the one fault of a row, which hides none of its problems.

    Args:
        problems: At least one; the first gives the fault's column.
        name: The file, as faults show it.
        line: Where the row starts, from 1.
    """
    first, *others = problems
    texts = [first.text]
    texts += [f"{p.column}: {p.text}" if p.column else p.text for p in others]
    remedies = dict.fromkeys(problem.remedy for problem in problems)
    return Fault(name, line, first.column, "; ".join(texts), "; ".join(remedies))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
