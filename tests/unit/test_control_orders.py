"""What files of a control folder mean, and what follows from them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.control.orders import Found, Order, Wishes, decide, read_wishes

BY_HAND = Found(b"", "ann@here", "2026-06-01T00:00:00Z")


def written(**wish) -> Found:
    return Found(msgspec.json.encode(Order(by="bob@here", **wish)), "ann@here", "now")


def test_an_empty_file_asks_for_what_its_name_says_and_its_owner_asks():
    wishes = read_wishes({"pause": BY_HAND, "stop": BY_HAND})

    asked = Order(by="ann@here", at="2026-06-01T00:00:00Z")
    assert (wishes.pause, wishes.stop, wishes.wrong) == (asked, asked, {})


def test_what_a_command_wrote_is_read_as_it_was():
    wishes = read_wishes({"set-2.json": written(rate=(5, 1.0), concurrency=4)})

    order = wishes.sets["set-2.json"]
    assert (order.by, order.rate, order.concurrency) == ("bob@here", (5, 1.0), 4)


def test_sets_are_obeyed_in_the_order_of_their_names_and_once():
    files = {"set-2.json": written(concurrency=2), "set-1.json": written(concurrency=1)}
    wishes = read_wishes(files)

    assert [act.name for act in decide(wishes, Wishes())] == [
        "set-1.json",
        "set-2.json",
    ]
    assert decide(wishes, wishes) == []


def test_a_pause_that_is_gone_unpauses():
    paused = read_wishes({"pause": BY_HAND})

    assert [act.what for act in decide(paused, Wishes())] == ["pause"]
    assert [act.what for act in decide(Wishes(), paused)] == ["unpause"]


def test_a_second_stop_may_want_it_now():
    first = read_wishes({"stop": written()})
    second = read_wishes({"stop": written(now=True)})

    (act,) = decide(second, first)
    assert (act.what, act.order.now) == ("stop", True)


def test_what_is_wrong_is_told_once_and_again_when_it_changes():
    wrong = read_wishes({"halt": BY_HAND, "stop": "a link; it is not followed"})

    assert {act.what for act in decide(wrong, Wishes())} == {"ignore"}
    assert wrong.stop is None
    assert decide(wrong, wrong) == []


@pytest.mark.parametrize("rate", [(5, 1e-300), (5, 0.999), (0, 0.5), (5, 604_801.0)])
def test_a_window_that_no_job_file_can_say_is_not_obeyed(rate):
    wishes = read_wishes({"set-1.json": written(rate=rate)})

    assert not wishes.sets
    assert "in a second to a week" in wishes.wrong["set-1.json"]


@given(
    name=st.sampled_from(("pause", "stop", "set-1.json", "x", "set-", "..", "now")),
    data=st.one_of(
        st.binary(max_size=300),
        st.from_type(dict[str, int | str | None]).map(msgspec.json.encode),
        st.builds(
            lambda rate, slots: msgspec.json.encode(
                {"rate": rate, "concurrency": slots}
            ),
            st.tuples(st.integers(), st.floats()),
            st.integers(),
        ),
    ),
)
def test_no_content_does_any_harm(name, data):
    wishes = read_wishes({name: Found(data, "ann@here", "now")})

    orders = [*wishes.sets.values(), *filter(None, (wishes.pause, wishes.stop))]
    assert len(orders) + len(wishes.wrong) == 1
    for order in orders:
        assert order.rate is None or (order.rate[0] >= 0 and order.rate[1] >= 1)
        assert order.concurrency is None or order.concurrency >= 1
