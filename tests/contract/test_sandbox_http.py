"""The sandbox as a bare HTTP client meets it: every route, every documented refusal."""

import asyncio
import io
import time

import aiohttp
import pytest

from bulkbind.errors import StateError
from bulkbind.sandbox import Clock, Sandbox, SandboxOptions, oracle
from bulkbind.sandbox.world import PluginSeed, PublishedSlot

RELEASE = "DEFAULT_ENVIRONMENT_RELEASE_ID"
APIS = [f"{no:032x}" for no in range(600)]
PREFIX = "/v2/project/apigw/instances/gw"
ATTACH = "/plugins/cors1/attach"


def furnish(world):
    with world.atomic():
        for gateway in ("gw", "gw2"):
            world.add_slots([PublishedSlot(gateway, RELEASE, one) for one in APIS])
            world.add_slots([PublishedSlot(gateway, "canary", APIS[0])])
            world.add_plugins(
                PluginSeed(gateway, plugin_id, plugin_type)
                for plugin_id, plugin_type in (
                    ("cors1", "cors"),
                    ("cors2", "cors"),
                    ("rate", "rate_limit"),
                )
            )


class Client:
    """A bare client of one gateway."""

    def __init__(self, session, sandbox):
        self.session = session
        self.sandbox = sandbox

    async def __call__(self, method, path, *, prefix=PREFIX, headers=None, **kwargs):
        url = self.sandbox.url + prefix + path
        async with self.session.request(
            method, url, headers=headers or {"X-Auth-Token": "sandbox"}, **kwargs
        ) as response:
            assert response.headers["X-Request-Id"]
            body = await response.json() if response.content_length else None
            return response.status, body

    def attach(self, api_ids, *, path=ATTACH, env_id=RELEASE, **kwargs):
        body = {"env_id": env_id, "api_ids": api_ids}
        return self("POST", path, json=body, **kwargs)


@pytest.fixture
async def start(tmp_path):
    """Start a sandbox and a client of it; both end with the test."""
    started = []

    async def start(options=None, **kwargs):
        sandbox = Sandbox(tmp_path / "world.db", options=options, **kwargs)
        furnish(sandbox.world)
        await sandbox.__aenter__()
        session = aiohttp.ClientSession()
        started.append((session, sandbox))
        return Client(session, sandbox)

    yield start
    for session, sandbox in started:
        await session.close()
        await sandbox.__aexit__(None, None, None)


def codes(answer):
    status, body = answer
    return status, body["error_code"]


# --- attach and detach ----------------------------------------------------------------


async def test_attach_is_a_post_answered_201_with_a_receipt_for_each_api(start):
    call = await start()
    status, body = await call.attach(APIS[:500])

    assert status == 201
    assert [item["api_id"] for item in body["attached_plugins"]] == APIS[:500]
    assert set(body["attached_plugins"][0]) == {
        "plugin_attach_id",
        "plugin_id",
        "plugin_name",
        "plugin_type",
        "plugin_scope",
        "env_id",
        "env_name",
        "api_id",
        "api_name",
        "attached_time",
    }


async def test_the_effect_is_in_the_file_when_the_answer_is_here(start):
    call = await start()
    await call.attach(APIS[:2])

    assert set(oracle.bindings(call.sandbox.world.path)) == {
        ("gw", RELEASE, APIS[0], "cors1"),
        ("gw", RELEASE, APIS[1], "cors1"),
    }


async def test_detach_is_a_put_answered_204_without_a_body(start):
    call = await start()
    await call.attach(APIS[:2])
    body = {"env_id": RELEASE, "api_ids": APIS[:1]}

    assert await call("PUT", "/plugins/cors1/detach", json=body) == (204, None)
    assert [one.api_id for one in oracle.bindings(call.sandbox.world.path)] == [APIS[1]]


async def test_plugins_are_attached_to_and_detached_from_an_api(start):
    call = await start()
    path = f"/apis/{APIS[0]}/plugins"
    body = {"env_id": "canary", "plugin_ids": ["cors1", "rate"]}
    status, answer = await call("POST", f"{path}/attach", json=body)
    body = {"env_id": "canary", "plugin_ids": ["rate"]}
    detached = await call("PUT", f"{path}/detach", json=body)
    _, listed = await call("GET", f"/apis/{APIS[0]}/attached-plugins")

    assert status == 201
    assert len(answer["attached_plugins"]) == 2
    assert detached == (204, None)
    assert [item["plugin_id"] for item in listed["plugins"]] == ["cors1"]


@pytest.mark.parametrize(
    ("path", "env_id", "api_ids", "expected"),
    [
        (ATTACH, RELEASE, ["f" * 32], (404, "APIG.3002")),
        (ATTACH, "canary", APIS[:2], (409, "APIG.3707")),
        ("/plugins/none/attach", RELEASE, APIS[:1], (404, "APIG.3068")),
        (ATTACH, "none", APIS[:1], (404, "APIG.3003")),
        (ATTACH, RELEASE, [], (400, "APIG.2012")),
        (ATTACH, RELEASE, APIS[:501], (400, "APIG.2012")),
        (ATTACH, 7, APIS[:1], (400, "APIG.2012")),
        (ATTACH, RELEASE, "all", (400, "APIG.2012")),
    ],
)
async def test_refusals_carry_the_documented_code(
    start, path, env_id, api_ids, expected
):
    call = await start()

    assert codes(await call.attach(api_ids, path=path, env_id=env_id)) == expected
    assert list(oracle.bindings(call.sandbox.world.path)) == []


async def test_an_unknown_gateway_is_refused(start):
    call = await start()
    prefix = "/v2/project/apigw/instances/none"

    assert codes(await call.attach(APIS[:1], prefix=prefix)) == (404, "APIG.3030")
    assert codes(await call("GET", "", prefix=prefix)) == (404, "APIC.7302")
    assert codes(await call("GET", "/apis", prefix=prefix)) == (404, "APIG.3030")


async def test_a_body_that_is_no_json_is_refused(start):
    call = await start()

    assert codes(await call("POST", ATTACH, data=b"{")) == (400, "APIG.2012")


# --- lists ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "key", "fields"),
    [
        ("/plugins", "plugins", {"plugin_id", "plugin_type", "plugin_name"}),
        ("/envs", "envs", {"id", "name"}),
        ("/apis", "apis", {"id", "name", "run_env_id", "run_env_name", "group_id"}),
        ("/api-groups", "groups", {"id", "name"}),
        ("/plugins/cors1/attached-apis", "apis", {"api_id", "plugin_attach_id"}),
        (
            f"/plugins/cors1/attachable-apis?env_id={RELEASE}",
            "apis",
            {"api_id", "env_id", "publish_id", "plugin_attach_id"},
        ),
        (f"/apis/{APIS[0]}/attached-plugins", "plugins", {"plugin_id", "env_id"}),
        (f"/apis/{APIS[0]}/attachable-plugins", "plugins", {"plugin_id"}),
    ],
)
async def test_every_list_tells_size_total_and_items(start, path, key, fields):
    call = await start()
    await call.attach(APIS[:3])
    status, body = await call("GET", path)

    assert status == 200
    assert set(body) == {"size", "total", key}
    assert body["size"] == len(body[key]) <= body["total"]
    assert fields <= set(body[key][0])


async def test_instances_are_listed_and_shown_in_the_callers_project(start):
    call = await start()
    _, listed = await call("GET", "", prefix="/v2/mine/apigw/instances")
    _, shown = await call("GET", "", prefix="/v2/mine/apigw/instances/gw")

    assert [item["id"] for item in listed["instances"]] == ["gw", "gw2"]
    assert shown == listed["instances"][0]
    assert shown["project_id"] == "mine"


async def test_a_plugin_and_an_api_are_shown(start):
    call = await start()
    _, plugin = await call("GET", "/plugins/rate")
    _, api = await call("GET", f"/apis/{APIS[0]}")

    assert plugin["plugin_type"] == "rate_limit"
    assert api["run_env_id"] == f"{RELEASE}|canary"
    assert codes(await call("GET", "/plugins/none")) == (404, "APIG.3068")
    assert codes(await call("GET", "/apis/none")) == (404, "APIG.3002")


async def test_pages_cover_a_list_without_overlap(start):
    call = await start()
    pages = [
        await call("GET", "/apis", params={"limit": "250", "offset": str(offset)})
        for offset in (0, 250, 500, 750)
    ]
    ids = [item["id"] for _, body in pages for item in body["apis"]]

    assert ids == APIS
    assert [body["size"] for _, body in pages] == [250, 250, 100, 0]
    assert {body["total"] for _, body in pages} == {600}


async def test_attached_apis_page_beyond_500(start):
    call = await start()
    await call.attach(APIS[:500])
    await call.attach(APIS[500:])
    params = {"limit": "1000", "offset": "500", "env_id": RELEASE}
    _, body = await call("GET", "/plugins/cors1/attached-apis", params=params)

    assert [item["api_id"] for item in body["apis"]] == APIS[500:]


# --- the front gateway ----------------------------------------------------------------


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


# --- faults ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "has_effect"),
    [
        (SandboxOptions(error_before=1.0), False),
        (SandboxOptions(error_after=1.0), True),
    ],
)
async def test_an_error_comes_before_or_after_the_effect(start, options, has_effect):
    call = await start(options)

    assert codes(await call.attach(APIS[:3])) == (500, "APIG.9999")
    assert bool(list(oracle.bindings(call.sandbox.world.path))) is has_effect


@pytest.mark.parametrize(
    ("options", "has_effect"),
    [(SandboxOptions(lost_before=1.0), False), (SandboxOptions(lost_after=1.0), True)],
)
async def test_a_connection_is_cut_before_or_after_the_effect(
    start, options, has_effect
):
    call = await start(options)
    with pytest.raises(aiohttp.ClientConnectionError):
        await call.attach(APIS[:3])

    assert bool(list(oracle.bindings(call.sandbox.world.path))) is has_effect
    assert call.sandbox.counters.statuses["attach_apis", 0] == 1


async def test_a_refusal_stays_a_refusal_when_the_answer_would_have_failed(start):
    call = await start(SandboxOptions(error_after=1.0))

    assert codes(await call.attach(["f" * 32])) == (404, "APIG.3002")


async def test_a_world_that_cannot_be_written_is_a_system_error(start):
    call = await start()
    call.sandbox.world._db.execute("PRAGMA query_only=ON")

    assert codes(await call.attach(APIS[:1])) == (500, "APIG.9999")


async def test_shares_hit_some_requests_and_reads_never(start):
    call = await start(SandboxOptions(error_before=0.5, seed=7))
    changes = [(await call.attach(APIS[:1]))[0] for _ in range(40)]
    reads = [(await call("GET", "/envs"))[0] for _ in range(10)]

    assert 8 <= changes.count(500) <= 32
    assert set(reads) == {200}


# --- what tests and scripts can see ---------------------------------------------------


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
