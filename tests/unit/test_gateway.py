"""The APIG client: one call is one request and one reply, never an exception."""

from typing import TYPE_CHECKING

from multidict import CIMultiDict

from bulkbind.auth import Token
from bulkbind.errors import AnswerLost, BulkbindError, NotSent
from bulkbind.gateway import Gateway
from bulkbind.http import Answer
from bulkbind.model import Action, OurCode, Reply, Secret, Target
from bulkbind.wire import apis_list, attached_list, gateways_list

if TYPE_CHECKING:
    from collections.abc import Mapping

TARGET = Target(
    no=0,
    account="default",
    project_id="other",
    instance_id="gw",
    plugin_id="plug",
    env_id="env",
    lane=0,
)
ATTACHED = attached_list("gw", "plug", env_id="env")


class Wire:
    """Notes what is sent and answers as told."""

    def __init__(self, answer: Answer | BulkbindError) -> None:
        self.sent: list[tuple[str, str, Mapping[str, str], bytes | None]] = []
        self._answer = answer

    async def send(self, method, url, *, headers, body=None) -> Answer:
        self.sent.append((method, url, headers, body))
        if isinstance(self._answer, BulkbindError):
            raise self._answer
        return self._answer


TAKEN = Answer(201, CIMultiDict({"x-request-id": "r1"}), b'{"attached_plugins":[]}')


def gateway(wire: Wire, endpoint="https://apig.x.com") -> Gateway:
    token = Token(Secret("t"), label="test")
    return Gateway(wire, endpoint=endpoint, project_id="pro", credential=token)


async def test_a_greeting_carries_no_credential_and_takes_any_answer():
    wire = Wire(Answer(404, CIMultiDict({"Date": "now"}), b"?"))
    answer = await gateway(wire).greet()

    assert wire.sent == [("GET", "https://apig.x.com/", {}, None)]
    assert isinstance(answer, Answer)
    assert answer.headers["date"] == "now"


async def test_a_greeting_that_nobody_hears_is_a_reply_of_status_0():
    answer = await gateway(Wire(NotSent("nobody there"))).greet()

    assert isinstance(answer, Reply)
    assert (answer.status, answer.left) == (0, False)


async def test_attach_posts_once_to_the_plugin_of_the_accounts_project():
    wire = Wire(TAKEN)
    await gateway(wire).apply(Action.ATTACH, TARGET, ["a", "b"])

    assert wire.sent == [
        (
            "POST",
            "https://apig.x.com/v2/pro/apigw/instances/gw/plugins/plug/attach",
            {"Content-Type": "application/json", "X-Auth-Token": "t"},
            b'{"env_id":"env","api_ids":["a","b"]}',
        )
    ]


async def test_roma_connect_differs_by_one_segment_of_every_path():
    wire = Wire(TAKEN)
    roma = Gateway(
        wire,
        endpoint="https://roma.x.com",
        project_id="pro",
        credential=Token(Secret("t"), label="test"),
        product="roma",
    )
    await roma.apply(Action.ATTACH, TARGET, ["a"])
    await roma.apply(Action.DETACH, TARGET, ["a"])
    await roma.page(ATTACHED, 0)
    await roma.page(gateways_list(), 0)

    paths = [url.removeprefix("https://roma.x.com") for _, url, _, _ in wire.sent]
    assert [path.partition("?")[0] for path in paths] == [
        "/v2/pro/apic/instances/gw/plugins/plug/attach",
        "/v2/pro/apic/instances/gw/plugins/plug/detach",
        "/v2/pro/apic/instances/gw/plugins/plug/attached-apis",
        "/v2/pro/apic/instances",
    ]


async def test_detach_is_a_put():
    wire = Wire(Answer(204, {}, b""))
    await gateway(wire).apply(Action.DETACH, TARGET, ["a"])

    method, url, _, _ = wire.sent[0]
    assert (method, url.rpartition("/")[2]) == ("PUT", "detach")


async def test_a_slash_behind_the_endpoint_is_not_doubled():
    wire = Wire(TAKEN)
    await gateway(wire, "https://apig.x.com/").apply(Action.ATTACH, TARGET, ["a"])

    assert wire.sent[0][1].startswith("https://apig.x.com/v2/")


async def test_an_answer_becomes_a_reply():
    reply = await gateway(Wire(TAKEN)).apply(Action.ATTACH, TARGET, ["a"])

    assert reply == Reply(201, request_id="r1")


async def test_a_request_that_never_left_says_so():
    wire = Wire(NotSent("cannot connect"))
    reply = await gateway(wire).apply(Action.ATTACH, TARGET, ["a"])

    assert reply == Reply(0, OurCode.NOT_REACHED, "cannot connect", left=False)


async def test_a_request_without_an_answer_may_have_arrived():
    wire = Wire(AnswerLost("cut"))
    reply = await gateway(wire).apply(Action.ATTACH, TARGET, ["a"])

    assert reply == Reply(0, OurCode.ANSWER_LOST, "cut", left=True)


async def test_what_happened_to_the_connection_is_scrubbed():
    wire = Wire(AnswerLost("X-Auth-Token: MII\nnext"))
    reply = await gateway(wire).apply(Action.ATTACH, TARGET, ["a"])

    assert reply.message == "X-Auth-Token=*** next"


LIST = Answer(200, {}, b'{"total":1,"apis":[{"api_id":"a","id":"a"}]}')


async def test_what_a_plugin_is_attached_to_is_read_without_a_body():
    wire = Wire(LIST)
    page = await gateway(wire).page(ATTACHED, 500)

    method, url, _, body = wire.sent[0]
    assert (method, body) == ("GET", None)
    assert url.endswith("/plugins/plug/attached-apis?env_id=env&limit=500&offset=500")
    assert [item[0] for item in page.items] == ["a"]


async def test_the_apis_of_a_gateway_are_read():
    wire = Wire(LIST)
    page = await gateway(wire).page(apis_list("gw"), 0)

    assert wire.sent[0][1].endswith("/instances/gw/apis?limit=500&offset=0")
    assert [item[0] for item in page.items] == ["a"]


async def test_a_list_that_could_not_be_had_says_so():
    page = await gateway(Wire(AnswerLost("cut"))).page(apis_list("gw"), 0)

    assert not page.is_whole
    assert page.reply.code == OurCode.ANSWER_LOST
