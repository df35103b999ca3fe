"""JSON as a stream of elements, each with its line; never the whole file in memory.

An element is what a top-level array holds, or a value at the top itself, or a line
of JSONL.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bulkbind.errors import ManifestError
from bulkbind.manifest.faults import Problem, quoted, refusal

#: Most characters of one element.
ELEMENT_CAP = 64 * 1024 * 1024

#: Most digits of a number.
DIGITS = 1000

#: Where a decoder may stop because a word or an escape is cut, before the end.
_CUT_WORD = 12

_SPACE = re.compile(r"[ \t\n\r]*")
_MEND = "correct the JSON"
_TOO_DEEP = "it is nested too deeply"


class Element(NamedTuple):
    """One value, and what is wrong with it."""

    line: int
    """Where it starts."""
    value: object
    problems: tuple[Problem, ...] = ()


def lines_of_json(lines: Iterable[str]) -> Iterator[Element]:
    """Yield an element for each line that is not blank; a bad line is one too."""
    decoder = _Decoder()
    for number, line in enumerate(lines, 1):
        if text := line.strip(" \t\r\n"):
            yield _line_element(decoder, number, text)


class Document:
    """JSON that is not cut into lines: an array of elements, or elements in a row.

    Args:
        texts: The text in pieces of any size.
        name: The file, as faults show it.
    """

    def __init__(self, texts: Iterator[str], *, name: str) -> None:
        self._window = _Window(texts)
        self._name = name
        self._decoder = _Decoder()

    def elements(self) -> Iterator[Element]:
        """Yield the elements.

        Raises:
            ManifestError: It is no JSON from some line on, or breaks off.
        """
        while mark := self._window.peek():
            if mark == "[":
                yield from self._array()
            else:
                yield self._element()

    def _array(self) -> Iterator[Element]:
        window = self._window
        start = window.line
        window.advance(window.at + 1)
        mark = window.peek()
        if mark == "]":
            window.advance(window.at + 1)
            return
        while mark:
            yield self._element()
            mark = window.peek()
            if mark == "]":
                window.advance(window.at + 1)
                return
            if mark != ",":
                break
            window.advance(window.at + 1)
            mark = window.peek()
        problem = f"the file ends inside the array begun in line {start}"
        if mark:
            problem = f"a comma or ] is expected before {quoted(mark)}"
        raise self._refusal(problem)

    def _element(self) -> Element:
        window = self._window
        while True:
            try:
                value, end = self._decoder.decode(window.text, window.at)
            except json.JSONDecodeError as error:
                if not self._may_go_on(error) or not window.grow():
                    raise self._broken(error) from error
            except RecursionError as error:
                raise self._refusal(_TOO_DEEP) from error
            else:
                if end < len(window.text) or not window.grow():
                    break
        element = Element(window.line, value, tuple(self._decoder.problems))
        window.advance(end)
        return element

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Tell whether the decoder may only have come to the end of the window."""
        if not _is_cut(error):
            return False
        if len(self._window.text) - self._window.at > ELEMENT_CAP:
            problem = f"an element is longer than {ELEMENT_CAP >> 20} MiB"
            raise self._refusal(problem, remedy="split it into smaller objects")
        return True

    def _broken(self, error: json.JSONDecodeError) -> ManifestError:
        window = self._window
        if _is_cut(error):
            start = window.line
            window.advance(len(window.text))
            return self._refusal(
                f"the file ends inside the value begun in line {start}"
            )
        window.advance(error.pos)
        return self._refusal(f"it is not JSON: {_worded(error)}")

    def _refusal(self, problem: str, *, remedy: str = _MEND) -> ManifestError:
        line = self._window.line
        return refusal(self._name, line=line, problem=problem, remedy=remedy)


class _Window:
    """The part of a text that is being looked at."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self.text = ""
        self.at = 0
        self.line = 1

    def peek(self) -> str:
        """Go to the next character that is no blank and return it; empty: the end."""
        while True:
            space = _SPACE.match(self.text, self.at)
            self.advance(space.end() if space else self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.grow():
                return ""

    def advance(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def grow(self) -> bool:
        """Read at least as much again as there is left; False: the text has ended."""
        wanted = max(len(self.text) - self.at, 1)
        parts, size = [self.text[self.at :]], 0
        for text in self._texts:
            parts.append(text)
            size += len(text)
            if size >= wanted:
                break
        if size:
            self.text, self.at = "".join(parts), 0
        return size > 0


class _Decoder:
    """A JSON decoder that notes what JSON allows and a manifest does not."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._json = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_int=self._integer,
            parse_float=self._float,
        )

    def decode(self, text: str, at: int) -> tuple[object, int]:
        self.problems.clear()
        return self._json.raw_decode(text, at)

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(pairs)
        if len(value) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            self._note(f"the key {quoted(twice)} is there more than once")
        return value

    def _constant(self, text: str) -> str:
        self._note(f"{text} is no JSON value")
        return text

    def _integer(self, text: str) -> int | str:
        if len(text) <= DIGITS:
            return int(text)
        self._note(f"a number has {len(text)} digits")
        return text

    def _float(self, text: str) -> float | str:
        if len(text) <= DIGITS and math.isfinite(value := float(text)):
            return value
        self._note(f"the number {quoted(text)} is too large")
        return text

    def _note(self, text: str) -> None:
        self.problems.append(Problem("", text, _MEND))


def _line_element(decoder: _Decoder, number: int, text: str) -> Element:
    try:
        value, end = decoder.decode(text, 0)
    except json.JSONDecodeError as error:
        wrong = _worded(error)
    except RecursionError:
        wrong = _TOO_DEEP
    else:
        if end == len(text):
            return Element(number, value, tuple(decoder.problems))
        wrong = f"more follows at character {end + 1}"
    problem = Problem("", f"the line is not JSON: {wrong}: {quoted(text)}", _MEND)
    return Element(number, None, (problem,))


def _is_cut(error: json.JSONDecodeError) -> bool:
    left = len(error.doc) - error.pos
    return (
        error.msg.startswith("Unterminated string")
        or left <= _CUT_WORD
        or error.doc[error.pos :].isspace()
    )


def _worded(error: json.JSONDecodeError) -> str:
    return f"{error.msg[0].lower()}{error.msg[1:]} at character {error.colno}"
