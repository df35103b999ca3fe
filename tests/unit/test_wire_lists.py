"""Pages of lists as a gateway may send them, and what a whole list then proves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.model import OurCode, Reply
from bulkbind.wire import (
    Attached,
    KnownApi,
    KnownEnv,
    KnownGateway,
    KnownPlugin,
    Listing,
    Page,
    apis_list,
    attached_list,
    envs_list,
    gateways_list,
    plugins_list,
    read_apis,
    read_attached,
    read_envs,
    read_gateways,
    read_plugins,
)
from bulkbind.wire.lists import MAX_ITEMS, PAGE

#: How each list is read, the field that holds its items, an item, and what is read.
KINDS = [
    pytest.param(
        *(read_attached, "apis", {"api_id": "a", "env_id": "e"}),
        Attached("a", "", "", "e"),
        id="attached",
    ),
    pytest.param(
        *(read_apis, "apis", {"id": "a", "run_env_id": "e"}),
        KnownApi("a", frozenset({"e"})),
        id="apis",
    ),
    pytest.param(
        *(read_plugins, "plugins", {"plugin_id": "p", "plugin_type": "cors"}),
        KnownPlugin("p", "", "cors"),
        id="plugins",
    ),
    pytest.param(
        *(read_envs, "envs", {"id": "e", "name": "RELEASE"}),
        KnownEnv("e", "RELEASE"),
        id="envs",
    ),
    pytest.param(
        *(read_gateways, "instances", {"id": "i", "status": "Running"}),
        KnownGateway("i", "", "Running"),
        id="gateways",
    ),
]
EVERY_KIND = pytest.mark.parametrize(("read", "field", "item", "known"), KINDS)


def body_of(**fields) -> bytes:
    return json.dumps(fields).encode()


# --- one page -------------------------------------------------------------------------


@EVERY_KIND
def test_a_page_is_read_with_its_total(read, field, item, known):
    page = read(200, {}, body_of(total=7, **{field: [item]}))

    assert page == Page(Reply(200), (known,), 7)
    assert page.is_whole


@EVERY_KIND
def test_unknown_fields_of_page_and_item_are_let_be(read, field, item, known):
    odd = {"future": {"deep": [1, None]}, "size": "many"}
    page = read(200, {}, body_of(total=1, **{field: [{**item, **odd}]}, **odd))

    assert page.items == (known,)


@EVERY_KIND
def test_an_item_that_says_nothing_is_an_item_without_an_id(read, field, item, known):
    for empty in ({}, dict.fromkeys(item)):
        page = read(200, {}, body_of(total=1, **{field: [empty]}))

        assert page.is_whole
        assert page.items[0][0] == ""


@EVERY_KIND
def test_an_empty_page_is_whole(read, field, item, known):
    page = read(200, {}, body_of(total=0, **{field: []}))

    assert (page.is_whole, page.items, page.total) == (True, (), 0)


@EVERY_KIND
@pytest.mark.parametrize("total", ["missing", None, "3", 1.5, True, [], {}])
def test_a_total_that_is_missing_or_no_number_makes_the_page_unreadable(
    read, field, item, known, total
):
    said = {} if total == "missing" else {"total": total}
    page = read(200, {}, body_of(**said, **{field: [item]}))

    assert not page.is_whole
    assert page.reply.code == OurCode.REPLY_MALFORMED
    assert page.items == ()


@EVERY_KIND
@pytest.mark.parametrize("items", [None, {}, "a", 3, [None], ["a"], [[]], [[[]]]])
def test_items_of_a_hostile_type_make_the_page_unreadable(
    read, field, item, known, items
):
    page = read(200, {}, body_of(total=1, **{field: items}))

    assert page.reply.code == OurCode.REPLY_MALFORMED


@EVERY_KIND
@pytest.mark.parametrize("value", [1, True, ["a"], {"a": "b"}, 1e400])
def test_a_hostile_value_in_an_item_makes_the_page_unreadable(
    read, field, item, known, value
):
    for name in item:
        page = read(200, {}, body_of(total=1, **{field: [{**item, name: value}]}))

        assert page.reply.code == OurCode.REPLY_MALFORMED


@EVERY_KIND
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"apis"',
        b"\xff\xfe",
        b'{"total":1',
        b"<html>well</html>",
        b"[" * 100_000,
        b'{"total":1,"apis":' + b"[" * 100_000,
        b'{"total":1,"x":' + b'{"a":' * 100_000,
    ],
    ids=lambda body: body[:20].decode("latin-1") or "empty",
)
def test_a_body_that_is_no_page_is_told_in_a_short_message(
    read, field, item, known, body
):
    page = read(200, {}, body)

    assert (page.reply.status, page.reply.code) == (200, OurCode.REPLY_MALFORMED)
    assert page.reply.message.startswith("the list cannot be read: ")
    assert len(page.reply.message) < 600


@EVERY_KIND
def test_a_refused_page_keeps_code_message_and_how_long_to_wait(
    read, field, item, known
):
    said = body_of(error_code="APIGW.0308", error_msg="limit:3,time:1 second")
    page = read(429, {"Retry-After": "2"}, said)

    assert page.reply == Reply(
        429, "APIGW.0308", "limit:3,time:1 second", retry_after="2"
    )
    assert not page.is_whole


@EVERY_KIND
@pytest.mark.parametrize("status", [201, 204, 206, 304])
def test_only_a_200_is_a_page(read, field, item, known, status):
    page = read(status, {}, body_of(total=1, **{field: [item]}))

    assert not page.is_whole
    assert page.items == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["total", "apis", "id", "api_id", "env_id", "plugins", "envs"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
READERS = st.sampled_from(
    [read_attached, read_apis, read_plugins, read_envs, read_gateways]
)


@given(read=READERS, body=JSON.map(lambda it: json.dumps(it).encode()) | st.binary())
def test_no_body_makes_a_reader_raise(read, body):
    page = read(200, {}, body)

    assert page.is_whole or page.reply.code == OurCode.REPLY_MALFORMED


def test_facts_from_outside_are_scrubbed_where_they_are_kept():
    said = {
        "api_id": "a",
        "plugin_attach_id": "x\x1b[31m",
        "attached_time": "t" * 5000,
    }
    (item,) = read_attached(200, {}, body_of(total=1, apis=[said])).items

    assert isinstance(item, Attached)
    assert "\x1b" not in item.plugin_attach_id
    assert len(item.attached_time) <= 500


@pytest.mark.parametrize(
    ("joined", "envs"),
    [
        (None, set()),
        ("", set()),
        ("|", set()),
        ("a", {"a"}),
        ("a|b", {"a", "b"}),
        ("|a||a|", {"a"}),
    ],
)
def test_the_environments_of_an_api_are_joined_by_a_bar(joined, envs):
    (item,) = read_apis(
        200, {}, body_of(total=1, apis=[{"id": "x", "run_env_id": joined}])
    ).items

    assert item == KnownApi("x", frozenset(envs))


# --- where the lists are --------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        (attached_list("i", "p", env_id="e"), "/i/plugins/p/attached-apis?env_id=e&"),
        (attached_list("i", "p", env_id=""), "/i/plugins/p/attached-apis?"),
        (apis_list("i"), "/i/apis?"),
        (plugins_list("i"), "/i/plugins?"),
        (envs_list("i"), "/i/envs?"),
        (gateways_list(), "?"),
    ],
)
def test_a_list_has_one_address_and_pages_by_offset(wanted, path):
    whole = f"/v2/P/apigw/instances{path}limit={PAGE}&offset="

    assert wanted.url(0, project_id="P") == f"{whole}0"
    assert wanted.url(1500, project_id="P") == f"{whole}1500"


@pytest.mark.parametrize("nasty", ["../x", "a/b", "a?b", "a#b", "a%2fb", " ", "é"])
def test_no_id_changes_where_a_list_is(nasty):
    for wanted in (attached_list(nasty, nasty, env_id=nasty), apis_list(nasty)):
        url = wanted.url(0, project_id=nasty)

        assert url.startswith("/v2/")
        assert url.count("/") == apis_or_attached(wanted).count("/")
        assert url.count("?") == 1


def apis_or_attached(wanted) -> str:
    plain = attached_list("i", "p", env_id="e")
    known = apis_list("i")
    same = plain if wanted.read is plain.read else known
    return same.url(0, project_id="P")


# --- a whole list ---------------------------------------------------------------------


def page_of(*names: str, total: int) -> Page:
    items = tuple(KnownApi(name, frozenset()) for name in names)
    return Page(Reply(200), items, total)


def taken(*pages: Page, by_env: bool = False) -> Listing:
    listing = Listing(by_env=by_env)
    for page in pages:
        assert not listing.is_done, "nobody asks for a page after the last"
        listing.take(page)
    return listing


def test_a_clamped_limit_only_makes_more_pages_of_a_list():
    names = [f"api{number}" for number in range(10)]
    listing = Listing()
    offsets = []
    while not listing.is_done:
        offsets.append(listing.offset)
        listing.take(page_of(*names[listing.offset :][:4], total=10))

    assert offsets == [0, 4, 8]
    assert set(listing.items) == set(names)
    assert listing.proves_absence


@pytest.mark.parametrize("later", [1, 2, 4, 99])
def test_a_total_that_changes_between_pages_proves_no_absence(later):
    listing = Listing()
    listing.take(page_of("a", "b", total=3))
    listing.take(page_of("c", total=later))

    assert not listing.proves_absence
    assert set(listing.items) == {"a", "b", "c"}


def test_a_total_that_changes_and_changes_back_proves_no_absence_either():
    listing = taken(page_of("a", total=3), page_of("b", total=4), page_of("c", total=3))

    assert listing.is_done
    assert not listing.proves_absence


def test_a_page_that_repeats_ends_the_list_without_proof():
    listing = taken(page_of("a", "b", total=9), page_of("a", "b", total=9))

    assert (listing.is_done, listing.proves_absence) == (True, False)
    assert listing.offset == 2


def test_a_page_that_partly_repeats_goes_on_without_proof():
    listing = taken(page_of("a", "b", total=4), page_of("b", "c", total=4))

    assert not listing.is_done
    listing.take(page_of("d", total=4))
    assert (listing.is_done, listing.proves_absence) == (True, False)


def test_items_without_an_id_are_one_item_and_no_proof():
    listing = taken(page_of("", "", total=2), page_of(total=2))

    assert (listing.is_done, listing.proves_absence) == (True, False)


@pytest.mark.parametrize("total", [-1, -5])
def test_a_negative_total_ends_the_list_without_proof(total):
    listing = taken(page_of("a", total=total))

    assert (listing.is_done, listing.proves_absence) == (True, False)


def test_a_list_that_is_not_read_to_its_end_proves_nothing():
    assert not taken(page_of("a", total=2)).proves_absence
    assert not Listing().proves_absence


def test_a_list_without_end_is_given_up_on():
    listing, many = Listing(), MAX_ITEMS + 1
    listing.take(page_of(*map(str, range(many)), total=10 * many))

    assert (listing.is_done, listing.proves_absence) == (True, False)


def test_one_api_in_two_environments_is_two_items_only_where_that_is_asked_for():
    items = tuple(Attached("a", "", "", env) for env in ("e1", "e2"))
    page = Page(Reply(200), items, 2)

    assert taken(page, by_env=True).proves_absence
    assert not taken(page).proves_absence


@given(
    pages=st.lists(
        st.tuples(st.lists(st.sampled_from("abcd"), max_size=4), st.integers(-1, 6)),
        max_size=8,
    )
)
def test_what_proves_absence_has_as_many_different_items_as_every_page_said(pages):
    listing, totals = Listing(), set()
    for names, total in pages:
        if not listing.is_done:
            listing.take(page_of(*names, total=total))
            totals.add(total)

    if listing.proves_absence:
        assert totals == {len(listing.items)}
