"""The front gateway, and one change at a time on each gateway."""

import asyncio
import io

import pytest

from bulkbind.sandbox import Clock, SandboxOptions, oracle
from tests.contract import sandbox_clients
from tests.contract.sandbox_clients import APIS, ATTACH, PREFIX, codes

start = sandbox_clients.start


async def test_a_token_is_asked_for_and_must_be_right(start):
    call = await start(SandboxOptions(token="my own"))  # noqa: S106
    get = "GET", "/envs"

    assert codes(await call(*get, headers={"X": "y"})) == (401, "APIGW.0301")
    wrong = {"X-Auth-Token": "wrong"}
    assert codes(await call(*get, headers=wrong)) == (401, "APIG.1002")
    assert (await call(*get, headers={"X-Auth-Token": "sandbox"}))[0] == 200
    assert (await call(*get, headers={"X-Auth-Token": "my own"}))[0] == 200
    assert call.sandbox.counters.requests["unauthorized"] == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nope"), ("DELETE", "/plugins"), ("GET", ATTACH), ("HEAD", "/envs")],
)
async def test_an_unknown_operation_is_told_by_the_front_gateway(start, method, path):
    call = await start()
    url = call.sandbox.url + PREFIX + path
    async with call.session.request(method, url) as response:
        body = b"" if method == "HEAD" else await response.read()

    assert response.status == 404
    assert method == "HEAD" or b'"APIGW.0101"' in body


async def test_front_gateway_refusals_carry_the_request_id(start):
    call = await start()
    async with call.session.get(call.sandbox.url + PREFIX + "/nope") as response:
        body = await response.json()

    assert body["request_id"] == response.headers["X-Request-Id"]


async def test_request_ids_are_unique(start):
    call = await start()
    ids = set()
    for _ in range(20):
        async with call.session.get(call.sandbox.url) as response:
            ids.add(response.headers["X-Request-Id"])

    assert len(ids) == 20


async def test_a_body_over_12_mb_is_refused(start):
    call = await start()
    body = b'{"env_id": "' + b"x" * (12 * 2**20) + b'"}'

    assert codes(await call("POST", ATTACH, data=io.BytesIO(body))) == (
        413,
        "APIGW.0201",
    )


async def test_the_rate_limit_counts_in_a_sliding_window_per_project(start):
    now = [100.0]
    options = SandboxOptions(rate=(2, 1.0))
    call = await start(options, clock=Clock(monotonic=lambda: now[0]))
    first = [await call("GET", "/envs") for _ in range(3)]
    other = await call("GET", "/envs", prefix="/v2/other/apigw/instances/gw")
    now[0] = 101.0
    later = await call("GET", "/envs")

    assert [status for status, _ in first] == [200, 200, 429]
    assert first[2][1]["error_code"] == "APIGW.0308"
    assert "limit:2,time:1 second" in first[2][1]["error_msg"]
    assert (other[0], later[0]) == (200, 200)
    assert call.sandbox.counters.requests["throttled"] == 1


# --- one change at a time -------------------------------------------------------------


class Gate:
    """A latency that lasts until it is opened."""

    def __init__(self):
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def wait(self, _seconds):
        self.reached.set()
        await self.opened.wait()

    async def during(self, attach, *, meanwhile):
        """Make a call while an attach is under way; give both answers."""
        async with asyncio.TaskGroup() as group:
            first = group.create_task(attach)
            await self.reached.wait()
            second = await meanwhile()
            self.opened.set()
        return first.result(), second


async def test_a_change_that_overlaps_another_is_refused_without_effect(start):
    gate = Gate()
    call = await start(clock=Clock(sleep=gate.wait))
    (status, _), overlapping = await gate.during(
        call.attach(APIS[:1]), meanwhile=lambda: call.attach(APIS[1:2])
    )

    assert status == 201
    assert codes(overlapping) == (500, "APIG.3500")
    assert [one.api_id for one in oracle.bindings(call.sandbox.world.path)] == APIS[:1]
    assert call.sandbox.counters.overlaps == 1
    assert call.sandbox.counters.max_parallel_per_gateway == 2


async def test_gateways_work_side_by_side(start):
    gate = Gate()
    call = await start(clock=Clock(sleep=gate.wait))
    prefix = "/v2/project/apigw/instances/gw2"

    async def attach_elsewhere():
        gate.opened.set()
        return await call.attach(APIS[:1], prefix=prefix)

    answers = await gate.during(call.attach(APIS[:1]), meanwhile=attach_elsewhere)

    assert [status for status, _ in answers] == [201, 201]
    assert call.sandbox.counters.max_parallel_per_gateway == 1


async def test_reading_beside_a_change_is_no_overlap(start):
    gate = Gate()
    call = await start(clock=Clock(sleep=gate.wait))

    async def read():
        gate.opened.set()
        return await call("GET", "/envs")

    answers = await gate.during(call.attach(APIS[:1]), meanwhile=read)

    assert [status for status, _ in answers] == [201, 200]
    assert call.sandbox.counters.overlaps == 0


async def test_one_after_another_never_overlaps(start):
    call = await start()
    for plugin in ("cors1", "cors2") * 10:
        path = f"/plugins/{plugin}/attach"
        assert (await call.attach(APIS[:500], path=path))[0] == 201

    assert call.sandbox.counters.overlaps == 0
    assert call.sandbox.counters.attaches == 20
    assert call.sandbox.counters.ids_posted == 10_000
