"""How the ledger keeps columns small: numbers as gaps, ids as bytes, text deflated.

Each packed column begins with one byte that says how it is packed, so that a later
version may add ways without changing the schema.
"""

import sys
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate
from operator import sub

import msgspec

from bulkbind.ledger.columns import pack_columns, unpack_columns
from bulkbind.model import pack_hex_ids, unpack_hex_ids

_TEXT, _HEX = b"\x00", b"\x01"
_RANGE, _GAPS, _WIDE = b"\x02", b"\x03", b"\x04"
_COLUMNS = b"\x05"

#: Fast rather than small: ids do not shrink any further.
_LEVEL = 1


def pack_texts(texts: Sequence[str]) -> bytes:
    """Pack texts; 32-digit hexadecimal ids take 16 bytes each, times 5 at most."""
    packed = pack_hex_ids(texts)
    if packed is not None:
        return _HEX + packed
    packed = pack_columns(texts)
    if packed is not None:
        return _COLUMNS + packed
    return _TEXT + zlib.compress(msgspec.msgpack.encode(list(texts)), _LEVEL)


def unpack_texts(packed: bytes) -> tuple[str, ...]:
    """Return what ``pack_texts`` was given."""
    if packed[:1] == _HEX:
        return tuple(unpack_hex_ids(packed[1:]))
    if packed[:1] == _COLUMNS:
        return unpack_columns(packed[1:])
    texts = msgspec.msgpack.decode(zlib.decompress(packed[1:]), type=list[str])
    return tuple(texts)


def pack_repeats(texts: Sequence[str]) -> bytes:
    """Pack up to 65,536 texts of which many are alike: each once, and who has which."""
    distinct = list(dict.fromkeys(texts))
    place = {text: number for number, text in enumerate(distinct)}
    places = _little(array("H", [place[text] for text in texts]))
    named = pack_texts(distinct)
    return _varint(len(named)) + named + zlib.compress(places.tobytes(), _LEVEL)


def unpack_repeats(packed: bytes) -> tuple[str, ...]:
    """Return what ``pack_repeats`` was given."""
    end = _varint_end(packed, 0)
    (length,) = _varints(packed[:end])
    distinct = unpack_texts(packed[end : end + length])
    places = _little(array("H", zlib.decompress(packed[end + length :])))
    return tuple(distinct[place] for place in places)


def pack_numbers(numbers: Sequence[int]) -> bytes:
    """Pack ascending numbers from 0: a run as its ends, others as gaps.

    Gaps of two bytes are packed as they are: that takes no loop.
    """
    if not numbers:
        return _GAPS
    first, last = numbers[0], numbers[-1]
    if last - first + 1 == len(numbers):
        return _RANGE + _varint(first) + _varint(len(numbers))
    gaps = list(map(sub, numbers[1:], numbers))
    most = max(gaps)
    if most <= 0x7F:  # noqa: PLR2004 - seven bits
        return _GAPS + _varint(first) + bytes(gaps)
    if most <= 0xFFFF:  # noqa: PLR2004 - two bytes
        return _WIDE + _varint(first) + _little(array("H", gaps)).tobytes()
    return _GAPS + b"".join(map(_varint, (first, *gaps)))


def unpack_numbers(packed: bytes) -> tuple[int, ...]:
    """Return what ``pack_numbers`` was given."""
    if packed == _GAPS:
        return ()
    end = _varint_end(packed, 1)
    if packed[:1] == _WIDE:
        gaps = _little(array("H", packed[end:]))
        return tuple(accumulate((*_varints(packed[1:end]), *gaps)))
    if packed[:1] == _GAPS and packed[end:].isascii():  # a byte each
        return tuple(accumulate((*_varints(packed[1:end]), *packed[end:])))
    values = _varints(packed[1:])
    if packed[:1] == _RANGE:
        first, count = values
        return tuple(range(first, first + count))
    return tuple(accumulate(values))


def _little(numbers: "array[int]") -> "array[int]":
    """Swap to or from the order of bytes in the file, lowest first."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _varint_end(packed: bytes, start: int) -> int:
    """Return where the number that starts somewhere ends."""
    while packed[start] & 0x80:
        start += 1
    return start + 1


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow."""
    packed = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _varints(packed: bytes) -> list[int]:
    values = []
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            values.append(value)
            value = shift = 0
    return values
