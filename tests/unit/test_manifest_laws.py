"""Laws of reading that hold for any manifest."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bulkbind.errors import ManifestError
from bulkbind.manifest import Manifest, Shape, Source
from bulkbind.model import FORMULA, Row

HEADER = ["instance_id", "plugin_id", "env_id", "api_id"]
IDS = ["i", "p", "e"]
law = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)

cells = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
awkward = st.sampled_from(
    ["\r", "\n", "\r\n", '"', ",", "'=1", "=1", "'", " ", "é", "中"]
)
tables = st.lists(
    st.lists(cells | awkward | st.lists(awkward).map("".join), min_size=2, max_size=2),
    max_size=6,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | awkward,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


def outcome(
    path: Path, data: bytes, *, chunk_size: int = 2**18
) -> tuple[list[Row], str, list[str]]:
    """Return the rows, the error that ended them if any, and the carried names."""
    path.write_bytes(data)
    manifest = Manifest([Source("m", path)], shape=Shape(), chunk_size=chunk_size)
    rows: list[Row] = []
    try:
        rows.extend(manifest.rows())  # keeps what came before an error
    except ManifestError as error:
        return rows, str(error), manifest.carried
    return rows, "", manifest.carried


def written(table: list[list[str]], *, end: str = "\r\n", delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    # \r\n first: csv quotes only what its own line end holds
    csv.writer(
        text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=end
    ).writerows(
        [
            [*HEADER, "one", "two"],
            *([*IDS, f"a{n}", *row] for n, row in enumerate(table)),
        ]
    )
    return text.getvalue()


def unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


@law
@given(tables, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(",;\t|"))
def test_cells_are_read_as_the_csv_module_wrote_them(tmp_path, table, end, delimiter):
    data = written(table, end=end, delimiter=delimiter).encode()
    rows, error, _ = outcome(tmp_path / "m", data)

    assert error == ""
    assert [row.carried for row in rows] == [tuple(map(unguarded, r)) for r in table]


@law
@given(tables)
def test_a_row_stands_at_the_line_its_text_starts_in(tmp_path, table):
    text = written(table)
    rows, _, _ = outcome(tmp_path / "m", text.encode())

    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, row in enumerate(rows):
        assert lines[row.line - 1].startswith(f'"i","p","e","a{number}"')


@law
@given(
    st.one_of(
        tables.map(written),
        tables.map(written).map(lambda text: text[:-3]),
        st.lists(st.fixed_dictionaries({"api_id": cells, "x": values})).map(json.dumps),
        st.lists(st.fixed_dictionaries({"api_id": cells, "x": values})).map(
            lambda rows: "\r".join(map(json.dumps, rows))
        ),
        st.lists(st.dictionaries(st.text(), values)).map(
            lambda rows: json.dumps(rows, indent=1, ensure_ascii=True)[:-4]
        ),
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gzip"]),
    st.integers(1, 40),
)
@example('{"a": 1}\r\n{"a": 2}', "utf-8", 1)
@example("api_id,x\n1,é", "utf-8", 1)
@example('[1.5, 12, true, {"a": "\\u00e9"}]', "utf-8", 1)
def test_rows_do_not_depend_on_how_much_is_read_at_once(
    tmp_path, text, encoding, chunk_size
):
    encoded = text.encode("utf-8" if encoding == "gzip" else encoding, "replace")
    data = gzip.compress(encoded) if encoding == "gzip" else encoded
    whole = outcome(tmp_path / "m", data)

    assert outcome(tmp_path / "m", data, chunk_size=chunk_size) == whole


@law
@given(
    st.sampled_from(
        [b"", b"api_id,x\n", b"instance_id,plugin_id,env_id,api_id\n", b"[{", b'{"a":']
    ),
    st.binary(max_size=300),
    st.sampled_from(["", "gbk", "utf-16", "cp1252", "shift_jis", "iso2022_jp"]),
)
def test_any_bytes_give_rows_or_a_manifest_error(tmp_path, head, tail, encoding):
    path = tmp_path / "m"
    path.write_bytes(head + tail)
    shape = Shape(
        encoding=encoding,
        defaults={"instance_id": "i", "plugin_id": "p", "env_id": "e", "api_id": "a"},
    )
    for row in _rows_or_nothing(Manifest([Source("m", path)], shape=shape)):
        for cell in (*row[2:9], *row.carried):
            assert "\0" not in cell
            cell.encode()


@law
@given(st.text('{}[]",:\\u0019aNe+- \n\r\t', max_size=60))
def test_any_text_like_json_gives_rows_or_a_manifest_error(tmp_path, text):
    path = tmp_path / "m"
    path.write_text("[" + text, encoding="utf-8", newline="")

    rows = list(_rows_or_nothing(Manifest([Source("m", path)], shape=Shape())))

    assert all(row.fault is not None for row in rows)  # no such text holds four ids


@law
@given(st.text(), st.sampled_from(["api_id", "instance_id", "account", "plugin_type"]))
def test_a_row_is_faulty_or_its_ids_are_what_an_address_may_hold(
    tmp_path, text, column
):
    path = tmp_path / "m"
    row = dict(zip(HEADER, [*IDS, "a"], strict=True)) | {column: text}
    path.write_text(json.dumps([row]), encoding="utf-8")
    (read,) = Manifest([Source("m", path)], shape=Shape()).rows()

    if read.fault is None:
        assert all(c.isascii() for c in "".join(read[2:9]))
        assert not set("/?#%.@:\r\n ") & set("".join(read[2:9]))


def _rows_or_nothing(manifest: Manifest) -> list[Row]:
    try:
        return list(manifest.rows())
    except ManifestError:
        return []


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_every_row_is_read_once_and_in_order(tmp_path, count):
    path = tmp_path / "m"
    path.write_text(written([["x", "y"]] * count), encoding="utf-8", newline="")
    rows = list(Manifest([Source("m", path)], shape=Shape(), chunk_size=1000).rows())

    assert [row.api_id for row in rows] == [f"a{n}" for n in range(count)]
