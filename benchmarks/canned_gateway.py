"""A gateway in a process of its own that gives everybody the same 201.

It reads no JSON: it cuts the stream at each request's length and writes bytes that were
made once. So the answer is right only for requests that carry ``API_IDS``.
"""

import asyncio
import hashlib
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, cast

#: The ids of every request.
API_IDS = tuple(
    hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()
    for number in range(500)
)

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Request(NamedTuple):
    """One attach: which gateway, plug-in and environment."""

    instance_id: str
    plugin_id: str
    env_id: str

    @property
    def path(self) -> str:
        """What is asked for; the project is ``project``."""
        return (
            f"/v2/project/apigw/instances/{self.instance_id}"
            f"/plugins/{self.plugin_id}/attach"
        )


def answer() -> bytes:
    """Return the 201 with its head: 500 receipts with all the fields of the contract."""
    chance = random.Random(1)
    receipts = [
        {
            "plugin_attach_id": f"{chance.getrandbits(128):032x}",
            "plugin_id": "a" * 32,
            "plugin_name": "cors-for-everybody",
            "plugin_type": "cors",
            "plugin_scope": "global",
            "env_id": "DEFAULT_ENVIRONMENT_RELEASE_ID",
            "env_name": "RELEASE",
            "api_id": api_id,
            "api_name": f"orders-{number:05d}",
            "attached_time": f"2026-01-23T10:30:27.{number:03d}456789Z",
        }
        for number, api_id in enumerate(API_IDS)
    ]
    body = json.dumps({"attached_plugins": receipts}, separators=(",", ":")).encode()
    head = (
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
        "X-Request-Id: 0123456789abcdef0123456789abcdef\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Canned(asyncio.Protocol):
    def __init__(self, canned: bytes) -> None:
        self._canned = canned
        self._read = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(_END)) >= 0:
            head = bytes(self._read[:end]).lower()
            length = int(head.split(_LENGTH)[1].split(b"\r\n")[0])
            if len(self._read) < end + len(_END) + length:
                return
            del self._read[: end + len(_END) + length]
            if self._transport is not None:
                self._transport.write(self._canned)


async def _serve() -> None:
    canned = answer()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Canned(canned), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def serving() -> Iterator[int]:
    """Start it; yield its port on 127.0.0.1."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__))], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def ceiling(port: int, *, connections: int, seconds: float = 3.0) -> float:
    """Return how many answers a second it gives to who only throws them away."""
    size = len(answer())
    body = json.dumps({"env_id": "e" * 32, "api_ids": API_IDS}).encode()
    path = Request("i" * 32, "p" * 32, "").path
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    until = time.monotonic() + seconds
    counts = [0] * connections

    def ask(place: int) -> None:
        room = memoryview(bytearray(1 << 20))
        with socket.create_connection(("127.0.0.1", port)) as line:
            while time.monotonic() < until:
                line.sendall(head.encode() + body)
                left = size
                while left:
                    got = line.recv_into(room)
                    if not got:
                        return
                    left -= got
                counts[place] += 1

    askers = [threading.Thread(target=ask, args=(no,)) for no in range(connections)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    return sum(counts) / seconds


if __name__ == "__main__":
    with suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve())
