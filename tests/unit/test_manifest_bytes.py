"""Bytes: encodings, gzip, standard input, and files that are no manifest."""

import errno
import gzip
import hashlib
import io
import os
import sys
import zlib
from pathlib import Path

import pytest

from bulkbind.errors import ManifestError
from bulkbind.manifest import Manifest, Shape, Source, refuse_missing

HEADER = "instance_id,plugin_id,env_id,api_id"
TEXT = f"{HEADER},名\ni,p,e,a,中文\n"


@pytest.fixture
def manifest(tmp_path: Path):
    def build(data: bytes, **shape) -> Manifest:
        path = tmp_path / "m"
        path.write_bytes(data)
        return Manifest([Source("m", path)], shape=Shape(**shape))

    return build


def broken(manifest: Manifest) -> str:
    with pytest.raises(ManifestError) as caught:
        list(manifest.rows())
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_or_utf_8_needs_no_setting(manifest, encoding):
    m = manifest(TEXT.encode(encoding))
    (row,) = m.rows()

    assert (m.carried, row.carried) == (["名"], ("中文",))


@pytest.mark.parametrize("encoding", ["gbk", "utf-16-le", "utf-16-be", "utf-8", "big5"])
def test_an_encoding_that_is_set_is_used(manifest, encoding):
    (row,) = manifest(TEXT.encode(encoding), encoding=encoding).rows()

    assert row.carried == ("中文",)


def test_gbk_is_recognised_and_the_line_to_add_is_told(manifest):
    text = broken(manifest((HEADER + "\n" + "i,p,e,中文名称\n" * 3).encode("gbk")))

    assert text.startswith("m:2: it is not UTF-8; it looks like GBK")
    assert 'encoding = "gbk"' in text


def test_western_text_is_recognised_and_the_line_to_add_is_told(manifest):
    text = broken(manifest(f"{HEADER},n\ni,p,e,a,Zoé éa\n".encode("cp1252")))

    assert 'encoding = "cp1252"' in text


def test_utf_16_without_mark_is_recognised(manifest):
    assert 'encoding = "utf-16-be"' in broken(manifest(TEXT.encode("utf-16-be")))


def test_text_that_is_not_in_the_encoding_set_is_refused(manifest):
    text = broken(manifest(HEADER.encode() + b"\n\xff\xff\n", encoding="gbk"))

    assert text.startswith('m:2: it is not text in the encoding "gbk"')


def test_utf_16_that_is_cut_in_a_character_is_told(manifest):
    text = broken(manifest(TEXT.encode("utf-16")[:-1]))

    assert text.startswith("m:2: it begins as UTF-16 and then is not")


def test_utf_16_that_is_set_must_have_its_mark(manifest):
    text = broken(manifest(TEXT.encode("utf-16-le"), encoding="utf-16"))

    assert 'it is not text in the encoding "utf-16"' in text


@pytest.mark.parametrize("encoding", ["klingon", "hex", "utf-7", "idna", "zip", "\0"])
def test_a_setting_that_is_no_encoding_is_refused(manifest, encoding):
    assert "is not an encoding" in broken(manifest(b"x", encoding=encoding))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "it is empty"),
        (gzip.compress(b""), "it is empty"),
        (b"\n \n", "it has no header line"),
        (b"\xef\xbb\xbf", "it has no header line"),
        (b"PK\x03\x04xlsx", "Excel workbook (.xlsx)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel workbook (.xls)"),
        (b"PAR1", "Parquet cannot be read"),
        (gzip.compress(b"PAR1"), "it is Parquet that was compressed"),
        (b"%PDF-1.7", "it is a PDF"),
        (b"\x28\xb5\x2f\xfd", "its zstd is cut off"),
        (gzip.compress(b"\x28\xb5\x2f\xfd"), "it is zstd inside gzip"),
        (gzip.compress(gzip.compress(b"x")), "it is gzip inside gzip"),
        (b"\x7fELF" + b"\0" * 60, "it is a binary file"),
        (bytes(range(1, 256)) * 4, "it is a binary file"),
    ],
)
def test_what_is_no_manifest_is_told_what_it_is(manifest, data, what):
    assert what in broken(manifest(data))


def test_a_nul_is_told_with_its_line(manifest):
    rows = f"{HEADER}\n" + "i,p,e,a\n" * 9

    assert broken(manifest(rows.encode() + b"i,\0")).startswith("m:11: there is a NUL")


def test_rows_before_the_damage_come_first(manifest):
    rows = manifest(f"{HEADER}\ni,p,e,a\ni,p,".encode() + b"\xff").rows()

    assert next(rows).api_id == "a"
    with pytest.raises(ManifestError, match="m:3: "):
        next(rows)


def test_gzip_is_known_by_its_content(manifest):
    (row,) = manifest(gzip.compress(TEXT.encode())).rows()

    assert row.api_id == "a"


def test_gzip_members_follow_one_another(manifest):
    data = gzip.compress(TEXT.encode()) + gzip.compress(b"i,p,e,b,\n") + bytes(9)

    assert [row.api_id for row in manifest(data).rows()] == ["a", "b"]


def test_gzip_that_is_cut_off_is_told_with_its_line(manifest):
    data = gzip.compress(f"{HEADER}\ni,p,e,a\n".encode())

    assert broken(manifest(data[:-4])).startswith("m:3: its gzip is cut off")
    assert "its gzip is cut off" in broken(manifest(data[:5]))


def test_gzip_that_is_damaged_is_told(manifest):
    data = bytearray(gzip.compress(TEXT.encode()))
    data[-6] ^= 1

    assert "its gzip is damaged" in broken(manifest(bytes(data)))


def test_garbage_after_gzip_is_told(manifest):
    assert "gzip" in broken(manifest(gzip.compress(TEXT.encode()) + b"garbage"))


def test_a_gzip_bomb_is_refused(manifest):
    deflate = zlib.compressobj(9, wbits=31)
    line = b" " * 2**20 + b"\n"
    parts = [deflate.compress(f"{HEADER}\n".encode())]
    parts += [deflate.compress(line) for _ in range(80)]

    text = broken(manifest(b"".join([*parts, deflate.flush()])))

    assert "its gzip expands more than 200 to 1" in text


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        gzip.compress(TEXT.encode()) + bytes(5000),
        b'[{"a": 1}]' + b" " * 5000,
    ],
)
def test_hash_and_size_are_of_the_users_bytes(manifest, data):
    m = manifest(data)
    list(m.rows())

    assert m.files == [("m", hashlib.sha256(data).hexdigest(), len(data))]


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    m = Manifest([Source("<stdin>", None)], shape=Shape())
    (row,) = m.rows()

    assert row.api_id == "a"
    assert m.files[0].name == "<stdin>"


def test_standard_input_that_fails_is_told_with_its_line(monkeypatch):
    class Failing(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            if data := super().read1(size):
                return data
            raise OSError(5, "Input/output error")

    stream = Failing(f"{HEADER}\ni,p,e,a\n".encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    text = broken(Manifest([Source("<stdin>", None)], shape=Shape()))

    assert text.startswith("<stdin>:3: reading failed: Input/output error")


def test_no_standard_input_is_told(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)

    assert "there is no standard input" in broken(
        Manifest([Source("<stdin>", None)], shape=Shape())
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [("missing", "there is no such file"), (".", "it is a folder"), ("\0", "cannot")],
)
def test_a_file_that_cannot_be_opened_is_told(tmp_path, name, what):
    source = Source("m", tmp_path / name)

    assert what in broken(Manifest([source], shape=Shape()))
    with pytest.raises(ManifestError, match=what):
        refuse_missing([source])


def test_a_pipe_is_not_opened_to_see_whether_it_is_there(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    refuse_missing([Source("pipe", tmp_path / "pipe"), Source("<stdin>", None)])

    with pytest.raises(OSError, match="No such device") as unread:
        os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK)
    assert unread.value.errno == errno.ENXIO  # nobody has it open to read
