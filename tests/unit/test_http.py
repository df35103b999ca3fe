"""The one session, against real servers on loopback: what it follows, reads, refuses."""

import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from bulkbind.errors import AnswerLost, NotSent
from bulkbind.http import MAX_ANSWER, Answer, Http

HEADERS = {"X-Auth-Token": "secret"}
WHOLE = b"HTTP/1.1 201 Created\r\nContent-Length: 20\r\n\r\n" + b"x" * 20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[BaseTestServer]:
    """Serve every path with one handler."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with TestServer(app) as server:
        yield server


@asynccontextmanager
async def answering(text: bytes, *, hang: bool = False) -> AsyncIterator[str]:
    """Answer every request with these bytes, and hang up or wait."""

    async def handle(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            if text:
                await stream.send(text)
            if hang:
                await anyio.sleep_forever()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django
        yield f"http://127.0.0.1:{port}"
        group.cancel_scope.cancel()


async def send(url: str, *, method="POST", body: bytes | None = b"{}", timeout_s=5.0):
    async with Http(timeout_s=timeout_s, connections=2) as http:
        return await http.send(method, url, headers=HEADERS, body=body)


async def echo(request: web.Request) -> web.Response:
    text = await request.text()
    return web.Response(
        status=201,
        text=f"{request.method} {request.raw_path} {text}",
        headers={"X-A": "b"},
    )


async def test_an_answer_has_status_headers_and_body():
    async with serving(echo) as server:
        answer = await send(str(server.make_url("/v2/p")), body=b'{"a":1}')

    assert isinstance(answer, Answer)
    assert answer.status == 201
    assert answer.headers["x-a"] == "b"
    assert answer.body == b'POST /v2/p {"a":1}'


async def test_a_body_is_not_wanted_for_reading():
    async with serving(echo) as server:
        answer = await send(
            str(server.make_url("/x?limit=500")), method="GET", body=None
        )

    assert answer.body == b"GET /x?limit=500 "


async def test_a_path_goes_out_as_it_was_encoded():
    async with serving(echo) as server:
        answer = await send(str(server.make_url("/")) + "a%2Fb%3F")

    assert answer.body == b"POST /a%2Fb%3F {}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_never_followed(status):
    reached = []

    async def elsewhere(request: web.Request) -> web.Response:
        reached.append(request.headers.get("X-Auth-Token"))
        return web.Response()

    async with serving(elsewhere) as other:

        async def redirect(request: web.Request) -> web.Response:
            return web.Response(
                status=status, headers={"Location": str(other.make_url("/x"))}
            )

        async with serving(redirect) as server:
            answer = await send(str(server.make_url("/")))

    assert answer.status == status
    assert reached == []


async def test_an_answer_of_the_largest_size_is_read():
    async def large(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * MAX_ANSWER)

    async with serving(large) as server:
        answer = await send(str(server.make_url("/")))

    assert len(answer.body) == MAX_ANSWER


async def test_a_larger_answer_is_not_read_to_its_end():
    async def larger(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (MAX_ANSWER + 1))

    async with serving(larger) as server:
        with pytest.raises(AnswerLost, match=r"larger than 8,388,608 bytes"):
            await send(str(server.make_url("/")))


async def test_an_answer_without_end_is_not_read_for_ever():
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1024 * 1024)
        except ConnectionError:
            return response

    async with serving(endless) as server:
        with pytest.raises(AnswerLost, match="larger than"):
            await send(str(server.make_url("/")))


async def test_a_zipped_body_is_never_expanded():
    bomb = gzip.compress(b"0" * 1024 * 1024)

    async def zipped(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with serving(zipped) as server:
        answer = await send(str(server.make_url("/")))

    assert answer.body == bomb


async def test_a_plain_answer_is_asked_for():
    async def asked(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["Accept-Encoding"])

    async with serving(asked) as server:
        answer = await send(str(server.make_url("/")))

    assert answer.body == b"identity"


async def test_a_closed_port_means_that_nothing_was_sent():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(NotSent):
        await send(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("url", ["http://", "nonsense", "ftp://127.0.0.1/"])
async def test_an_address_that_is_none_means_that_nothing_was_sent(url):
    with pytest.raises(NotSent):
        await send(url)


async def test_a_host_that_does_not_speak_tls_means_that_nothing_was_sent():
    async with answering(b"no TLS is spoken here\r\n") as url:
        with pytest.raises(NotSent):
            await send(url.replace("http://", "https://"))


@pytest.mark.parametrize("kept", [0, 1, 12, 30, len(WHOLE) - 20, len(WHOLE) - 1])
async def test_a_connection_cut_anywhere_loses_the_answer(kept):
    async with answering(WHOLE[:kept]) as url:
        with pytest.raises(AnswerLost):
            await send(url)


async def test_an_answer_that_is_not_http_is_lost():
    async with answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n") as url:
        with pytest.raises(AnswerLost):
            await send(url)


async def test_a_header_that_never_ends_loses_the_answer():
    async with answering(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000) as url:
        with pytest.raises(AnswerLost):
            await send(url)


@pytest.mark.parametrize("begun", [b"", WHOLE[:30], WHOLE[:-1]])
async def test_an_answer_that_does_not_come_in_time_is_lost(begun):
    async with answering(begun, hang=True) as url:
        with pytest.raises(AnswerLost, match="no whole answer came in time"):
            await send(url, timeout_s=0.05)


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async with serving(echo) as server:
        answer = await send(str(server.make_url("/")))

    assert answer.status == 201


async def test_passwords_of_a_netrc_are_not_used(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    async def asked(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Authorization", "none"))

    async with serving(asked) as server:
        answer = await send(str(server.make_url("/")))

    assert answer.body == b"none"


async def test_cookies_are_not_kept():
    async def bake(request: web.Request) -> web.Response:
        had = request.headers.get("Cookie", "none")
        return web.Response(text=had, headers={"Set-Cookie": "a=b; Path=/"})

    async with serving(bake) as server, Http(timeout_s=5.0, connections=1) as http:
        url = str(server.make_url("/"))
        await http.send("GET", url, headers={})
        answer = await http.send("GET", url, headers={})

    assert answer.body == b"none"


async def test_what_went_wrong_is_said_without_the_token():
    async with answering(b"") as url:
        with pytest.raises(AnswerLost) as lost:
            await send(url)

    assert "secret" not in str(lost.value)
    assert str(lost.value)


async def test_a_session_that_is_not_open_sends_nothing():
    with pytest.raises(RuntimeError, match="not open"):
        await Http(timeout_s=1.0, connections=1).send("GET", "http://x/", headers={})


async def test_a_session_that_was_never_opened_can_be_closed():
    http = Http(timeout_s=1.0, connections=1)
    await http.__aexit__(None, None, None)

    assert http._session is None
