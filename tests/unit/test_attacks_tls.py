"""TLS and proxies against real servers: who is trusted, and who sees the token."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from bulkbind.errors import NotSent, SettingsError
from bulkbind.http import AccountHttp, Http
from tests.certificates import DAY, NOW, certify, pem, server_context, write

HEADERS = {"X-Auth-Token": "canary-of-the-tls-tests"}


@asynccontextmanager
async def serving(
    context: ssl.SSLContext | None,
) -> AsyncIterator[tuple[BaseTestServer, list[web.BaseRequest]]]:
    """Serve every path; what came is collected."""
    heard: list[web.BaseRequest] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(request)
        return web.Response(status=201)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", hear)
    server = TestServer(app, scheme="https" if context else "http")
    await server.start_server(ssl=context)
    try:
        yield server, heard
    finally:
        await server.close()


def url_of(server: BaseTestServer, host="127.0.0.1") -> str:
    return f"{server.scheme}://{host}:{server.port}/v2"


async def send(url, *, ca_file=None, proxy=""):
    async with Http(timeout_s=5.0, connections=1) as http:
        sender = AccountHttp(http, ca_file=ca_file, proxy=proxy)
        return await sender.send("POST", url, headers=HEADERS, body=b"{}")


@pytest.fixture(scope="module")
def authority():
    return certify()


@pytest.fixture
def ca_file(tmp_path, authority):
    return write(tmp_path / "ca.pem", pem(authority))


# --- who is trusted -------------------------------------------------------------------


async def refused(context, *, ca_file=None, host="127.0.0.1") -> str:
    """Send to a server that must not be trusted; return what is said of it."""
    async with serving(context) as (server, heard):
        with pytest.raises(NotSent) as failure:
            await send(url_of(server, host), ca_file=ca_file)

        assert heard == []
    return str(failure.value)


async def test_a_certificate_that_signs_itself_is_refused_and_the_remedy_said(tmp_path):
    text = await refused(server_context(tmp_path, certify("127.0.0.1")))

    assert "self" in text
    assert "ca_file" in text


async def test_an_authority_that_nobody_named_is_refused(tmp_path, authority):
    own = server_context(tmp_path, certify("127.0.0.1", by=authority))

    assert "certificate" in await refused(own)


async def test_a_certificate_of_another_host_is_refused(tmp_path, authority, ca_file):
    other = server_context(tmp_path, certify("gateway.example", by=authority))

    assert "IP address mismatch" in await refused(other, ca_file=ca_file)


async def test_an_address_is_no_name_of_its_host(tmp_path, authority, ca_file):
    address = server_context(tmp_path, certify("127.0.0.1", by=authority))

    text = await refused(address, ca_file=ca_file, host="localhost")

    assert "ostname mismatch" in text


async def test_an_expired_certificate_is_refused(tmp_path, authority, ca_file):
    old = certify("127.0.0.1", by=authority, until=NOW - DAY)

    text = await refused(server_context(tmp_path, old), ca_file=ca_file)

    assert "expired" in text


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_a_server_that_speaks_old_tls_only_is_refused(
    tmp_path, authority, ca_file
):
    old = server_context(tmp_path, certify("127.0.0.1", by=authority))
    lax = ssl.create_default_context(cafile=ca_file)
    for context in (old, lax):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    async with serving(old) as (server, heard):
        with pytest.raises(NotSent):
            await send(url_of(server), ca_file=ca_file)
        async with Http(timeout_s=5.0, connections=1) as http:
            answer = await http.send("GET", url_of(server), headers={}, ssl_context=lax)

    assert answer.status == 201
    assert len(heard) == 1


async def test_an_authority_of_ones_own_is_trusted_where_it_is_named(
    tmp_path, authority, ca_file
):
    context = server_context(tmp_path, certify("127.0.0.1", by=authority))

    async with serving(context) as (server, heard):
        answer = await send(url_of(server), ca_file=ca_file)

    assert answer.status == 201
    assert heard[0].headers["X-Auth-Token"] == HEADERS["X-Auth-Token"]


async def test_an_authority_of_one_account_is_none_of_another(
    tmp_path, authority, ca_file
):
    context = server_context(tmp_path, certify("127.0.0.1", by=authority))

    async with (
        serving(context) as (server, heard),
        Http(timeout_s=5.0, connections=2) as http,
    ):
        trusting = AccountHttp(http, ca_file=ca_file, proxy="")
        other = AccountHttp(http, ca_file=None, proxy="")
        await trusting.send("GET", url_of(server), headers=HEADERS)
        with pytest.raises(NotSent):
            await other.send("GET", url_of(server), headers=HEADERS)

    assert len(heard) == 1


@pytest.mark.parametrize("text", [None, b"", b"no certificate"])
async def test_a_ca_file_that_is_none_is_told_before_anything_is_sent(tmp_path, text):
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_bytes(text)

    with pytest.raises(SettingsError, match=r"ca\.pem"):
        AccountHttp(Http(timeout_s=1.0, connections=1), ca_file=path, proxy="")


async def test_the_environment_cannot_have_the_keys_of_sessions_written_down(
    tmp_path, authority, ca_file, monkeypatch
):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    context = server_context(tmp_path, certify("127.0.0.1", by=authority))

    async with serving(context) as (server, _):
        await send(url_of(server), ca_file=ca_file)

    assert not (tmp_path / "keys").exists()


# --- proxies --------------------------------------------------------------------------


@asynccontextmanager
async def proxying(answer: bytes = b"") -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a proxy for CONNECT that notes every byte which passes through it."""
    seen: list[bytes] = []

    async def pump(one: anyio.abc.ByteStream, other: anyio.abc.ByteStream) -> None:
        async for data in one:
            seen.append(data)
            await other.send(data)

    async def handle(client: anyio.abc.SocketStream) -> None:
        async with client:
            seen.append(await client.receive())
            if answer:
                await client.send(answer)
                return
            host, _, port = seen[0].split()[1].decode().rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as server:
                await client.send(b"HTTP/1.1 200 OK\r\n\r\n")
                async with anyio.create_task_group() as both:
                    both.start_soon(pump, client, server)
                    await pump(server, client)
                    both.cancel_scope.cancel()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django
        yield f"http://127.0.0.1:{port}", seen
        group.cancel_scope.cancel()


async def test_a_proxy_that_is_named_carries_the_request_and_cannot_read_it(
    tmp_path, authority, ca_file
):
    context = server_context(tmp_path, certify("127.0.0.1", by=authority))

    async with serving(context) as (server, heard), proxying() as (proxy, seen):
        answer = await send(url_of(server), ca_file=ca_file, proxy=proxy)

    assert answer.status == 201
    assert len(heard) == 1
    assert seen[0].startswith(b"CONNECT 127.0.0.1:")
    assert HEADERS["X-Auth-Token"].encode() not in b"".join(seen)


async def test_a_proxy_cannot_stand_in_for_the_gateway(tmp_path, authority, ca_file):
    context = server_context(tmp_path, certify("gateway.example", by=authority))

    async with serving(context) as (server, heard), proxying() as (proxy, _):
        with pytest.raises(NotSent, match="not trusted"):
            await send(url_of(server), ca_file=ca_file, proxy=proxy)

    assert heard == []


async def test_what_is_not_encrypted_is_never_given_to_a_proxy():
    async with serving(None) as (server, heard), proxying() as (proxy, seen):
        await send(url_of(server), proxy=proxy)

    assert len(heard) == 1
    assert seen == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_proxy_that_refuses_means_that_nothing_was_sent(answer):
    async with proxying(answer) as (proxy, seen):
        with pytest.raises(NotSent):
            await send("https://gateway.invalid/v2", proxy=proxy)

    assert len(seen) == 1
    assert HEADERS["X-Auth-Token"].encode() not in seen[0]


async def test_proxies_of_the_environment_are_no_proxies_of_https(
    tmp_path, authority, ca_file, monkeypatch
):
    context = server_context(tmp_path, certify("127.0.0.1", by=authority))

    async with serving(context) as (server, _), proxying() as (proxy, seen):
        for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        answer = await send(url_of(server), ca_file=ca_file)

    assert answer.status == 201
    assert seen == []
