"""An answered change outlives the process that answered it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from bulkbind.sandbox import SqliteWorld, oracle
from bulkbind.sandbox.world import PluginSeed, PublishedSlot

ROOT = Path(__file__).parents[2]
SERVE = """
import asyncio, sys
from bulkbind.sandbox import Sandbox

async def serve():
    async with Sandbox(sys.argv[1]) as sandbox:
        print(sandbox.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(serve())
"""


@pytest.mark.crash
async def test_kill_9_right_after_an_answer_keeps_its_effect(tmp_path):
    path = tmp_path / "world.db"
    api_ids = [f"{no:032x}" for no in range(500)]
    with SqliteWorld(path) as world, world.atomic():
        world.add_slots([PublishedSlot("gw", "env", one) for one in api_ids])
        world.add_plugins([PluginSeed("gw", "cors1", "cors")])

    for count in (1, 500):
        status = await attach_and_kill(path, api_ids[:count])

        assert status == 201
        assert {one.api_id for one in oracle.bindings(path)} == set(api_ids[:count])
    with SqliteWorld(path) as world:
        assert world.last_attach_no() == 500


async def attach_and_kill(path, api_ids):
    server = subprocess.Popen(  # noqa: ASYNC220 - a process of its own, to be killed
        [sys.executable, "-c", SERVE, path], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        async with (
            aiohttp.ClientSession(headers={"X-Auth-Token": "sandbox"}) as session,
            session.post(
                f"{url}/v2/p/apigw/instances/gw/plugins/cors1/attach",
                json={"env_id": "env", "api_ids": api_ids},
            ) as response,
        ):
            os.kill(server.pid, signal.SIGKILL)
            return response.status
    finally:
        server.kill()
        server.communicate()
