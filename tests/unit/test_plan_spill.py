"""Claims on disk past a bound: the same ones come back, group by group, in order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bulkbind.plan.rules import UNWANTED, Claim
from bulkbind.plan.spill import PARTITIONS, Spill, is_hex_id

HEX = "0123456789abcdef" * 2

api_ids = st.one_of(
    st.text(alphabet="0123456789abcdef", min_size=32, max_size=32),
    st.text(alphabet="ABCDEFabcdef0123456789_-s", min_size=1, max_size=64),
    st.sampled_from(["x", HEX, HEX.upper(), HEX[:31], HEX + "0"]),
)
claims = st.builds(
    Claim,
    row=st.sampled_from([UNWANTED, 0, 1, 2**40]),
    place=st.integers(0, 2**50),
    target=st.integers(0, 2**31 - 1),
    api_id=api_ids,
)
filled = st.lists(st.tuples(st.integers(0, 3 * PARTITIONS), claims), max_size=60)


def spilled(pairs, *, folder=None, bound):
    with Spill(folder, bound=bound) as spill:
        for group, claim in pairs:
            spill.add(group, claim)
        return list(spill.groups())


@given(filled)
def test_what_goes_in_comes_out_group_by_group_in_order(pairs):
    groups: dict[int, list[Claim]] = {}
    for group, claim in pairs:
        groups.setdefault(group, []).append(claim)
    found = spilled(pairs, bound=10**9)

    assert sorted(found) == sorted(groups.values())


@settings(deadline=None)
@given(pairs=filled, bound=st.integers(0, 500))
def test_disk_and_memory_give_the_same_groups_in_the_same_order(pairs, bound):
    assert spilled(pairs, bound=bound) == spilled(pairs, bound=10**9)


def test_nothing_is_left_on_disk(tmp_path):
    claim = Claim(0, 1, 2, HEX)
    with Spill(tmp_path, bound=0) as spill:
        for group in range(5):
            spill.add(group, claim)

        assert list(tmp_path.iterdir()) == []

    assert list(tmp_path.iterdir()) == []


def test_memory_is_given_back_when_it_is_written_out():
    with Spill(bound=1000) as spill:
        for number in range(1000):
            spill.add(number, Claim(number, number, 0, HEX))

        assert sum(map(len, spill._buffers)) <= 1000 + 100


def test_ids_as_the_gateway_makes_them_are_told_from_others():
    assert is_hex_id(HEX)
    assert not any(map(is_hex_id, ["", HEX[:-1], HEX + "0", HEX.upper(), "s" * 32]))
