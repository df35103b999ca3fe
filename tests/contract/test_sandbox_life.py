"""What tests and scripts can see of a sandbox, and how it begins and ends."""

import time

import aiohttp
import pytest

from bulkbind.errors import StateError
from bulkbind.sandbox import Sandbox, oracle
from tests.contract import sandbox_clients
from tests.contract.sandbox_clients import APIS, RELEASE, Client, codes, furnish

start = sandbox_clients.start


async def test_the_journal_remembers_changes_when_asked(start):
    call = await start(journal=True)
    before = time.time()
    await call.attach(APIS[:2])
    await call.attach(["f" * 32])
    first, second = call.sandbox.journal

    assert (first.route, first.env_id, first.ids) == (
        "attach_apis",
        RELEASE,
        tuple(APIS[:2]),
    )
    assert first.path == {
        "project_id": "project",
        "product": "apigw",
        "instance_id": "gw",
        "plugin_id": "cors1",
    }
    assert (first.status, second.status) == (201, 404)
    assert before - 1 <= first.at <= second.at <= time.time() + 1


async def test_the_journal_is_empty_when_not_asked_for(start):
    call = await start()
    await call.attach(APIS[:2])

    assert call.sandbox.journal == ()


async def test_counters_tell_requests_by_route_and_status(start):
    call = await start()
    await call.attach(APIS[:1])
    await call.attach([])
    await call("GET", "/apis")

    assert call.sandbox.counters.requests == {"attach_apis": 2, "apis": 1}
    assert call.sandbox.counters.statuses == {
        ("attach_apis", 201): 1,
        ("attach_apis", 400): 1,
        ("apis", 200): 1,
    }


async def test_a_world_in_memory_serves_as_well():
    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:
        furnish(sandbox.world)
        call = Client(session, sandbox)

        assert (await call.attach(APIS[:5]))[0] == 201


async def test_a_world_is_there_again_when_opened_again(tmp_path):
    path = tmp_path / "world.db"
    for plugin in ("cors1", "rate"):
        async with Sandbox(path) as sandbox, aiohttp.ClientSession() as session:
            furnish(sandbox.world)
            call = Client(session, sandbox)
            await call.attach(APIS[:1], path=f"/plugins/{plugin}/attach")

    assert {one.plugin_id for one in oracle.bindings(path)} == {"cors1", "rate"}


async def test_a_taken_port_is_told():
    async with Sandbox() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(StateError, match=f"cannot listen on 127.0.0.1:{port}"):
            await Sandbox(port=port).__aenter__()


async def test_closing_does_not_wait_for_idle_connections(tmp_path):
    async with aiohttp.ClientSession() as session:
        async with Sandbox() as sandbox:
            furnish(sandbox.world)
            await Client(session, sandbox)("GET", "/envs")
            began = time.monotonic()

        assert time.monotonic() - began < 2


async def test_a_world_that_cannot_be_written_is_a_system_error(start):
    call = await start()
    call.sandbox.world._db.execute("PRAGMA query_only=ON")

    assert codes(await call.attach(APIS[:1])) == (500, "APIG.9999")
