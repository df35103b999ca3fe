"""Texts that are alike but for some digits, as times of one answer are: by columns.

Of every place in the texts either the one character that all have there is kept, or a
byte for each two digits. It takes neither a loop over the texts nor a compressor's
tables (268 kB each time), and is smaller than what zlib makes of times.
"""

from collections.abc import Iterator, Sequence

#: Longer texts are no times; a place in them costs about as much as in a short one.
_LONGEST = 40

#: Stands for digits; no character of ASCII.
_DIGITS = 0x80

#: Cuts the texts apart again.
_BETWEEN = "\n"


def pack_columns(texts: Sequence[str]) -> bytes | None:
    """Pack texts of one length that differ in digits only; None: they do not.

    Args:
        texts: At least one, at most 65,535.
    """
    width = len(texts[0])
    joined = "".join(texts)
    is_even = width and len(joined) == width * len(texts) and joined.isascii()
    if not is_even or width > _LONGEST or _BETWEEN in joined:
        return None
    if set(map(len, texts)) != {width}:
        return None
    content, parts = joined.encode(), [len(texts).to_bytes(2, "little")]
    for place in range(width):
        column = content[place::width]
        if column == column[:1] * len(texts):
            parts.append(column[:1])
        elif column.isdigit():
            even = column.decode() + "0" * (len(texts) % 2)
            parts.append(bytes((_DIGITS,)) + bytes.fromhex(even))
        else:
            return None
    return b"".join(parts)


def unpack_columns(packed: bytes) -> tuple[str, ...]:
    """Return what ``pack_columns`` was given."""
    count = int.from_bytes(packed[:2], "little")
    columns = list(_columns(packed, count))
    step = len(columns) + 1
    content = bytearray(_BETWEEN.encode()) * (step * count)
    for place, column in enumerate(columns):
        content[place::step] = column
    return tuple(content[:-1].decode("ascii").split(_BETWEEN))


def _columns(packed: bytes, count: int) -> Iterator[bytes]:
    at, size = 2, (count + 1) // 2
    while at < len(packed):
        mark = packed[at : at + 1]
        at += 1
        if mark[0] != _DIGITS:
            yield mark * count
            continue
        yield packed[at : at + size].hex()[:count].encode()
        at += size
