"""The sandbox as a bare HTTP client meets it: every route, every documented refusal."""

import pytest

from bulkbind.sandbox import oracle
from tests.contract import sandbox_clients
from tests.contract.sandbox_clients import APIS, ATTACH, PREFIX, RELEASE, codes

start = sandbox_clients.start


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


async def test_plugins_of_roma_connect_may_be_an_apps(start):
    call = await start()
    roma = PREFIX.replace("apigw", "apic")
    _, all_of_them = await call("GET", "/plugins", prefix=roma)
    _, of_apps = await call("GET", "/plugins?plugin_scope=app", prefix=roma)
    _, none = await call("GET", "/plugins?plugin_scope=app")
    _, apig = await call("GET", "/plugins")
    by_id = {one["plugin_id"]: one for one in all_of_them["plugins"]}
    apps = {one["plugin_id"] for one in of_apps["plugins"]}
    first = min(apps)
    body = {"env_id": RELEASE, "api_ids": APIS[:1]}
    status, receipt = await call(
        "POST", f"/plugins/{first}/attach", prefix=roma, json=body
    )

    assert 0 < len(apps) < len(by_id) == apig["total"]
    assert none["total"] == 0
    assert {one["plugin_scope"] for one in apig["plugins"]} == {"global"}
    assert all("roma_app_id" not in one for one in apig["plugins"])
    assert {key for key, one in by_id.items() if one["roma_app_id"]} == apps
    assert {key for key, one in by_id.items() if one["plugin_scope"] == "app"} == apps
    assert status == 201
    assert receipt["attached_plugins"][0]["plugin_scope"] == "app"
