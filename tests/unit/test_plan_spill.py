"""Claims on disk past a bound: the same ones come back, group by group, in order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bulkbind.model import is_hex_id
from bulkbind.plan.rules import Claim, by_target
from bulkbind.plan.spill import PARTITIONS, Spill

HEX = "0123456789abcdef" * 2

api_ids = st.one_of(
    st.text(alphabet="0123456789abcdef", min_size=32, max_size=32),
    st.text(alphabet="ABCDEFabcdef0123456789_-s", min_size=1, max_size=64),
    st.sampled_from(["x", HEX, HEX.upper(), HEX[:31], HEX + "0"]),
)
claims = st.builds(
    Claim,
    row=st.sampled_from([-(2**62), -1, 0, 1, 2**40]),
    place=st.integers(0, 2**50),
    target=st.integers(0, 3 * PARTITIONS),
    api_id=api_ids,
)
#: A target is of one group.
filled = st.lists(claims, max_size=60)


def group_of(claim):
    return claim.target // 2


def spilled(claims, *, folder=None, bound):
    with Spill(folder, bound=bound) as spill:
        for claim in claims:
            spill.add(group_of(claim), claim)
        return list(spill.groups())


@given(filled)
def test_what_goes_in_comes_out_group_by_group_in_order(claims):
    groups: dict[int, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(group_of(claim), []).append(claim)
    found = spilled(claims, bound=10**9)

    key = min
    assert sorted(found, key=key) == sorted(map(by_target, groups.values()), key=key)


@settings(deadline=None)
@given(claims=filled, bound=st.integers(0, 500))
def test_disk_and_memory_give_the_same_groups_in_the_same_order(claims, bound):
    assert spilled(claims, bound=bound) == spilled(claims, bound=10**9)


@settings(deadline=None)
@given(claims=filled, bound=st.integers(0, 500))
def test_many_at_once_are_as_many_single_ones(claims, bound):
    with Spill(bound=bound) as spill:
        for claim in claims:
            if is_hex_id(claim.api_id):
                spill.extend(
                    group_of(claim),
                    claim.target,
                    rows=[claim.row],
                    places=[claim.place],
                    ids=[bytes.fromhex(claim.api_id)],
                )
            else:
                spill.add(group_of(claim), claim)
        found = list(spill.groups())

    assert found == spilled(claims, bound=10**9)


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

        held = sum(len(columns.ids) for columns in spill._columns.values())
        assert held + sum(map(len, spill._closed)) <= 1000 + 100


def test_ids_as_the_gateway_makes_them_are_told_from_others():
    assert is_hex_id(HEX)
    assert not any(map(is_hex_id, ["", HEX[:-1], HEX + "0", HEX.upper(), "s" * 32]))
