"""Blocks: lines that need no csv module, split and checked a column at a time.

What a block says, ``RowMaker`` would say of each of its lines; whatever is not plainly
sound (a target that was not checked yet, an id in capitals, a cell too many) is left
to it, line by line.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from bulkbind.manifest.header import Layout
from bulkbind.manifest.rows import RowMaker
from bulkbind.model import ID_BYTES, Block, Row, pack_hex_ids

#: Where more than one line in so many is not plainly sound, each is taken by itself.
_FEW = 8


class Plain(NamedTuple):
    """Lines one after another, each a record of its own, without quotes."""

    line: int
    """Of the first."""
    text: str
    """They end in LF; the last one need not."""


class BlockMaker:
    """Makes blocks of one file.

    Args:
        maker: Makes the rows that are not plainly sound.
        layout: Of the file's header.
        delimiter: One character.
    """

    def __init__(self, maker: RowMaker, layout: Layout, delimiter: str) -> None:
        self._maker = maker
        self._layout = layout
        self._delimiter = delimiter

    @staticmethod
    def can(layout: Layout, maker: RowMaker) -> bool:
        """Tell whether blocks can be made: every row is wanted, and has its id."""
        has_id = layout.ids[-1] < layout.width
        return has_id and not layout.named and not maker.is_choosy

    def rows(self, plain: Plain) -> Iterator[Row | Block]:
        """Yield the rows of some lines, in order."""
        text = plain.text.removesuffix("\n")
        columns, odd = self._columns(text)
        numbers = self._numbers(columns) if columns else []
        if None in numbers:
            odd.update(at for at, number in enumerate(numbers) if number is None)
        if len(odd) * _FEW > len(numbers):
            for line, record in enumerate(text.split("\n"), plain.line):
                if record and (self._delimiter in record or not record.isspace()):
                    yield from self._singly(line, record)
            return
        api_ids = columns[self._layout.ids[-1]]
        packed, not_hex = pack_ids(api_ids)
        odd.update(not_hex)
        lines = text.split("\n") if odd else []
        carried = self._carried(columns)
        start = 0
        for at in (*sorted(odd), len(numbers)):
            if start < at:
                part = slice(start, at)
                yield Block(
                    file=self._maker.file,
                    line=plain.line + start,
                    numbers=cast("list[int]", numbers[part]),
                    known=self._maker.known,
                    api_ids=api_ids[part],
                    packed=packed[ID_BYTES * start : ID_BYTES * at],
                    carried=carried[part],
                )
            if at < len(numbers):
                yield from self._singly(plain.line + at, lines[at])
            start = at + 1

    def _columns(self, text: str) -> tuple[list[list[str]], set[int]]:
        """Return the columns, and which lines have not the cells they should.

        No columns: it is too many of them.
        """
        columns = self._split(text)
        if columns is not None:
            return columns, set()
        lines = text.split("\n")
        ends = self._layout.width - 1
        counts = [line.count(self._delimiter) for line in lines]
        odd = {at for at, count in enumerate(counts) if count != ends}
        if len(odd) * _FEW > len(lines):
            return [], odd
        blank = self._delimiter * ends
        for at in odd:
            lines[at] = blank
        return self._split("\n".join(lines)) or [], odd

    def _split(self, text: str) -> list[list[str]] | None:
        """Split all lines at once; None: not all have the cells they should.

        A line's end goes to the first cell of the next line: if each such cell has one,
        and no other cell has, all lines have the same cells.
        """
        width, ends = self._layout.width, text.count("\n")
        cells = text.replace("\n", self._delimiter + "\n").split(self._delimiter)
        first = "".join(cells[::width])
        if len(cells) != (ends + 1) * width or first.count("\n") != ends:
            return None
        return [first.split("\n"), *(cells[at::width] for at in range(1, width))]

    def _numbers(self, columns: Sequence[Sequence[str]]) -> list[int | None]:
        """Return the number of each row's ids but the last; None: not checked yet."""
        layout, count = self._layout, len(columns[0])
        ids = [
            columns[place]
            if place < layout.width
            else (layout.tail[place - layout.width],) * count
            for place in layout.ids[:-1]
        ]
        return list(map(self._maker.sound.get, zip(*ids, strict=True)))

    def _carried(self, columns: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
        layout = self._layout
        count = len(columns[0])
        if not layout.carried_at:
            return [()] * count
        cells = [
            columns[place] if place < layout.width else ("",) * count
            for place in layout.carried_at
        ]
        return list(zip(*cells, strict=True))

    def _singly(self, line: int, text: str) -> Iterator[Row]:
        record = text.split(self._delimiter)
        if len(record) == 1 and (not text or text.isspace()):
            return  # a blank line is no row
        yield self._maker.one(line, record, layout=self._layout)


def pack_ids(api_ids: Sequence[str]) -> tuple[bytes, list[int]]:
    """Pack ids of 32 hexadecimal digits to 16 bytes each.

    Returns:
        The bytes, and the positions of ids that are none of these: theirs are zeros.
    """
    packed = pack_hex_ids(api_ids)
    if packed is not None:
        return packed, []
    if len(api_ids) == 1:
        return bytes(ID_BYTES), [0]
    half = len(api_ids) // 2  # few are odd: most halves are not
    left, some = pack_ids(api_ids[:half])
    right, more = pack_ids(api_ids[half:])
    return left + right, some + [half + at for at in more]
