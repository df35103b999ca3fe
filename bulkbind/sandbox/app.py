"""The HTTP side of the sandbox: what ``service.py`` says is seen, put on the wire."""

import uuid
from http import HTTPStatus

from aiohttp import web

from bulkbind.sandbox import answers
from bulkbind.sandbox.acts import Seen
from bulkbind.sandbox.options import Clock
from bulkbind.sandbox.service import MAX_BODY, Request, Service, Visit


class Front:
    """The one handler of a sandbox: it reads, waits, and acts out.

    Args:
        service: Decides everything; used from the event loop's thread.
        clock: Where time comes from.
    """

    def __init__(self, service: Service, *, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    def application(self) -> web.Application:
        """Build the application that serves this sandbox."""
        application = web.Application(client_max_size=MAX_BODY)
        any_path = r"/{path:[\s\S]*}"  # line ends, too
        application.router.add_route("*", any_path, self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        head = Request(
            request.method,
            request.rel_url.raw_path_qs,
            request.headers.get("X-Auth-Token", ""),
            uuid.uuid4().hex,
            {name.lower(): value for name, value in request.headers.items()},
        )
        if head.is_read_first:
            head = head._replace(body=await _read(request))
        clock = self._clock
        visit = self._service.enter(head, now=clock.monotonic(), now_ns=clock.now_ns())
        seen = None
        try:
            seen = await self._answer(request, visit)
        finally:
            self._service.leave(visit, seen, is_gone=_is_gone(request))
        return await self._act_out(request, seen)

    async def _answer(self, request: web.Request, visit: Visit) -> Seen:
        body: bytes | None = b""
        if visit.is_change:
            body = await _read(request)
            if body is None:
                visit.refusal = answers.TOO_LARGE
        if visit.refusal is None:
            await self._clock.sleep(visit.wait_s)
        return self._service.answer(
            visit,
            body=body or b"",
            now=self._clock.monotonic(),
            now_ns=self._clock.now_ns(),
        )

    async def _act_out(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        if not seen.is_whole:
            _cut(request, seen)
            return web.Response()  # goes nowhere
        if seen.pause_s:
            return await self._send_slowly(request, seen)
        return web.Response(
            status=seen.status, body=seen.body or None, headers=seen.headers
        )

    async def _send_slowly(
        self, request: web.Request, seen: Seen
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=seen.status, headers=seen.headers)
        response.content_length = seen.length
        await response.prepare(request)
        half = seen.length // 2
        await response.write(seen.body[:half])
        await self._clock.sleep(seen.pause_s)
        await response.write(seen.body[half:])
        await response.write_eof()
        return response


async def _read(request: web.Request) -> bytes | None:
    """Read the body; None: it is larger than ``MAX_BODY``."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return None


def _cut(request: web.Request, seen: Seen) -> None:
    """Send what comes before the cut, byte for byte, and close the connection."""
    transport = request.transport
    if transport is None:
        return
    if not seen.status:
        transport.abort()
        return
    phrase = HTTPStatus(seen.status).phrase
    lines = [f"HTTP/1.1 {seen.status} {phrase}", f"Content-Length: {seen.length}"]
    lines += [f"{name}: {value}" for name, value in seen.headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    transport.write(head + seen.body)
    transport.close()


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
