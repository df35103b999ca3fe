"""Blocks say what the csv module would say of the same lines, row by row."""

import gzip
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkbind.errors import ManifestError
from bulkbind.manifest import Manifest, PinWriter, Shape, Source, read_pin
from bulkbind.manifest.blocks import BlockMaker, pack_ids
from bulkbind.model import Block, Row
from bulkbind.plan import OnConflict, Planner, PlanSettings, draw
from tests.factories import hex_id
from tests.unit.test_plan_build import Pinned

law = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=300,
)

HEADERS = [
    "instance_id,plugin_id,plugin_type,env_id,api_id",
    "api_id,owner,plugin_id,instance_id,env_id",
    "env_id;api_id;plugin_id;instance_id;note;account",
    "env_id\tapi_id\tplugin_id\tinstance_id\tnote",
]
IDS = [hex_id(name) for name in "abcdefgh"]
cells = st.one_of(
    st.sampled_from(IDS),
    st.sampled_from(IDS),
    st.sampled_from(IDS),
    st.sampled_from(["p", "cors", "default", "", " ", "x y", IDS[0].upper(), " a"]),
    st.sampled_from(['"q"', '"a\n,b"', "'=1", "ünï", "1E+31", "\u2028", "'", "a,b"]),
)
ends = st.sampled_from(["\n", "\n", "\r\n", "\r"])


@st.composite
def tables(draw_from):
    header = draw_from(st.sampled_from(HEADERS))
    delimiter = next(mark for mark in "\t;," if mark in header)
    width = header.count(delimiter) + 1
    end = draw_from(ends)
    sound = st.lists(st.sampled_from(IDS), min_size=width, max_size=width)
    odd = st.lists(cells, max_size=width + 1)
    rows = draw_from(st.lists(st.one_of(sound, sound, sound, odd), max_size=40))
    lines = [header, *(delimiter.join(row) for row in rows)]
    return end.join(lines) + draw_from(st.sampled_from(["", end]))


def manifest(path, **how):
    shape = Shape(accounts={"default": "", IDS[0]: "P"})
    return Manifest([Source("m.csv", path)], shape=shape, **how)


def outcome(read):
    """Return rows, and the error that ended them."""
    rows = []
    try:
        rows.extend(read)
    except ManifestError as error:
        return rows, str(error)
    return rows, ""


def singly(path):
    """Read without blocks."""
    with patch.object(BlockMaker, "can", return_value=False):
        return outcome(manifest(path).rows())


@law
@given(tables(), st.integers(1, 400), st.integers(0, 400))
def test_blocks_say_what_single_rows_say(tmp_path, text, chunk, piece):
    path = tmp_path / "m.csv"
    path.write_text(text, encoding="utf-8", newline="")

    found = outcome(manifest(path, chunk_size=chunk, piece_size=piece).rows())
    whole = outcome(manifest(path).rows())

    assert found == whole == singly(path)


def plan_of(rows, bound):
    planner = Planner(
        PlanSettings(batch_size=3, on_conflict=OnConflict.FIRST),
        gateway_of=lambda account, instance: instance,
        file_name=str,
        bound=bound,
    )
    pinned = Pinned()
    draw(planner, rows, pin=pinned)
    return list(planner.batches()), planner.draft, pinned


@law
@given(tables(), st.integers(0, 400), st.integers(0, 2000))
def test_blocks_are_planned_and_pinned_as_single_rows(tmp_path, text, piece, bound):
    path = tmp_path / "m.csv"
    path.write_text(text, encoding="utf-8", newline="")
    rows, _ = singly(path)
    read, _ = outcome(manifest(path, piece_size=piece).read())

    assert plan_of(read, bound) == plan_of(rows, bound)

    for name, items in (("blocks", read), ("rows", rows)):
        with PinWriter(tmp_path / name) as pin:
            for item in items:
                if isinstance(item, Block):
                    pin.write_block(item)
                else:
                    pin.write(item)
    assert list(read_pin(tmp_path / "blocks")) == list(read_pin(tmp_path / "rows"))


def test_sound_lines_come_in_blocks_and_odd_ones_between_them(tmp_path):
    targets = f"{IDS[0]},{IDS[1]},cors,{IDS[2]}"
    lines = [f"{targets},{hex_id(f'api-{number}')}" for number in range(400)]
    lines[50] = f"{targets},too many,cells"
    path = tmp_path / "m.csv"
    path.write_text("\n".join([HEADERS[0], *lines]), encoding="utf-8")

    items = list(manifest(path, piece_size=0, chunk_size=8000).read())
    blocks = [item for item in items if isinstance(item, Block)]
    faulty = [item for item in items if isinstance(item, Row) and item.fault]

    assert sum(map(len, blocks)) > 250
    assert [row.line for row in faulty] == [52]


def test_a_block_of_another_delimiter_is_pinned_with_its_commas(tmp_path):
    header, targets = HEADERS[2], f"{IDS[1]};{IDS[2]};a,b;default"
    lines = [f"e;{hex_id(f'api-{number}')};{targets}" for number in range(50)]
    path = tmp_path / "m.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    with PinWriter(tmp_path / "pin") as pin:
        for item in manifest(path, piece_size=0, chunk_size=900).read():
            (pin.write_block if isinstance(item, Block) else pin.write)(item)

    assert {row.carried for row in read_pin(tmp_path / "pin")} == {("a,b",)}
    assert b'"a,b"' in gzip.decompress((tmp_path / "pin").read_bytes())


@given(st.lists(cells, max_size=6))
def test_ids_are_packed_or_told_apart(api_ids):
    packed, odd = pack_ids(api_ids)

    assert len(packed) == 16 * len(api_ids)
    assert odd == [at for at, api_id in enumerate(api_ids) if api_id not in IDS]
    for at, api_id in enumerate(api_ids):
        assert packed[16 * at : 16 * at + 16].hex() == (
            "0" * 32 if at in odd else api_id
        )


def test_a_target_spelt_in_two_ways_keeps_its_rows_in_manifest_order(tmp_path):
    path = tmp_path / "m.csv"
    lines = [
        f"{hex_id('g')},{hex_id('p')},{'cors' if no % 2 else ''},e,{hex_id('a', no)}"
        for no in range(4000)
    ]
    lines[3998] = lines[3901].replace(",cors,", ",,")
    path.write_text("\n".join([HEADERS[0], *lines]))
    planner = Planner(
        PlanSettings(),
        gateway_of=lambda account, instance: f"host/{instance}",
        file_name=["m.csv"].__getitem__,
    )

    draw(planner, manifest(path, chunk_size=2000, piece_size=2000).read(), pin=Pinned())
    rows = [row for batch in planner.batches() for row in batch.rows]

    assert rows == sorted(rows)
    (aside,) = planner.draft.asides
    assert (aside.row, aside.text) == (3998, "the same binding as m.csv:3903")
