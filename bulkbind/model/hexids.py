"""Ids of 32 hexadecimal digits, as the gateway makes them, and how they are packed."""

from collections.abc import Sequence

#: Bytes of one packed id.
ID_BYTES = 16

_LENGTH = 2 * ID_BYTES
_DIGITS = frozenset("0123456789abcdef")


def is_hex_id(text: str) -> bool:
    """Tell an id of 32 hexadecimal digits from others."""
    return len(text) == _LENGTH and _DIGITS.issuperset(text)


def pack_hex_ids(ids: Sequence[str]) -> bytes | None:
    """Pack ids to 16 bytes each; None: not all of them have 32 hexadecimal digits."""
    if not set(map(len, ids)) <= {_LENGTH}:
        return None
    joined = "".join(ids)
    try:
        packed = bytes.fromhex(joined)
    except ValueError:
        return None
    return packed if packed.hex() == joined else None  # capitals, blanks


def unpack_hex_ids(packed: bytes) -> list[str]:
    """Return what ``pack_hex_ids`` was given."""
    return packed.hex(",", ID_BYTES).split(",") if packed else []
