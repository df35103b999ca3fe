"""Parquet, differentially: what pyarrow wrote is what the reader gives back."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.manifest import Manifest, Shape, Source
from tests.factories import hex_id

TARGET = ("instance_id", "plugin_id", "env_id", "api_id")

#: What is odd in a table of text or in a spreadsheet, and what is not.
CELLS = st.text(st.sampled_from("a,;\t\"'=+-@\r\n \uff1d\xfc"), max_size=6)

NAMES = CELLS.map(lambda text: f"'=x{text}y") | CELLS.map(lambda text: f"x{text}y")


def read_back(columns, *, piece_size):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "apis.parquet"
        pq.write_table(pa.table(columns), path)
        shape = Shape(accounts={"default": ""})
        manifest = Manifest([Source("a", path)], shape=shape, piece_size=piece_size)
        return list(manifest.rows()), manifest.carried


@given(
    cells=st.lists(st.tuples(CELLS, st.none() | CELLS), max_size=12),
    name=NAMES,
    piece_size=st.sampled_from([1, 200, 1 << 19]),
)
def test_what_pyarrow_wrote_is_given_back_row_by_row(cells, name, piece_size):
    count = len(cells)
    columns = {column: [hex_id(column)] * count for column in TARGET[:-1]}
    columns["api_id"] = pa.array([hex_id(str(at)) for at in range(count)], pa.string())
    columns["note"] = pa.array([note for note, _ in cells], pa.string())
    columns[name] = pa.array([text for _, text in cells], pa.string())

    rows, carried = read_back(columns, piece_size=piece_size)

    assert carried == ["note", name]
    assert [row.line for row in rows] == list(range(2, count + 2))
    assert [row.api_id for row in rows] == [hex_id(str(at)) for at in range(count)]
    assert [row.carried for row in rows] == [(a, b or "") for a, b in cells]
    assert not [row.fault for row in rows if row.fault]
