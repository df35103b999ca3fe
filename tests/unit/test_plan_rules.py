"""The plan's rules: who wins a slot, what is a repeat, how batches are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.plan.claims import Claims
from bulkbind.plan.rules import (
    Claim,
    Claimant,
    OnConflict,
    by_target,
    one_by_one,
    rule_group,
    rule_repeats,
    rule_slots,
    unwanted_row,
)

CORS_A, CORS_B, LIMIT, UNTYPED = 0, 1, 2, 3
CLAIMANTS = {
    CORS_A: Claimant("cors-a", "cors"),
    CORS_B: Claimant("cors-b", "cors"),
    LIMIT: Claimant("limit", "rate_limit"),
    UNTYPED: Claimant("untyped", ""),
}


def claim(line: int, target: int, api_id: str = "api") -> Claim:
    return Claim(line, line, target, api_id)


def losers(claims, policy):
    rulings = rule_slots(claims, CLAIMANTS, policy=policy)
    return [(ruling.claim.place, ruling.winner.place) for ruling in rulings]


@pytest.mark.parametrize(
    ("policy", "lost"),
    [
        (OnConflict.STOP, [(2, 1)]),
        (OnConflict.FIRST, [(2, 1)]),
        (OnConflict.LAST, [(1, 2)]),
    ],
)
def test_two_plugins_of_one_type_cannot_both_have_an_api(policy, lost):
    claims = [claim(1, CORS_A), claim(2, CORS_B)]

    assert losers(claims, policy) == lost


@pytest.mark.parametrize("policy", OnConflict)
def test_every_line_of_every_loser_names_the_line_that_decided(policy):
    claims = [claim(1, CORS_A), claim(2, CORS_B), claim(3, CORS_A), claim(4, CORS_B)]
    expected = {
        OnConflict.STOP: [(2, 1), (4, 1)],
        OnConflict.FIRST: [(2, 1), (4, 1)],
        OnConflict.LAST: [(1, 4), (3, 4)],
    }

    assert losers(claims, policy) == expected[policy]


@pytest.mark.parametrize("policy", OnConflict)
@pytest.mark.parametrize(
    "claims",
    [
        [],
        [claim(1, CORS_A)],
        [claim(1, CORS_A), claim(2, LIMIT)],
        [claim(1, CORS_A), claim(2, CORS_A)],
        [claim(1, CORS_A, "x"), claim(2, CORS_B, "y")],
        [claim(1, UNTYPED), claim(2, CORS_A)],
    ],
    ids=["nothing", "one", "two types", "a repeat", "two APIs", "an unknown type"],
)
def test_what_is_no_conflict_loses_nothing(claims, policy):
    assert losers(claims, policy) == []


def test_plugins_of_unknown_type_are_never_rivals():
    claimants = {0: Claimant("a", ""), 1: Claimant("b", "")}
    rulings = rule_slots([claim(1, 0), claim(2, 1)], claimants, policy=OnConflict.FIRST)

    assert rulings == []


def test_one_plugin_reached_through_two_accounts_is_no_conflict():
    claimants = {0: Claimant("a", "cors"), 1: Claimant("a", "cors")}
    rulings = rule_slots([claim(1, 0), claim(2, 1)], claimants, policy=OnConflict.FIRST)

    assert rulings == []


def test_a_row_that_is_not_wanted_may_win_a_slot():
    unwanted = Claim(unwanted_row(1, 0), 1, CORS_A, "api")
    rulings = rule_slots(
        [unwanted, claim(2, CORS_B)], CLAIMANTS, policy=OnConflict.FIRST
    )

    assert rulings == [(claim(2, CORS_B), unwanted)]


def test_repeats_collapse_into_the_first():
    kept, repeats = rule_repeats(
        [claim(1, CORS_A), claim(2, CORS_A), claim(3, CORS_A)], CLAIMANTS
    )

    assert kept == [claim(1, CORS_A)]
    assert [(r.claim.place, r.winner.place) for r in repeats] == [(2, 1), (3, 1)]


def test_other_plugins_and_other_apis_are_no_repeats():
    claims = [claim(1, CORS_A), claim(2, LIMIT), claim(3, CORS_A, "other")]

    assert rule_repeats(claims, CLAIMANTS) == (claims, [])


def test_one_plugin_reached_through_two_accounts_is_a_repeat():
    claimants = {0: Claimant("a", ""), 1: Claimant("a", "")}
    kept, repeats = rule_repeats([claim(1, 0), claim(2, 1)], claimants)

    assert kept == [claim(1, 0)]
    assert len(repeats) == 1


def column(count):
    return by_target([claim(line, CORS_A, f"a{line}") for line in range(count)]).get(
        CORS_A, Claims.none()
    )


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (500, [500]), (501, [500, 1]), (1000, [500, 500])],
)
def test_batches_are_filled_before_another_begins(count, sizes):
    assert [len(part) for part in column(count).parts(500)] == sizes


@given(count=st.integers(0, 60), size=st.integers(1, 20))
def test_cutting_loses_nothing_and_keeps_the_order(count, size):
    parts = list(column(count).parts(size))

    whole = Claims.none()
    for part in parts:
        whole.append(part)
    assert whole == column(count)
    assert len(parts) == -(-count // size)


# --- whole groups ---------------------------------------------------------------------

TWINS = CLAIMANTS | {4: Claimant("cors-a", "cors"), 5: Claimant("limit", "rate_limit")}

wishes = st.lists(
    st.tuples(st.sampled_from(sorted(TWINS)), st.sampled_from("xyz"), st.booleans()),
    max_size=12,
)


@given(wishes=wishes, policy=st.sampled_from(OnConflict))
def test_a_group_is_ruled_as_its_claims_one_by_one(wishes, policy):
    claims, rows = [], 0
    for place, (target, api_id, wanted) in enumerate(wishes):
        row = rows if wanted else unwanted_row(rows, place)
        claims.append(Claim(row, place, target, api_id))
        rows += wanted

    lost = rule_slots(claims, TWINS, policy=policy)
    losers = {ruling.claim.row for ruling in lost}
    left = [each for each in claims if each.row >= 0 and each.row not in losers]
    kept, repeats = rule_repeats(left, TWINS)
    found = rule_group(by_target(claims), TWINS, policy=policy)

    assert found.lost == lost
    assert found.repeats == repeats
    assert one_by_one(found.kept, found.kept) == kept
    assert list(found.kept) == list(dict.fromkeys(each.target for each in kept))
