"""The wire contract as we read it: exact bytes out, anything at all in."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bulkbind.model import NOBODY, Action, Named, OurCode, Refusal, Reply, Target
from bulkbind.wire import (
    MAX_TEXT,
    METHODS,
    Attached,
    KnownApi,
    Listing,
    Page,
    apis_list,
    attached_list,
    plugin_body,
    plugin_path,
    read_apis,
    read_attached,
    read_reply,
    scrub,
)

RELEASE = "DEFAULT_ENVIRONMENT_RELEASE_ID"
PROJECT, INSTANCE, PLUGIN, API = "a" * 32, "b" * 32, "c" * 32, "e" * 32


def target(instance=INSTANCE, plugin=PLUGIN) -> Target:
    return Target(
        no=0,
        account="default",
        project_id="",
        instance_id=instance,
        plugin_id=plugin,
        env_id=RELEASE,
        lane=0,
    )


# --- requests -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "method", "ending"),
    [(Action.ATTACH, "POST", "attach"), (Action.DETACH, "PUT", "detach")],
)
def test_the_path_and_method_are_those_of_the_contract(action, method, ending):
    path = plugin_path(target(), project_id=PROJECT, action=action)

    assert METHODS[action] == method
    assert path == (
        f"/v2/{PROJECT}/apigw/instances/{INSTANCE}/plugins/{PLUGIN}/{ending}"
    )


@pytest.mark.parametrize("nasty", ["../x", "a/b", "a?b", "a#b", "a%2e", "a b", "ü"])
def test_no_id_can_change_the_path(nasty):
    path = plugin_path(target(nasty, nasty), project_id=nasty, action=Action.ATTACH)

    assert path.count("/") == 8
    assert not set(path) & set("?# ")


def test_the_body_is_byte_for_byte_that_of_the_contract():
    assert plugin_body(RELEASE, [API]) == (
        b'{"env_id":"DEFAULT_ENVIRONMENT_RELEASE_ID",'
        b'"api_ids":["eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"]}'
    )


def test_a_body_of_500_ids_has_the_size_the_contract_reckons():
    body = plugin_body(RELEASE, [f"{number:032x}" for number in range(500)])

    assert len(body) == 17_555


@given(st.lists(st.text(min_size=1, max_size=64), min_size=1, max_size=20))
def test_the_body_holds_the_ids_in_their_order_whatever_they_are(ids):
    assert json.loads(plugin_body("env", ids)) == {"env_id": "env", "api_ids": ids}


# --- 201 ------------------------------------------------------------------------------


def record(number: int, **more: object) -> dict[str, object]:
    return {
        "plugin_attach_id": f"{number:032x}",
        "plugin_id": PLUGIN,
        "plugin_name": "cors-all",
        "plugin_type": "cors",
        "plugin_scope": "global",
        "env_id": RELEASE,
        "env_name": "RELEASE",
        "api_id": f"api{number}",
        "api_name": f"Api {number}",
        "attached_time": "2026-01-02T03:04:05.296181801Z",
        **more,
    }


def created(*records: object) -> Reply:
    return read_reply(201, {}, json.dumps({"attached_plugins": records}).encode())


def receipts(*numbers: int) -> Named:
    """What ``record`` of each number says."""
    return Named(
        tuple(f"api{number}" for number in numbers),
        tuple(f"{number:032x}" for number in numbers),
        ("2026-01-02T03:04:05.296181801Z",) * len(numbers),
    )


def test_a_201_has_a_receipt_for_every_record():
    reply = created(record(1), record(2))

    assert reply.named == receipts(1, 2)
    assert (reply.status, reply.code, reply.message) == (201, "", "")
    assert (reply.plugin_name, reply.env_name) == ("cors-all", "RELEASE")


@given(st.permutations(range(6)))
def test_records_come_in_any_order(order):
    reply = created(*(record(number) for number in order))

    assert reply.named == receipts(*order)


@pytest.mark.parametrize("name", sorted(record(1)))
def test_any_field_of_a_record_may_be_missing(name):
    reply = created({key: value for key, value in record(1).items() if key != name})

    assert len(reply.named.api_ids) == 1
    assert reply.code == ""


@pytest.mark.parametrize(
    "name", ["plugin_attach_id", "plugin_name", "env_name", "attached_time", "env_id"]
)
def test_any_field_of_a_record_may_be_null(name):
    reply = created(record(1, **{name: None}))

    assert reply.named.api_ids == ("api1",)


def test_unknown_fields_and_types_are_let_be():
    body = {
        "attached_plugins": [record(1, plugin_type="brand_new", extra=[{"a": None}])],
        "bindings": [],
    }
    reply = read_reply(201, {}, json.dumps(body).encode())

    assert reply.named == receipts(1)


@pytest.mark.parametrize("body", [b"{}", b'{"attached_plugins":[]}'])
def test_a_201_may_name_nobody(body):
    assert read_reply(201, {}, body) == Reply(201)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"done"',
        b"<html></html>",
        b'{"attached_plugins":null}',
        b'{"attached_plugins":{}}',
        b'{"attached_plugins":["x"]}',
        b'{"attached_plugins":[{"api_id":1}]}',
        b'{"attached_plugins":[{"api_id":"a"}',
        b'{"attached_plugins":[{"api_id":"\xff"}]}',
        b"\x1f\x8b\x08",
        b'{"x":' + b"[" * 200_000,
    ],
)
def test_a_201_that_cannot_be_read_is_neither_yes_nor_no(body):
    reply = read_reply(201, {}, body)

    assert reply.code == OurCode.REPLY_MALFORMED
    assert reply.message.startswith("the 201 cannot be read: ")
    assert reply.named == NOBODY


@pytest.mark.parametrize(
    ("name", "column"), [("plugin_attach_id", "attach_ids"), ("attached_time", "times")]
)
@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2J", "a\u202eb", "x" * 10_000])
def test_a_hostile_fact_of_a_receipt_is_scrubbed(name, column, text):
    reply = created(record(1, **{name: text}))

    (fact,) = reply.named._asdict()[column]
    assert fact.isprintable()
    assert len(fact) <= MAX_TEXT


def test_names_are_scrubbed():
    reply = created(record(1, plugin_name="a\nb", env_name="c\x00d"))

    assert (reply.plugin_name, reply.env_name) == ("a b", "c d")


@pytest.mark.parametrize("status", [200, 202, 204])
def test_another_success_has_no_receipts(status):
    reply = read_reply(status, {"X-Request-Id": "r"}, b"")

    assert reply == Reply(status, request_id="r")


# --- refusals -------------------------------------------------------------------------


def test_a_refusal_has_code_message_request_and_wait():
    headers = CIMultiDict({"x-request-id": "r1", "retry-after": "7"})
    body = b'{"error_code":"APIG.3002","error_msg":"API x does not exist"}'

    assert read_reply(404, headers, body) == Reply(
        404, "APIG.3002", "API x does not exist", "r1", "7"
    )


def test_the_request_id_of_the_body_serves_where_the_header_is_missing():
    body = b'{"error_code":"APIGW.0301","error_msg":"m","request_id":"r2"}'

    assert read_reply(401, {}, body).request_id == "r2"


@pytest.mark.parametrize("name", ["error_msg", "request_id", "extra"])
def test_a_null_beside_the_code_does_not_lose_it(name):
    body = json.dumps({"error_code": "APIG.3002", name: None}).encode()

    assert read_reply(404, {}, body).code == "APIG.3002"


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"", "", "an empty answer"),
        (
            b"<html><title>502 Bad Gateway</title>",
            "text/html",
            "a web page: 502 Bad Gateway",
        ),
        (b"<HTML><TITLE lang=en>\n Oops\n</TITLE>", "text/html", "a web page: Oops"),
        (
            b"upstream reset",
            "text/plain; charset=x",
            "no error body (text/plain): upstream reset",
        ),
        (b"[1]", "application/json", "no error body (application/json): [1]"),
        (b"{}", "application/json", "no error body (application/json): {}"),
        (b"7", "application/json", "no error body (application/json): 7"),
        (
            b'{"error_code":7}',
            "application/json",
            'no error body (application/json): {"error_code":7}',
        ),
        (
            b'{"error":{"code":401}}',
            "application/json",
            'no error body (application/json): {"error":{"code":401}}',
        ),
        (b"\xff\xfe", "", "no error body (text): \ufffd\ufffd"),
    ],
)
def test_what_came_instead_of_an_error_body_is_told_in_a_few_words(body, kind, message):
    headers = {"Content-Type": kind} if kind else {}
    reply = read_reply(502, headers, body)

    assert (reply.status, reply.code, reply.message) == (502, "", message)


def test_a_code_without_a_message_has_no_message():
    assert read_reply(404, {}, b'{"error_code":"APIG.3002"}').message == ""


def test_a_message_without_a_code_is_kept():
    reply = read_reply(404, {}, b'{"error_msg":"gone"}')

    assert (reply.code, reply.message) == ("", "gone")


def test_a_code_is_cut_to_what_a_report_can_show():
    body = json.dumps({"error_code": "A" * 1000}).encode()

    assert read_reply(404, {}, body).code == "A" * 64


@pytest.mark.parametrize(
    "body",
    [
        b"<title>" * 100_000,
        b"<title" * 100_000,
        b"<title>" + b"x" * 1_000_000,
        b'{"error_msg":"' + b"x" * 1_000_000 + b'"}',
        b'{"x":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        b"{" * 500_000,
    ],
    ids=[
        "titles",
        "title",
        "endless title",
        "huge message",
        "deep list",
        "deep object",
    ],
)
def test_a_huge_or_deep_body_becomes_a_short_message(body):
    reply = read_reply(500, {}, body)

    assert len(reply.message) <= MAX_TEXT


@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(
        st.sampled_from(["X-Request-Id", "Retry-After", "Content-Type"]), st.text()
    ),
    body=st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(
                        ["attached_plugins", "error_code", "error_msg", "api_id"]
                    ),
                    inner,
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_no_answer_at_all_raises_or_leaves_text_that_no_file_takes(
    status, headers, body
):
    reply = read_reply(status, headers, body)

    msgspec.msgpack.encode([reply.code, reply.message, reply.request_id])
    assert reply.status == status


def test_a_header_with_raw_bytes_is_made_storable():
    raw = b"r\xff1".decode("utf-8", "surrogateescape")

    assert read_reply(404, {"X-Request-Id": raw}, b"").request_id == "r 1"


# --- scrubbing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("X-Auth-Token: MIIsecret", "X-Auth-Token=***"),
        ("x-auth-token:MIIsecret|host:apig", "x-auth-token=***|host:apig"),
        ("x-security-token=MIIsecret;a", "x-security-token=***;a"),
        ("X-Subject-Token : MIIsecret", "X-Subject-Token=***"),
        ('{"X-Auth-Token": "MIIsecret"}', '{"X-Auth-Token=***}'),
        ("{'X-Auth-Token': 'MIIsecret'}", "{'X-Auth-Token=***}"),
        (r"{\"X-Auth-Token\": \"MIIsecret\"}", r"{\"X-Auth-Token=***"),
        ("X-Auth-Token\x00: MIIsecret", "X-Auth-Token=***"),
        ("Authorization: Bearer MIIsecret", "Authorization=***"),
        ("Authorization: Basic MIIsecret x", "Authorization=*** x"),
        ('"Authorization": "Bearer MIIsecret"', '"Authorization=***'),
        (
            "Authorization: SDK-HMAC-SHA256 Access=AKsecret, Signature=MIIsecret",
            "Authorization=***, Signature=***",
        ),
        (
            "authorization: V11-HMAC-SHA256 Credential=MIIsecret",
            "authorization=***",
        ),
        ("password='MII secret'", "password=***"),
        ("secret_key=MIIsecret", "secret_key=***"),
        ("secretAccessKey: MIIsecret", "secretAccessKey=***"),
        ("token=MIIsecret", "token=***"),
        ("verify aksk signature fail", "verify aksk signature fail"),
        ("decrypt token fail", "decrypt token fail"),
        ("AK access failed to reach the limit,forbidden",) * 2,
        ("API abc does not exist",) * 2,
    ],
)
def test_secrets_are_masked_and_words_about_them_are_not(text, scrubbed):
    assert scrub(text) == scrubbed
    assert "secret" not in scrub(text).replace("secret_key", "").replace(
        "secretAccessKey", ""
    )


@pytest.mark.parametrize(
    "odd",
    [
        "".join(chr(number) for number in range(0x20)),
        "".join(chr(number) for number in range(0x7F, 0xA0)),
        *"\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff",
        chr(0xD800),
        chr(0xDCFF),
        "\U000e0041",
    ],
)
def test_controls_and_characters_that_turn_or_hide_text_become_a_blank(odd):
    assert scrub(f"a{odd}b") == "a b"


def test_text_of_the_largest_length_is_kept_whole():
    assert scrub("x" * MAX_TEXT) == "x" * MAX_TEXT


def test_longer_text_is_cut_and_says_so():
    assert scrub("x" * (MAX_TEXT + 1)) == "x" * (MAX_TEXT - 1) + "…"


def test_other_scripts_are_kept():
    assert scrub("插件 ü €") == "插件 ü €"


@given(st.text(alphabet=st.characters(codec=None)))
def test_scrubbed_text_is_one_short_line_that_can_be_written(text):
    scrubbed = scrub(text)

    assert len(scrubbed) <= MAX_TEXT
    assert len(scrubbed.splitlines()) <= 1
    scrubbed.encode()


@given(st.text())
def test_scrubbing_twice_changes_nothing_more(text):
    assert scrub(scrub(text)) == scrub(text)


# --- failures inside a 201 ------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {
            "bindings": [
                {
                    "api_id": "a",
                    "binding_result": {
                        "status": "FAILED",
                        "error_code": "APIG.3707",
                        "error_msg": "not\npublished",
                    },
                }
            ]
        },
        {
            "failure": [
                {
                    "api_id": "a",
                    "error_code": "APIG.3707",
                    "error_msg": "not\npublished",
                }
            ]
        },
    ],
    ids=["bindings", "failure"],
)
def test_a_failure_inside_a_201_is_read_should_there_ever_be_one(body):
    reply = read_reply(201, {}, json.dumps(body).encode())

    assert reply.refusals == (Refusal("a", "APIG.3707", "not published"),)
    assert reply.named == NOBODY


@pytest.mark.parametrize("result", [None, {}, {"status": "SUCCESS"}, {"status": None}])
def test_a_result_that_is_no_failure_refuses_nobody(result):
    body = {"bindings": [{"api_id": "a", "binding_result": result}]}

    assert read_reply(201, {}, json.dumps(body).encode()).refusals == ()


@pytest.mark.parametrize(
    "extra",
    [{"success": True}, {"bindings": None}, {"failure": "none"}, {"bindings": [7]}],
    ids=lambda extra: next(iter(extra)),
)
def test_what_no_page_promises_never_spoils_the_receipts_beside_it(extra):
    body = {"attached_plugins": [record(1)], **extra}
    reply = read_reply(201, {}, json.dumps(body).encode())

    assert (reply.code, reply.named) == ("", receipts(1))


def test_a_failure_without_words_is_given_some():
    reply = read_reply(201, {}, b'{"failure":[{"api_id":"a"}]}')

    assert reply.refusals == (Refusal("a", "", "the 201 says that this API failed"),)


# --- lists ----------------------------------------------------------------------------


def test_the_list_of_what_a_plugin_is_attached_to_is_asked_for_as_promised():
    wanted = attached_list(INSTANCE, PLUGIN, env_id=RELEASE)

    assert wanted.url(500, project_id=PROJECT) == (
        f"/v2/{PROJECT}/apigw/instances/{INSTANCE}/plugins/{PLUGIN}/attached-apis"
        f"?env_id={RELEASE}&limit=500&offset=500"
    )


def test_the_list_of_a_gateways_apis_is_asked_for_as_promised():
    assert apis_list(INSTANCE).url(0, project_id=PROJECT) == (
        f"/v2/{PROJECT}/apigw/instances/{INSTANCE}/apis?limit=500&offset=0"
    )


def test_a_page_of_attached_apis_is_read():
    body = (
        b'{"size":1,"total":9,"apis":[{"api_id":"a","plugin_attach_id":"b",'
        b'"attached_time":"c","env_id":"d","publish_id":null}]}'
    )
    page = read_attached(200, {}, body)

    assert page.is_whole
    assert (page.items, page.total) == ((Attached("a", "b", "c", "d"),), 9)


def test_a_page_of_apis_says_where_each_is_published():
    body = (
        b'{"total":3,"apis":[{"id":"a","run_env_id":"e1|e2"},'
        b'{"id":"b","run_env_id":""},{"id":"c","run_env_id":null}]}'
    )
    page = read_apis(200, {}, body)

    assert page.items == (
        KnownApi("a", frozenset({"e1", "e2"})),
        KnownApi("b", frozenset()),
        KnownApi("c", frozenset()),
    )


@pytest.mark.parametrize("read", [read_attached, read_apis])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"total":1}', b'{"total":1,"apis":null}', b"\xff"]
)
def test_a_page_that_cannot_be_read_is_no_page(read, body):
    page = read(200, {}, body)

    assert not page.is_whole
    assert page.reply.code == OurCode.REPLY_MALFORMED


@pytest.mark.parametrize("read", [read_attached, read_apis])
def test_a_refused_page_says_why(read):
    page = read(404, {}, b'{"error_code":"APIG.3030","error_msg":"gone"}')

    assert not page.is_whole
    assert page.reply == Reply(404, "APIG.3030", "gone")


def page_of(*names: str, total: int) -> Page:
    items = tuple(KnownApi(name, frozenset()) for name in names)
    return Page(Reply(200), items, total)


def listed(*pages: Page) -> Listing:
    listing = Listing()
    for page in pages:
        listing.take(page)
    return listing


def test_a_list_goes_on_until_its_total_is_there():
    listing = listed(page_of("a", "b", total=3))

    assert (listing.offset, listing.is_done) == (2, False)
    listing.take(page_of("c", total=3))
    assert (listing.is_done, listing.proves_absence) == (True, True)
    assert set(listing.items) == {"a", "b", "c"}


def test_an_empty_list_proves_absence():
    assert listed(page_of(total=0)).proves_absence


@pytest.mark.parametrize(
    "pages",
    [
        [page_of("a", total=3), page_of(total=3)],
        [page_of("a", total=3), page_of("a", total=3)],
        [page_of("a", total=2), page_of("b", "c", total=3)],
        [page_of("a", "b", total=1)],
        [page_of("a", "a", total=2), page_of("b", total=2)],
    ],
    ids=["ends early", "repeats a page", "total changes", "too many", "repeats an id"],
)
def test_an_odd_list_ends_and_proves_only_what_it_shows(pages):
    listing = listed(*pages)

    assert listing.is_done
    assert not listing.proves_absence
    assert "a" in listing.items
