"""Manifests that need an extra: zstd and Parquet."""

import datetime as dt
import hashlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from bulkbind.errors import ManifestError
from bulkbind.manifest import Manifest, Shape, Source
from bulkbind.manifest.source import BOMB_FREE
from tests.factories import bindings, hex_id

COLUMNS = ("instance_id", "plugin_id", "plugin_type", "env_id", "api_id", "owner")
TABLE = "\n".join([",".join(COLUMNS), *(",".join(row) for row in bindings(3000))])


def manifest(path):
    return Manifest([Source(path.name, path)], shape=Shape(accounts={"default": ""}))


def rows_of(path):
    return list(manifest(path).rows())


def refusal_of(path):
    with pytest.raises(ManifestError) as refusal:
        rows_of(path)
    return str(refusal.value)


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "apis.csv"
    path.write_text(TABLE)
    return path


# --- zstd -----------------------------------------------------------------------------


def compressed(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(text)


@pytest.mark.parametrize("frames", [1, 3])
def test_zstd_is_read_as_what_is_in_it(tmp_path, plain, frames):
    path = tmp_path / "apis.csv.zst"
    text = TABLE.encode()
    size = -(-len(text) // frames)
    path.write_bytes(
        b"".join(compressed(text[at : at + size]) for at in range(0, len(text), size))
    )
    read = manifest(path)

    assert list(read.rows()) == rows_of(plain)
    (file,) = read.files
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[: len(data) // 2], "zstd is cut off"),
        (lambda data: data + b"more", "zstd is damaged"),
        (lambda data: data[:60] + bytes(20) + data[80:], "zstd is damaged"),
    ],
)
def test_zstd_that_is_not_whole_is_refused(tmp_path, spoil, said):
    path = tmp_path / "apis.csv.zst"
    path.write_bytes(spoil(compressed(TABLE.encode())))

    assert said in refusal_of(path)


def test_a_zstd_bomb_is_refused(tmp_path):
    path = tmp_path / "apis.csv.zst"
    path.write_bytes(
        compressed(TABLE.encode() + (b"\n" + b"x" * 9_999) * (BOMB_FREE // 5_000))
    )

    assert "zstd expands more than" in refusal_of(path)


def test_without_the_extra_zstd_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = tmp_path / "apis.csv.zst"
    path.write_bytes(compressed(TABLE.encode()))

    assert "pip install 'bulkbind[zstd]'" in refusal_of(path)


# --- Parquet --------------------------------------------------------------------------


def parquet(path, columns, **how):
    pq.write_table(pa.table(columns), path, **how)
    return path


def test_parquet_is_read_as_the_table_it_is(tmp_path, plain):
    columns = dict(zip(COLUMNS, zip(*bindings(3000), strict=True), strict=True))
    path = parquet(tmp_path / "apis.parquet", columns, row_group_size=700)
    read = manifest(path)

    assert list(read.rows()) == rows_of(plain)
    (file,) = read.files
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file.size == path.stat().st_size


def test_parquet_cells_of_any_simple_type_are_carried_as_text(tmp_path):
    target = {name: [hex_id(name)] * 2 for name in COLUMNS[:2] + COLUMNS[3:5]}
    path = parquet(
        tmp_path / "apis.parquet",
        target
        | {
            "count": [1, None],
            "day": [dt.date(2026, 1, 2), None],
            'a, "name"': ['with "quotes", commas\nand lines', "ünï"],
        },
    )

    first, second = rows_of(path)
    assert first.carried == ("1", "2026-01-02", 'with "quotes", commas\nand lines')
    assert second.carried == ("", "", "ünï")
    assert first.fault is second.fault is None


def test_a_bad_row_of_parquet_is_named_by_its_number(tmp_path):
    columns = dict(zip(COLUMNS, map(list, zip(*bindings(5), strict=True)), strict=True))
    columns["api_id"][3] = "two words"

    faults = [row for row in rows_of(parquet(tmp_path / "a", columns)) if row.fault]
    assert [row.line for row in faults] == [5]


def test_parquet_without_rows_has_none(tmp_path):
    columns = {name: pa.array([], pa.string()) for name in COLUMNS}

    assert rows_of(parquet(tmp_path / "a", columns)) == []


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"owner": [["a", "list"]]}, "owner"),
        ({"blob": [b"\xff\x00"]}, "blob"),
    ],
)
def test_parquet_that_is_no_table_of_texts_is_refused(tmp_path, columns, said):
    text = refusal_of(parquet(tmp_path / "a", columns))

    assert said in text
    assert "not text" in text


def test_damaged_parquet_is_refused(tmp_path):
    path = parquet(tmp_path / "a", {"x": ["y"]})
    path.write_bytes(path.read_bytes()[:-6] + b"......")

    assert "Parquet cannot be read" in refusal_of(path)


def test_without_the_extra_parquet_says_what_to_install(tmp_path, monkeypatch):
    path = parquet(tmp_path / "a", {"x": ["y"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    assert "pip install 'bulkbind[parquet]'" in refusal_of(path)


def test_parquet_whose_text_is_no_utf_8_is_refused(tmp_path):
    latin = pa.array([b"Z\xfcrich"]).view(pa.string())
    target = {name: [hex_id(name)] for name in COLUMNS[:2] + COLUMNS[3:5]}

    text = refusal_of(parquet(tmp_path / "a", target | {"owner": latin}))

    assert "owner" in text
