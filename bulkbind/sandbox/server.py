"""A sandbox that listens on loopback, in the caller's event loop."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bulkbind.errors import StateError
from bulkbind.sandbox.counters import Counters, Entry
from bulkbind.sandbox.memory import MemoryWorld
from bulkbind.sandbox.options import Clock, SandboxOptions
from bulkbind.sandbox.service import Service
from bulkbind.sandbox.sqlite import SqliteWorld

if TYPE_CHECKING:
    from aiohttp import web

#: How many changes a journal remembers.
JOURNAL = 100_000

#: Seconds that requests under way have to finish when the sandbox closes.
CLOSING_S = 5.0


class Sandbox:
    """A local gateway: ``async with Sandbox(path) as sandbox:`` and use its ``url``.

    Args:
        path: The world file, made when it is not there; None: a world in memory.
        options: How to behave.
        port: Where to listen on 127.0.0.1; 0: any free port.
        journal: Remember attaches and detaches, the last 100,000.
        clock: Where time comes from.

    Raises:
        StateError: The world file cannot be used, or the port is taken.
        ValueError: The shares of faults are more than 1 together, or the weather that
            the world keeps cannot be read.
    """

    def __init__(
        self,
        path: Path | str | None = None,
        *,
        options: SandboxOptions | None = None,
        port: int = 0,
        journal: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.world = MemoryWorld() if path is None else SqliteWorld(path)
        clock = clock or Clock()
        self._service = Service(
            self.world,
            options=options or SandboxOptions(),
            started=clock.monotonic(),
            journal=JOURNAL if journal else 0,
        )
        self._port = port
        self._runner = _runner(self._service, clock)

    async def __aenter__(self) -> Self:
        from aiohttp import web

        try:
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", self._port)
            await site.start()
        except OSError as error:
            await self._close()
            text = (
                f"the sandbox cannot listen on 127.0.0.1:{self._port}: {error};"
                " name another port, or 0 for any"
            )
            raise StateError(text) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _close(self) -> None:
        try:
            await self._runner.cleanup()
        finally:
            self.world.close()

    @property
    def url(self) -> str:
        """Where it listens: ``http://127.0.0.1:PORT``, once entered."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    @property
    def counters(self) -> Counters:
        """What has been seen so far."""
        return self._service.counters

    @property
    def journal(self) -> Sequence[Entry]:
        """The changes that came, oldest first; empty unless asked for."""
        return tuple(self._service.journal)


def _runner(service: Service, clock: Clock) -> "web.AppRunner":
    from aiohttp import web  # a fifth of a second: most commands need no sandbox

    from bulkbind.sandbox.app import Front

    front = Front(service, clock=clock)
    return web.AppRunner(
        front.application(), access_log=None, shutdown_timeout=CLOSING_S
    )
