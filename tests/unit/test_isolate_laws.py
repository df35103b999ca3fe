"""Laws of the search that hold for any bad set, any gateway and any history."""

from itertools import product
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.isolate import Search
from tests.isolation_table import (
    API_IDS,
    COUNTS,
    HINTED,
    HINTS,
    LAYOUTS,
    RUN_AWARE,
    SIZE,
    Gateway,
    check,
    cost,
    random_sets,
    seeded,
    solve,
)

#: What a search is told: the ids it asked for, and the message; None: taken.
Told = tuple[tuple[int, ...], str | None]


def tell(search: Search, told: Told) -> None:
    positions, message = told
    if message is None:
        search.settle(positions)
    else:
        search.refuse(positions, message=message)


def search_of(size: int, told: list[Told] | None = None) -> Search:
    search = Search(range(size), api_ids=API_IDS[:size])
    for one in told or []:
        tell(search, one)
    return search


def most_requests(size: int) -> float:
    """Return what a search may take: 1.35 for each id, up to 2 where ids are few."""
    most = min(1 + max(1.35 * size, size + 2 * size.bit_length() + 2), 2 * size - 1)
    return max(0, most)


# --- what it costs --------------------------------------------------------------------


def bounds():
    """Return layout, hint, number of bad ids, and the mean that table 3 states."""
    for layout, count in product(LAYOUTS, COUNTS):
        yield layout, "none", count, RUN_AWARE[layout][count]
        yield layout, "echo", count, RUN_AWARE[layout][count]
    for hint, count in product(HINTED, COUNTS):
        stated = HINTED[hint][count]
        if stated is not None:
            yield "random", hint, count, stated + count  # each is confirmed


@pytest.mark.parametrize(("layout", "hint", "count", "stated"), list(bounds()))
def test_the_mean_cost_is_at_or_below_the_table(layout, hint, count, stated):
    rounding = 0.5 if hint in {"90 %", "50 %"} else 0  # they draw lots: wide spread
    costs = cost(layout, count, hint, runs=60 if count < 100 else 12, seed=4)

    assert mean(costs) <= 1.03 * stated + rounding


@pytest.mark.parametrize("count", [1, 2, 5, 25, 100])
def test_a_right_hint_costs_two_requests_for_each_bad_id(count):
    assert mean(cost("random", count, "right", runs=5, seed=1)) <= 1.03 * (
        1 + 2 * count
    )


@pytest.mark.parametrize(("count", "layout"), list(product(COUNTS, LAYOUTS)))
def test_hints_that_are_always_wrong_cost_a_few_requests_more_than_none(count, layout):
    runs = 20 if count < 100 else 3
    wrong = cost(layout, count, "wrong", runs=runs, seed=2)
    none = cost(layout, count, "none", runs=runs, seed=2)

    assert mean(wrong) <= mean(none) + 5


def test_random_bad_sets_are_found_exactly_whatever_the_messages_say():
    assert random_sets(250, seed=3) <= most_requests(SIZE)


# --- laws for any bad set -------------------------------------------------------------


@st.composite
def gateways(draw):
    """Draw a batch's size and its gateway: bad set and kind of messages."""
    size = draw(st.integers(0, 40))
    bad = draw(st.frozensets(st.integers(0, size - 1))) if size else frozenset()
    hint = draw(st.sampled_from(sorted(HINTS)))
    seed = draw(st.integers(0, 9))
    return size, Gateway(bad, HINTS[hint], seeded(seed))


@given(gateways())
def test_bad_ids_are_refused_alone_and_good_ids_taken_all_exactly_once(drawn):
    size, gateway = drawn

    assert solve(gateway, size=size) <= most_requests(size)


@given(drawn=gateways(), data=st.data())
def test_a_search_that_is_told_the_same_again_asks_for_the_same(drawn, data):
    size, gateway = drawn
    search, told = search_of(size), []
    again = data.draw(st.sets(st.integers(0, 60)), label="rebuilt after")
    while span := search.ask():
        told.append((span, gateway.answer(span)))
        tell(search, told[-1])
        if len(told) in again:
            rebuilt = search_of(size, told)
            assert (rebuilt.ask(), rebuilt.positions) == (
                search.ask(),
                search.positions,
            )
            search = rebuilt

    check(gateway, size=size)


# --- laws for any gateway -------------------------------------------------------------


@st.composite
def messages(draw, size):
    """Draw a message that names any ids, of this group or not."""
    named = draw(st.lists(st.integers(0, max(0, size - 1)), max_size=3))
    return " ".join(["no", *(API_IDS[place] for place in named)])


@given(size=st.integers(0, 12), data=st.data())
def test_it_ends_and_drops_no_id_whatever_a_gateway_answers(size, data):
    """Causes move between requests; receipts leave ids out; readings come between."""
    search, requests = search_of(size), 0
    ended: list[int] = []
    while span := search.ask():
        requests += 1
        assert requests <= most_requests(size)
        assert not set(ended).intersection(span)
        what = data.draw(st.sampled_from(["refused", "taken", "partly", "read"]))
        if what == "refused":
            search.refuse(span, message=data.draw(messages(size)))
            ended += span if len(span) == 1 else ()
        elif what == "read":
            read = data.draw(st.sampled_from(search.positions))
            search.drop([read])
            ended.append(read)
            requests -= 1
        else:
            part = st.lists(st.sampled_from(span), min_size=1, unique=True)
            named = span if what == "taken" else data.draw(part)
            search.settle(named)
            ended += named

    assert sorted(ended) == list(range(size))


@given(size=st.integers(1, 12), data=st.data())
def test_a_history_of_any_other_strategy_is_survived(size, data):
    places = st.integers(0, size - 1)
    spans = st.frozensets(places, min_size=1).map(lambda span: tuple(sorted(span)))
    told = data.draw(st.lists(st.tuples(spans, st.none() | messages(size))))
    search = search_of(size, told)
    ended = {p for span, message in told if message is None for p in span}
    ended |= {span[0] for span, _ in told if len(span) == 1}

    assert set(search.positions) == set(range(size)) - ended
    assert set(search.ask()) <= set(search.positions)
    bad = frozenset(data.draw(st.frozensets(places))).intersection(search.positions)
    gateway = Gateway(bad)
    while span := search.ask():
        tell(search, (span, gateway.answer(span)))
    assert set(gateway.refused_alone) == bad
    assert sorted(gateway.taken) == sorted(set(range(size)) - ended - bad)


# --- single steps ---------------------------------------------------------------------


def test_what_a_receipt_leaves_out_goes_again_alone():
    search = search_of(8)
    search.settle((0, 1, 5))

    assert search.ask() == (2, 3, 4, 6, 7)


def test_what_a_receipt_leaves_out_of_half_a_refused_batch_goes_again_alone():
    search = search_of(8, [(tuple(range(8)), "")])
    search.settle((0, 2))

    assert search.ask() == (1, 3)


def test_a_refused_group_that_is_taken_after_all_is_forgotten():
    search = search_of(4, [((0, 1, 2, 3), "")])
    while span := search.ask():
        search.settle(span)

    assert search.requests == 4


def test_a_named_id_goes_alone_and_then_all_the_others_go_together():
    search = search_of(9, [(tuple(range(9)), f"API {API_IDS[6]} is not published")])

    assert search.ask() == (6,)
    search.refuse((6,))
    assert search.ask() == (0, 1, 2, 3, 4, 5, 7, 8)


def test_a_named_id_that_is_taken_leaves_the_others_suspect():
    search = search_of(9, [(tuple(range(9)), f"no {API_IDS[6]}"), ((6,), None)])

    assert search.ask() == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "message",
    [
        "",
        API_IDS[40],  # not in the batch
        API_IDS[3] + "0",
        "x" + API_IDS[3],
        API_IDS[3] + "-1",
        API_IDS[3][:-1],
        " ".join(API_IDS[:9]),  # the whole group
    ],
)
def test_words_that_name_no_id_of_the_group_are_no_hint(message):
    search = search_of(9, [(tuple(range(9)), message)])

    assert search.ask() == (0, 1, 2, 3, 4)


def test_an_id_of_the_batch_outside_the_refused_group_is_no_hint():
    search = search_of(9, [(tuple(range(9)), ""), ((0, 1, 2, 3, 4), API_IDS[7])])

    assert search.ask() == (0, 1, 2)


def test_an_id_that_is_also_the_plug_in_s_is_no_hint():
    plug_in = API_IDS[6]
    search = Search(range(9), api_ids=API_IDS[:9], not_hints=frozenset({plug_in}))
    search.refuse(tuple(range(9)), message=f"plug-in {plug_in} cannot be bound")

    assert search.ask() == (0, 1, 2, 3, 4)


def test_ids_are_found_between_any_signs():
    search = search_of(9, [(tuple(range(9)), f'{{"ids":["{API_IDS[6]}"]}}')])

    assert search.ask() == (6,)


def test_hints_that_lie_are_passed_over_after_a_few():
    search = search_of(SIZE)
    checked: list[int] = []
    lies = iter(range(SIZE - 1, 0, -1))
    while len(span := search.ask()) > 1 or span[0] > 400:
        checked += span if len(span) == 1 else ()
        if len(span) == 1 or span[0]:
            search.settle(span)
        else:
            search.refuse(span, message=API_IDS[next(lies)])

    assert 1 <= len(checked) <= 5


def test_after_two_bad_ids_in_a_row_they_go_one_by_one_until_one_is_good():
    search = search_of(100, [(tuple(range(100)), "")])
    while span := search.ask():
        if len(span) == 1 and span[0] < 5:
            search.refuse(span)
        elif span[0] < 5:
            search.refuse(span, message="")
        else:
            break

    assert span == (5,)
    search.settle(span)
    assert len(search.ask()) > 1


def test_a_reading_gives_the_rest_a_fresh_start():
    search = search_of(9, [(tuple(range(9)), "")])
    search.drop((0, 4))

    assert search.ask() == (1, 2, 3, 5, 6, 7, 8)
