"""A TCP proxy between bulkbind and the sandbox that does what networks do.

It reads requests whole, asks what is to become of each, and passes bytes on or does
not: later, slowly, in part, never. What it decides comes from the test, by request or
by seed, so that a bad day can be had again. Nothing is ever sent twice by it.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from anyio.from_thread import start_blocking_portal

#: Longest head of a request or reply.
_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one request and its reply."""

    latency_s: float = 0.0
    """Before anything is passed on."""
    jitter_s: float = 0.0
    """Up to so much more, by the proxy's seed."""
    is_mute: bool = False
    """Half-open: where it would be cut, nothing happens any more, for ever."""
    request_bytes: int | None = None
    """So many bytes of the request are passed on; then both sides are cut."""
    reply_bytes: int | None = None
    """So many bytes of the reply are passed on; then the client is cut."""
    is_reset: bool = False
    """A cut is a reset, which throws away what is under way; else a close."""
    pieces: int = 1
    """The reply comes in so many pieces ..."""
    pause_s: float = 0.0
    """... with so much time before each but the first."""


CLEAN = Fate()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    number: int
    """From 1, over all connections."""
    head: bytes
    body: bytes

    @property
    def is_change(self) -> bool:
        return not self.head.startswith(b"GET ")

    def __len__(self) -> int:
        return len(self.head) + len(self.body)


class Passed(NamedTuple):
    """A request that reached the gateway whole, and what came of it."""

    asked: Asked
    fate: Fate
    reply: bytes
    """Whole, as the gateway gave it."""


Choose = Callable[[Asked], Fate]


@dataclass
class Proxy:
    """Passes requests on to a gateway; see ``proxied``."""

    upstream: int
    """Port on loopback."""
    choose: Choose
    random: Random
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    _connections: set["asyncio.Task[None]"] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        for task in list(self._connections):
            with suppress(asyncio.CancelledError):
                await task

    async def _meet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection until either side has enough of it."""
        task = asyncio.current_task()
        if task is None:
            return
        self._connections.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while await self._pass_on(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Serve one request; False: the connection is over."""
        head, body = await _message(reader)
        asked = Asked(len(self.asked) + 1, head, body)
        self.asked.append(asked)
        fate = self.choose(asked)
        self.fates.append(fate)
        await asyncio.sleep(fate.latency_s + self.random.random() * fate.jitter_s)
        reply = await self._ask(head + body, fate)
        if reply is None:
            return await _cut(reader, writer, fate)
        self.passed.append(Passed(asked, fate, reply))
        if fate.reply_bytes is not None and fate.reply_bytes < len(reply):
            writer.write(reply[: fate.reply_bytes])
            await writer.drain()
            return await _cut(reader, writer, fate)
        await _trickle(writer, reply, fate)
        return True

    async def _ask(self, request: bytes, fate: Fate) -> bytes | None:
        """Ask the gateway; None: it never got the whole request."""
        cut = fate.request_bytes
        if cut == 0:
            return None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            writer.write(request[:cut])
            await writer.drain()
            if cut is not None and cut < len(request):
                return None
            return b"".join(await _message(reader))
        finally:
            writer.close()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read a head and the body that it announces."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head, await reader.readexactly(length)


async def _trickle(writer: asyncio.StreamWriter, reply: bytes, fate: Fate) -> None:
    size = -(-len(reply) // fate.pieces)
    for start in range(0, len(reply), size):
        if start:
            await asyncio.sleep(fate.pause_s)
        writer.write(reply[start : start + size])
        await writer.drain()


async def _cut(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Fate
) -> bool:
    """End a connection, gently or not, or leave it open until the client gives up."""
    if fate.is_mute:
        await reader.read()
    if fate.is_reset:
        at_once = struct.pack("ii", 1, 0)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()
    return False


@contextmanager
def proxied(upstream: int, choose: Choose, *, seed: int = 0) -> Iterator[Proxy]:
    """Stand between a client and a gateway, in a thread of its own.

    Args:
        upstream: The gateway's port on loopback.
        choose: Called for each request, in the proxy's thread.
        seed: Behind jitter.
    """
    proxy = Proxy(upstream, choose, Random(seed))  # noqa: S311 - seeded
    with start_blocking_portal() as portal:
        portal.call(proxy.open)
        try:
            yield proxy
        finally:
            portal.call(proxy.close)


# --- what to choose -------------------------------------------------------------------


def once_each(fates: dict[bytes, Fate]) -> Choose:
    """Let the first change whose body holds a text meet its fate, others go clean."""
    left = dict(fates)

    def choose(asked: Asked) -> Fate:
        held = next((t for t in left if asked.is_change and t in asked.body), None)
        return CLEAN if held is None else left.pop(held)

    return choose


def storm(seed: int, *, share: float) -> Choose:
    """Let a share of all requests meet any fate, by seed."""
    random = Random(f"storm {seed}")  # noqa: S311 - seeded

    def choose(asked: Asked) -> Fate:
        if random.random() >= share:
            return CLEAN
        make = random.choice(_WEATHER)
        return make(random, asked)

    return choose


def _late(random: Random, asked: Asked) -> Fate:
    return Fate(latency_s=0.02, jitter_s=0.05)


def _mute_request(random: Random, asked: Asked) -> Fate:
    return Fate(request_bytes=random.randrange(len(asked)), is_mute=True)


def _mute_reply(random: Random, asked: Asked) -> Fate:
    return Fate(reply_bytes=random.randrange(400), is_mute=True)


def _slow(random: Random, asked: Asked) -> Fate:
    return Fate(pieces=random.randint(2, 6), pause_s=0.02)


def _cut_request(random: Random, asked: Asked) -> Fate:
    return Fate(
        request_bytes=random.randrange(len(asked)), is_reset=random.random() < 0.5
    )


def _cut_reply(random: Random, asked: Asked) -> Fate:
    return Fate(reply_bytes=random.randrange(400), is_reset=random.random() < 0.5)


_WEATHER = (
    *(_late, _slow, _mute_request, _mute_reply),
    *(_cut_request, _cut_request, _cut_reply, _cut_reply),
)

#: Nothing of the request is read by anybody, and the client hears it at once.
RESET_UNREAD = Fate(request_bytes=0, is_reset=True)
