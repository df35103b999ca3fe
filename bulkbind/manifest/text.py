"""Text: decoded piece by piece, cut into lines, every failure with its line."""

import codecs
import re
from collections.abc import Iterator
from io import IncrementalNewlineDecoder, StringIO

from bulkbind.errors import ManifestError
from bulkbind.manifest.faults import Unreadable, refusal
from bulkbind.manifest.sniff import HEAD, encoding_of, not_in
from bulkbind.manifest.source import Tap, peeked

#: Most characters in one line, and in one cell.
LINE_CAP = 16 * 1024 * 1024

_NUL = ("there is a NUL character", "the file is damaged, or it is no text")

_LINE_END = re.compile(r"\r\n?|\n")


def texts_of(tap: Tap, *, name: str, encoding: str) -> Iterator[str]:
    """Yield a file's text in pieces of any size.

    Args:
        tap: The bytes.
        name: The file, as faults show it.
        encoding: What the user said; empty: found out.

    Raises:
        ManifestError: It is no text, or stops being text; what came before was
            yielded, and the fault names the line.
    """
    place = _Place()
    try:
        for text in _decoded(tap, setting=encoding):
            place.pass_by(text)
            yield text
    except Unreadable as broken:
        raise refusal(
            name, line=place.line, problem=broken.problem, remedy=broken.remedy
        ) from broken


class Piece:
    """Some whole lines of a text.

    Attributes:
        text: The lines, with their ends; those of a plain piece are LF.
        is_plain: No line needs the csv module: no quotes, no guard of a formula, and
            lines end in LF or CR LF.
    """

    def __init__(self, text: str) -> None:
        self.is_plain = not ('"' in text or "'" in text)
        if self.is_plain and "\r" in text:
            self.is_plain = text.count("\r\n") == text.count("\r")
            if self.is_plain:
                text = text.replace("\r\n", "\n")
        self.text = text

    def lines(self) -> list[str]:
        """Return the lines, with their ends."""
        return _split(self.text)


class Lines:
    """The lines of a text, with their ends: LF, CR LF or CR.

    Args:
        texts: Of any sizes.
        name: The file, as faults show it.
        size: Characters that a piece should have at least.
    """

    def __init__(self, texts: Iterator[str], *, name: str, size: int = 0) -> None:
        self._texts = texts
        self._name = name
        self._size = size
        self.has_apostrophe = False
        """True once one was seen: until then no cell can begin with one."""

    def pieces(self) -> Iterator[Piece]:
        """Yield the lines, many at a time.

        Raises:
            ManifestError: A line is too long, or the text broke off; whole lines that
                came before were yielded.
        """
        pending: list[str] = []
        size = lines_before = 0
        try:
            for text in self._texts:
                self.has_apostrophe = self.has_apostrophe or "'" in text
                pending.append(text)
                size += len(text)
                if size < self._size or (
                    size <= LINE_CAP and "\n" not in text and "\r" not in text
                ):
                    continue
                whole, rest = _cut("".join(pending))
                self._refuse_long(whole, rest, lines_before)
                lines_before += _count_lines(whole)
                pending, size = [rest], len(rest)
                if whole:
                    yield Piece(whole)
        except ManifestError:
            whole, _ = _cut("".join(pending))
            if whole:
                yield Piece(whole)
            raise
        if last := "".join(pending):
            yield Piece(last)

    def _refuse_long(self, whole: str, rest: str, before: int) -> None:
        if len(rest) <= LINE_CAP and len(whole) <= LINE_CAP:
            return
        for number, line in enumerate([*_split(whole), rest], before + 1):
            if len(line) > LINE_CAP:
                raise refusal(
                    self._name,
                    line=number,
                    problem=f"the line is longer than {LINE_CAP >> 20} MiB",
                    remedy="is this really a table?",
                )


def flat(pieces: Iterator[Piece]) -> Iterator[str]:
    """Yield the lines of pieces one by one."""
    for piece in pieces:
        yield from piece.lines()


def with_lf(texts: Iterator[str]) -> Iterator[str]:
    """Yield the text with LF at every line's end."""
    decoder = IncrementalNewlineDecoder(None, translate=True)
    for text in texts:
        yield decoder.decode(text)
    yield decoder.decode("", final=True)


class _Place:
    """Counts lines, whatever ends them and wherever the text is cut."""

    def __init__(self) -> None:
        self.line = 0
        self._after_cr = False

    def pass_by(self, text: str) -> None:
        if not text:
            self.line = self.line or 1
            return
        ends = text.count("\n")
        if "\r" in text:
            ends = len(_LINE_END.findall(text))
        if self._after_cr and text[0] == "\n":
            ends -= 1
        self._after_cr = text[-1] == "\r"
        self.line = (self.line or 1) + ends


def _cut(text: str) -> tuple[str, str]:
    """Cut behind the last line that surely has its end."""
    if "\r" not in text:
        end = text.rfind("\n") + 1
        return text[:end], text[end:]
    lines = _split(text)
    if not lines or lines[-1][-1] == "\n":
        return text, ""
    end = len(text) - len(lines[-1])  # a \r at the end may be half of a \r\n
    return text[:end], text[end:]


def _count_lines(text: str) -> int:
    if "\r" in text and text.count("\r\n") != text.count("\r"):
        return len(_LINE_END.findall(text))
    return text.count("\n")


def _split(text: str) -> list[str]:
    return list(StringIO(text, newline=""))


def _decoded(tap: Tap, *, setting: str) -> Iterator[str]:
    head, chunks = peeked(tap.content(), HEAD)
    encoding = encoding_of(head, setting=setting)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        yield from _without_nul(_without_mark(_decode_all(decoder, chunks)))
    except UnicodeDecodeError as error:
        sample, _ = peeked(chunks, HEAD)
        sample = (error.object[error.start :] + sample)[:HEAD]
        raise not_in(encoding, sample, setting=setting) from error
    except UnicodeError as error:  # UTF-16 and UTF-32 without their mark
        raise not_in(encoding, head, setting=setting) from error


def _decode_all(
    decoder: codecs.IncrementalDecoder, chunks: Iterator[bytes]
) -> Iterator[str]:
    try:
        for chunk in chunks:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        yield error.object[: error.start].decode(error.encoding, "ignore")
        raise


def _without_nul(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        sound, nul, _ = text.partition("\0")
        yield sound
        if nul:
            raise Unreadable(*_NUL)


def _without_mark(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        if text:
            yield text.removeprefix("\ufeff")
            break
    yield from texts
