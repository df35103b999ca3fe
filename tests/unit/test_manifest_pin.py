"""The pinned manifest comes back as it was written."""

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkbind.errors import Fault, LedgerDamaged
from bulkbind.manifest import PinWriter, read_pin, read_pinned
from bulkbind.model import Row

ROW = Row(0, 2, "default", "P", "i", "p", "cors", "e", "a", ("x", "", ""))

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
rows = st.builds(
    lambda file, line, ids, carried: Row._make(
        (file, line, *ids, tuple(carried), None, True)
    ),
    st.integers(0, 99),
    st.integers(1),
    st.lists(texts, min_size=7, max_size=7),
    st.lists(texts | st.sampled_from(["", "\r", "\n", '"', ",", " x ", "\r\n"])),
)


def pin(path: Path, rows) -> str:
    with PinWriter(path) as writer:
        for row in rows:
            writer.write(row)
    return writer.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(rows, max_size=5))
def test_every_row_comes_back_exactly(tmp_path, written):
    pin(tmp_path / "pin", written)

    assert list(read_pin(tmp_path / "pin")) == written


def test_more_rows_than_are_compressed_at_once_come_back(tmp_path):
    written = [ROW._replace(line=line) for line in range(1, 10_000)]
    pin(tmp_path / "pin", written)

    assert list(read_pin(tmp_path / "pin")) == written


def test_a_faulty_row_comes_back_without_its_fault(tmp_path):
    pin(tmp_path / "pin", [ROW._replace(fault=Fault("m", 2, "", "bad", "mend"))])

    assert list(read_pin(tmp_path / "pin")) == [ROW]


def test_the_digest_is_of_the_file(tmp_path):
    digest = pin(tmp_path / "pin", [ROW])

    assert digest == hashlib.sha256((tmp_path / "pin").read_bytes()).hexdigest()


def test_the_same_rows_give_the_same_bytes(tmp_path):
    assert pin(tmp_path / "a", [ROW] * 9) == pin(tmp_path / "b", [ROW] * 9)


def test_it_is_gzip_of_csv_with_a_header(tmp_path):
    pin(tmp_path / "pin", [ROW])

    assert gzip.decompress((tmp_path / "pin").read_bytes()).decode() == (
        "number,line,api_id,carried\n+,0,default,P,i,p,cors,e\n0,2,a,x,,\n"
    )


def test_only_its_owner_may_read_it(tmp_path):
    pin(tmp_path / "pin", [])

    assert (tmp_path / "pin").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_a_copy_that_is_cut_is_not_believed(tmp_path, cut):
    path = tmp_path / "pin"
    pin(path, [ROW])
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(LedgerDamaged):
        list(read_pin(path))


@pytest.mark.parametrize(
    "text", ["other,header\n", "0,2,x\n", "x,2,a\n", "+\n", "+,0,d\n0,2,a\n"]
)
def test_a_copy_that_says_something_else_is_not_believed(tmp_path, text):
    path = tmp_path / "pin"
    header = "number,line,api_id,carried\n"
    path.write_bytes(gzip.compress((header * (text[0] in "0x+") + text).encode()))

    with pytest.raises(LedgerDamaged):
        list(read_pin(path))


plain = st.builds(
    lambda line, target, width: ROW._replace(
        line=line, plugin_id=f"p{target}", carried=("x",) * width
    ),
    st.integers(1, 9999),
    st.integers(0, 2),
    st.sampled_from([2, 2, 2, 0, 3]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(rows | plain, max_size=20),
    st.sets(st.integers(0, 19)),
    st.integers(1, 200),
)
def test_rows_come_back_whatever_is_taken_apart_at_once(
    tmp_path, written, invalid, chunk
):
    fault = Fault("apis.csv", 1, "api_id", "is no id", "correct it")
    marked = [
        row._replace(fault=fault) if number in invalid else row
        for number, row in enumerate(written)
    ]
    digest = pin(tmp_path / "pin", marked)

    parts = read_pinned(tmp_path / "pin", sha256=digest, chunk=chunk)

    assert [row for part in parts for row in part.rows()] == written


def test_a_copy_that_was_made_anew_is_not_what_was_planned(tmp_path):
    planned = pin(tmp_path / "planned", [ROW])
    pin(tmp_path / "pin", [ROW._replace(line=3)])

    with pytest.raises(LedgerDamaged, match="is not what was planned"):
        list(read_pinned(tmp_path / "pin", sha256=planned))
