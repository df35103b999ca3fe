"""Hostile lists: however a gateway answers, a reading ends, and tells no untruth."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import anyio
import pytest

from bulkbind.live import ListUnread, Misses
from bulkbind.live.lists import TIMES
from bulkbind.model import Cause, OurCode, Scope, Stop
from tests.shelf import ATTEMPTS, LANE, Desk, play, whole


def apis(names: Sequence[str], *, total: int) -> tuple[int, object]:
    items = [{"id": name, "run_env_id": "env"} for name in names]
    return 200, {"total": total, "apis": items}


async def read(desk: Desk) -> tuple[list[str], ListUnread | None]:
    """Read the gateway's APIs."""
    try:
        found, _ = await desk.lists.apis(LANE, "gw")
    except ListUnread as unread:
        return [], unread
    return sorted(found), None


# --- lists that contradict themselves -------------------------------------------------


def short_page(number: int, what: str, offset: int) -> tuple[int, object]:
    """End before the total."""
    return apis(["a", "b"] if not offset else [], total=5)


def repeated_page(number: int, what: str, offset: int) -> tuple[int, object]:
    """Show the first page for ever."""
    return apis(["a", "b"], total=6)


def growing_total(number: int, what: str, offset: int) -> tuple[int, object]:
    """Count one more on every page."""
    return apis([f"api{offset}"], total=offset + 2)


def shrinking_total(number: int, what: str, offset: int) -> tuple[int, object]:
    return apis([f"api{offset}"], total=max(2, 9 - offset))


def doubled_item(number: int, what: str, offset: int) -> tuple[int, object]:
    return apis(["a", "a"], total=2)


def negative_total(number: int, what: str, offset: int) -> tuple[int, object]:
    return apis(["a"], total=-1)


def too_many_items(number: int, what: str, offset: int) -> tuple[int, object]:
    return apis(["a", "b", "c"], total=2)


HOSTILE = (
    *(short_page, repeated_page, shrinking_total, doubled_item),
    *(negative_total, too_many_items),
)


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: answer.__name__)
def test_a_list_that_contradicts_itself_is_read_a_few_times_and_then_unreadable(answer):
    async def story(desk):
        found, unread = await read(desk)
        return found, unread, desk.shelf.asked

    found, unread, asked = play(answer, story)

    assert found == []
    assert unread is not None
    assert unread.reply.code == OurCode.REPLY_MALFORMED
    assert f"{TIMES} times in a row" in unread.text
    assert [one for one in asked if one.endswith(" 0")] == ["/gw/apis 0"] * TIMES
    assert len(asked) <= TIMES * 10


def test_a_total_that_grows_for_ever_ends_at_the_most_a_list_can_have(monkeypatch):
    monkeypatch.setattr("bulkbind.wire.lists.MAX_ITEMS", 100)

    async def story(desk):
        _, unread = await read(desk)
        return unread, len(desk.shelf.asked)

    unread, asked = play(growing_total, story)

    assert unread is not None
    assert asked <= TIMES * 102


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: answer.__name__)
def test_a_list_that_comes_right_the_second_time_is_believed(answer):
    odd_pages = 0

    def mended(number, what, offset):
        nonlocal odd_pages
        if offset or not odd_pages:
            odd_pages += 1
            return answer(number, what, offset)
        return apis(["a", "b"], total=2)

    found, unread = play(mended, read)

    assert (found, unread) == (["a", "b"], None)


def test_a_list_that_was_unreadable_is_not_kept():
    def answer(number, what, offset):
        odd = number < TIMES
        return apis(["a"], total=-1) if odd else apis(["b"], total=1)

    async def story(desk):
        first = await read(desk)
        return first[1], await read(desk)

    unread, second = play(answer, story)

    assert unread is not None
    assert second == (["b"], None)


# --- refusals -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 500, 502])
def test_a_page_that_never_comes_is_asked_for_as_often_as_the_job_allows(status):
    def answer(number, what, offset):
        return status, {}

    async def story(desk):
        _, unread = await read(desk)
        return unread, len(desk.shelf.asked), desk.reads

    unread, asked, reads = play(answer, story)

    assert unread is not None
    assert asked == reads == ATTEMPTS


RIGHTS = {
    "plugins": "apig:plugin:list",
    "envs": "apig:environment:list",
    "apis": "apig:api:list",
    "attached": "apig:plugin:listBoundApi",
    "gateways": "apig:instance:list",
}


async def ask(desk: Desk, kind: str) -> ListUnread:
    lists = desk.lists
    calls: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "plugins": lambda: lists.plugins(LANE, "gw"),
        "envs": lambda: lists.envs(LANE, "gw"),
        "apis": lambda: lists.apis(LANE, "gw"),
        "attached": lambda: lists.attached(LANE, "gw", "mine", "env"),
        "gateways": lambda: lists.gateways(LANE),
    }
    with pytest.raises(ListUnread) as caught:
        await calls[kind]()
    return caught.value


@pytest.mark.parametrize("code", ["APIG.1005", "APIG.1020", "APIG.1136", ""])
@pytest.mark.parametrize(("kind", "right"), RIGHTS.items())
def test_a_missing_right_is_named_with_what_works_without_it(kind, right, code):
    def forbidden(number, what, offset):
        return 403, {"error_code": code, "error_msg": "no"} if code else {}

    async def story(desk):
        return await ask(desk, kind), len(desk.shelf.asked)

    unread, asked = play(forbidden, story)

    assert asked == 1
    assert right in unread.advice
    assert "still work" in unread.advice


def test_another_refusal_is_advised_on_by_its_code():
    def locked(number, what, offset):
        return 401, {"error_code": "APIG.1001", "error_msg": "expired"}

    unread = play(locked, lambda desk: ask(desk, "apis"))

    assert "get a new token and resume" in unread.advice
    assert "401 APIG.1001: expired" in unread.text


def test_a_refused_account_is_asked_nothing_more():
    def refused(number, what, offset):
        return 401, {"error_code": "APIG.1001", "error_msg": "expired"}

    async def story(desk):
        misses = Misses(desk.halt)
        misses.note(await ask(desk, "plugins"))
        silent = await ask(desk, "apis")
        misses.note(silent)
        return silent.reply, silent.advice, desk.shelf.asked, misses

    reply, advice, asked, misses = play(refused, story)

    assert (reply, advice) == (None, "")
    assert asked == ["/gw/plugins 0"]
    assert "expired" in misses.why["host/gw"]
    assert "expired" in misses.refusal({"default"})
    assert misses.refusal({"default", "other"}) == ""
    assert misses.refusal(set()) == ""


def test_a_halt_while_a_list_is_read_is_no_refusal():
    def answer(number, what, offset):
        return 500, {}

    async def story(desk):
        stop = Stop(
            scope=Scope.ACCOUNT, key="default", cause=Cause.STOP, invocation=1, at=0.0
        )
        async with anyio.create_task_group() as group:
            group.start_soon(_later, desk.halt.stop_account, stop)
            return await ask(desk, "apis"), len(desk.shelf.asked)

    unread, asked = play(answer, story)

    assert asked == 1
    assert unread.reply is None
    assert "was not read" in unread.text


async def _later(do: Callable[[Any], object], what: object) -> None:
    await anyio.sleep(0.001)
    do(what)


# --- what is kept ---------------------------------------------------------------------


def test_a_list_is_read_once_until_it_is_forgotten():
    async def story(desk):
        for _ in range(3):
            await desk.lists.plugins(LANE, "gw")
        desk.lists.forget("other", before=desk.now() + 1)
        await desk.lists.plugins(LANE, "gw")
        once = len(desk.shelf.asked)
        desk.lists.forget("gw", before=desk.now() + 1)
        await desk.lists.plugins(LANE, "gw")
        return once, len(desk.shelf.asked)

    assert play(whole, story) == (1, 2)


def test_memory_holds_no_more_items_than_it_may_and_the_last_list():
    async def story(desk):
        await desk.lists.plugins(LANE, "gw")
        await desk.lists.envs(LANE, "gw")
        await desk.lists.envs(LANE, "gw")
        await desk.lists.plugins(LANE, "gw")
        return desk.shelf.asked

    asked = play(whole, story, bound=1)

    assert asked == ["/gw/plugins 0", "/gw/envs 0", "/gw/plugins 0"]
