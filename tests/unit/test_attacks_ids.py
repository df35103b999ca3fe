"""No id leads a request to another host or path: 200 and more, seen on the wire."""

import json
from itertools import product
from urllib.parse import unquote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bulkbind.auth import Token
from bulkbind.gateway import Gateway
from bulkbind.http import Http
from bulkbind.model import Action, OurCode, Secret, Target
from bulkbind.wire import (
    attached_list,
    read_apis,
    read_attached,
    read_envs,
    read_gateways,
    read_plugins,
)
from tests.factories import hex_id

PIECES = (
    *(
        "..",
        ".",
        "../x",
        "..\\x",
        "/",
        "//evil.example/",
        "\\\\evil.example\\",
        "%2e%2e",
    ),
    *("%2f", "%2F..%2f", "%252e%252e%252f", "@evil.example", ":80@evil.example/"),
    *("?x=1", "#x", "&limit=1", ";x", "http://evil.example/", "\r\nHost: evil.example"),
    *("\r\n\r\nPOST /x HTTP/1.1\r\n", "\n", "\r", "\t", " ", "\x00", "\x7f", "\x85"),
    *(
        "\u2028",
        "\uff0e\uff0e\uff0f",
        "\u2215",
        "\u2044",
        "\u3002",
        "\u0661",
        "ä",
        "插件",
    ),
    *(
        "\U0001f600",
        "%",
        "%zz",
        "%00",
        "%0d%0a",
        "+",
        "*",
        "{}",
        "[]",
        "[::1]",
        "<x>",
        '"',
    ),
    *(
        "'",
        "`",
        "|",
        "^",
        "$(id)",
        "${x}",
        "~",
        ",",
        "=",
        "!",
        "()",
        "\u202e",
        "\ufeff",
    ),
)
WHERE = ("{}", "{}x", "x{}", "x{}x")
GOOD = hex_id("good")
#: All dots are a step in a path however they are written: no reader lets them in.
DOTS = {".", ".."}
HOSTILE = sorted(
    {where.format(piece) for where, piece in product(WHERE, PIECES)} - DOTS
)
LISTS = {
    "apis": (read_apis, {"id": GOOD, "run_env_id": GOOD}),
    "plugins": (read_plugins, {"plugin_id": GOOD}),
    "envs": (read_envs, {"id": GOOD}),
    "instances": (read_gateways, {"id": GOOD}),
}


@pytest.fixture
async def heard():
    """Serve every path; return what was asked for, as it came, and a gateway."""
    came: list[tuple[str, str]] = []

    async def hear(request: web.BaseRequest) -> web.Response:
        came.append((request.headers["Host"], request.raw_path))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", hear)
    async with TestServer(app) as server, Http(timeout_s=5.0, connections=1) as http:
        token = Token(Secret("a-token-of-no-worth"), label="test")
        url = str(server.make_url("")).rstrip("/")

        def gateway(project_id: str) -> Gateway:
            return Gateway(http, endpoint=url, project_id=project_id, credential=token)

        yield came, gateway, url.partition("://")[2]


def test_there_are_enough_of_them():
    assert len(HOSTILE) >= 200


async def test_no_id_leads_a_request_elsewhere(heard):
    came, gateway_of, host = heard
    wrong = []
    for bad in HOSTILE:
        places = [(bad, GOOD, GOOD), (GOOD, bad, GOOD), (GOOD, GOOD, bad)]
        for project, instance, plugin in places:
            came.clear()
            gateway = gateway_of(project)
            target = Target(0, "default", project, instance, plugin, bad, 0)
            await gateway.apply(Action.ATTACH, target, [bad])
            await gateway.page(attached_list(instance, plugin, env_id=bad), 0)
            if [name for name, _ in came] != [host] * len(came):
                wrong.append(("host", bad))
            middle = [project, "apigw", "instances", instance, "plugins", plugin]
            for _, path in came:
                parts = path.partition("?")[0].split("/")
                if [unquote(p) for p in parts[2:-1]] != middle or len(parts) != 9:
                    wrong.append((path, bad))

    assert wrong == []


@pytest.mark.parametrize("field", LISTS)
def test_no_list_brings_in_an_id_that_is_none(field):
    read, item = LISTS[field]
    for bad in {*HOSTILE, *DOTS}:
        for name in item:
            if name == "run_env_id" and set(bad) <= set("x|"):
                continue  # two environments
            body = {"total": 1, field: [{**item, name: bad}]}
            page = read(200, {}, json.dumps(body).encode())

            assert page.reply.code == OurCode.REPLY_MALFORMED
            assert page.items == ()


@pytest.mark.parametrize("name", ["api_id", "env_id"])
def test_no_list_of_what_is_bound_brings_one_in_either(name):
    for bad in {*HOSTILE, *DOTS}:
        body = {"total": 1, "apis": [{"api_id": GOOD, "env_id": GOOD, name: bad}]}
        page = read_attached(200, {}, json.dumps(body).encode())

        assert page.reply.code == OurCode.REPLY_MALFORMED
