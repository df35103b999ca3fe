"""What a file is, by its first bytes, and what to tell whoever brought the wrong one."""

import codecs
import re

from bulkbind.manifest.faults import Unreadable, quoted

#: Bytes looked at to tell what a file is.
HEAD = 4096

_SAVE = "save it as CSV UTF-8 and name that file"
_DECOMPRESS = "decompress it first"

#: First bytes, what that is, what to do.
_FOREIGN = (
    (b"PK\x03\x04", "it is an Excel workbook (.xlsx) or another zip archive", _SAVE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is an old Excel workbook (.xls)", _SAVE),
    (b"%PDF-", "it is a PDF", "export the table behind it as CSV UTF-8"),
    (b"PAR1", "it is Parquet that was compressed once more", _DECOMPRESS),
    (b"\x28\xb5\x2f\xfd", "it is zstd inside gzip or zstd", _DECOMPRESS),
    (b"\x1f\x8b", "it is gzip inside gzip or zstd", _DECOMPRESS),
    (b"BZh", "it is bzip2", _DECOMPRESS),
    (b"\xfd7zXZ\x00", "it is xz", _DECOMPRESS),
    (b"SQLite format 3\x00", "it is a SQLite database", "export the table as CSV"),
)

_EMPTY = ("it is empty", "a manifest has at least a header line")

_BINARY = ("it is a binary file, not text", _SAVE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: Codecs that make text, but not from a table anybody exported.
_ODD_CODECS = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)

_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_HAN = re.compile("[\u3400-\u9fff]")


def encoding_of(head: bytes, *, setting: str) -> str:
    """Return the codec for a file that begins so.

    Args:
        head: The first bytes.
        setting: What the user said; empty: nothing.

    Raises:
        Unreadable: It is empty, no text, or the setting is no codec.
    """
    if not head:
        raise Unreadable(*_EMPTY)
    for magic, what, remedy in _FOREIGN:
        if head.startswith(magic):
            raise Unreadable(what, remedy)
    if setting:
        return _checked(setting)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if len(_CONTROL.findall(head)) * 10 >= len(head):
        raise _no_text(head)
    return "utf-8"


def not_in(encoding: str, sample: bytes, *, setting: str) -> Unreadable:
    """Return the refusal of bytes that are not text in an encoding.

    Args:
        encoding: The codec that failed.
        sample: The bytes from where it failed.
        setting: What the user said; empty: nothing.
    """
    if setting:
        problem = f"it is not text in the encoding {quoted(setting)}"
        return Unreadable(problem, "correct `encoding`, or save the file as CSV UTF-8")
    if encoding != "utf-8":
        problem = f"it begins as {encoding.upper()} and then is not"
        return Unreadable(problem, "copy it again, or save it as CSV UTF-8")
    if _CONTROL.search(sample):
        return Unreadable(*_BINARY)
    looks, codec = ("GBK", "gbk") if _is_gbk(sample) else ("Western", "cp1252")
    return Unreadable(
        f"it is not UTF-8; it looks like {looks} text",
        f'add the line encoding = "{codec}" to the job file, or save it as CSV UTF-8',
    )


def _checked(setting: str) -> str:
    try:
        name = codecs.lookup(setting).name
        codecs.getincrementaldecoder(setting)("strict").decode(b"")
        "".encode(setting)  # refuses codecs that are not between text and bytes
    except (LookupError, UnicodeError, ValueError, AttributeError, TypeError) as error:
        raise _no_codec(setting) from error
    if name in _ODD_CODECS:
        raise _no_codec(setting)
    return name


def _no_codec(setting: str) -> Unreadable:
    problem = f"encoding = {quoted(setting)} is not an encoding that is known here"
    return Unreadable(problem, 'try "utf-8", "gbk", "utf-16" or "cp1252"')


def _no_text(head: bytes) -> Unreadable:
    for first, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        if not any(head[first:64:2]):
            return Unreadable(
                "it looks like UTF-16 without its mark",
                f'add the line encoding = "{codec}" to the job file',
            )
    return Unreadable(*_BINARY)


def _is_gbk(sample: bytes) -> bool:
    runs = _HIGH_BYTES.findall(sample)
    if sum(len(run) == 1 for run in runs) * 2 > len(runs):
        return False  # accented letters stand alone, Chinese ones in pairs
    try:
        text = codecs.getincrementaldecoder("gb18030")().decode(sample)
    except UnicodeDecodeError:
        return False
    return bool(_HAN.search(text))
