"""Who holds a slot, and everything that is bound: as few lists as can tell."""

import pytest

from bulkbind.live import ListUnread, other_holders, own_holders
from bulkbind.live.harvest import bound_slots
from bulkbind.model import Target
from tests.factories import PROJECT
from tests.shelf import LANE, Desk, play, whole

TARGET = Target(0, "default", PROJECT, "gw", "mine", "env", 0, "cors")


# --- who holds a slot -----------------------------------------------------------------


def test_one_list_tells_where_the_targets_own_plug_in_is():
    async def story(desk):
        own = await own_holders(desk.lists, LANE, TARGET)
        return [own.of(api) for api in "abc"], desk.shelf.asked

    held, asked = play(whole, story)

    assert held == ["mine", "mine", ""]
    assert asked == ["/gw/plugins/mine/attached-apis 0"]


def test_only_plug_ins_of_the_type_are_asked_who_else_holds_slots():
    async def story(desk):
        own = await own_holders(desk.lists, LANE, TARGET)
        everyone = await other_holders(desk.lists, LANE, TARGET, own)
        return [everyone.of(api) for api in "acz"], desk.shelf.asked

    held, asked = play(whole, story)

    assert held == ["mine", "rival", ""]
    assert not any("else" in one for one in asked)


def test_a_plug_in_that_is_gone_holds_nothing_and_its_type_is_the_manifests():
    def answer(number, what, offset):
        if "/gone/" in what:
            return 404, {"error_code": "APIG.3068", "error_msg": "no plug-in"}
        return whole(number, what, offset)

    async def story(desk):
        target = Target(0, "default", PROJECT, "gw", "gone", "env", 0, "cors")
        own = await own_holders(desk.lists, LANE, target)
        everyone = await other_holders(desk.lists, LANE, target, own)
        return [everyone.of(api) for api in "acz"]

    assert play(answer, story) == ["mine", "rival", ""]


def test_a_plug_in_that_is_listed_and_not_found_is_unreadable():
    def answer(number, what, offset):
        if "/mine/" in what:
            return 404, {"error_code": "APIG.3068", "error_msg": "no plug-in"}
        return whole(number, what, offset)

    async def story(desk):
        with pytest.raises(ListUnread) as caught:
            await own_holders(desk.lists, LANE, TARGET)
        return caught.value.what

    assert play(answer, story) == "APIs of plug-in mine"


# --- everything -----------------------------------------------------------------------


async def harvest(desk: Desk) -> list[tuple[str, str]]:
    pieces = bound_slots(desk.lists, LANE, "gw", wanted=lambda _: True)
    return [(s.plugin.plugin_id, s.api_id) async for piece in pieces for s in piece]


def test_everything_bound_comes_type_by_type_in_one_order():
    assert play(whole, harvest) == [
        *(("mine", "a"), ("mine", "b"), ("rival", "c")),
        ("else", "z"),
    ]


def test_a_binding_that_moves_while_it_is_read_is_harvested_once_where_it_went():
    def moving(number, what, offset):
        if "/rival/" in what:
            items = [{"api_id": name, "env_id": "env"} for name in "bc"]
            return 200, {"total": 2, "apis": items}
        return whole(number, what, offset)

    assert play(moving, harvest) == [
        *(("mine", "a"), ("rival", "b"), ("rival", "c")),
        ("else", "z"),
    ]


@pytest.mark.parametrize("item", [{"api_id": "a"}, {"env_id": "env"}])
def test_a_binding_that_does_not_say_where_it_is_makes_its_list_unreadable(item):
    def answer(number, what, offset):
        if "/mine/" in what:
            return 200, {"total": 1, "apis": [item]}
        return whole(number, what, offset)

    async def story(desk):
        with pytest.raises(ListUnread) as caught:
            await harvest(desk)
        return caught.value.text

    assert "names no API, or no environment" in play(answer, story)
