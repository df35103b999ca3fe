"""Passes on what comes to NEAR:PORT to FAR:PORT.

python -m tests.cluster.relay NEAR PORT FAR
"""

import sys
from functools import partial

import anyio
from anyio.abc import SocketStream


async def _pass_on(near: SocketStream, far: SocketStream) -> None:
    """Pass on what comes on one side, to its end; then both sides end."""
    try:
        async for data in near:
            await far.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return
    finally:
        await anyio.aclose_forcefully(far)


async def _take(far: str, port: int, near: SocketStream) -> None:
    async with near:
        try:
            other = await anyio.connect_tcp(far, port)
        except OSError:
            return
        async with other, anyio.create_task_group() as group:
            group.start_soon(_pass_on, near, other)
            group.start_soon(_pass_on, other, near)


async def main(near: str, port: int, far: str) -> None:
    """Do it, until killed."""
    listener = await anyio.create_tcp_listener(local_host=near, local_port=port)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await listener.serve(partial(_take, far, port))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]), sys.argv[3])
