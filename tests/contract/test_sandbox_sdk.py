"""The vendor's own client works with the sandbox, as it is.

It signs every request itself (permanent and temporary keys), builds the paths, and reads
the answers into its models. The same operations are then called with a token and a bare
client, and must say the same.
"""

import asyncio
import itertools
from typing import Any

import pytest
from huaweicloudsdkapig.v2 import ApigClient, model
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import (
    ClientRequestException,
    ServerResponseException,
)
from huaweicloudsdkcore.region.region import Region

from bulkbind.sandbox import SandboxOptions
from bulkbind.sandbox.account import AccessKey, Account, Grant, Project
from bulkbind.sandbox.rights import NEEDS
from tests.contract import sandbox_clients
from tests.contract.sandbox_clients import APIS, RELEASE

start = sandbox_clients.start

#: The SDK's own, from Python 3.12 on.
pytestmark = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utc:DeprecationWarning"
)

PROJECT = Project("a" * 32, "cn-north-4", "cn-north-4")
ACCOUNT = Account(
    keys=[
        AccessKey("permanent", "secret one"),
        AccessKey("temporary", "secret two", "a security token+/="),
        AccessKey("reader", "secret three", grants=[Grant(NEEDS["attached_apis"])]),
    ],
    projects=[PROJECT],
    region=PROJECT.region,
)
KEYS = {key.access: key for key in ACCOUNT.keys}
FAULTS = ClientRequestException, ServerResponseException

#: By operation of the sandbox: the SDK's method, its request, and its request's fields.
GW = {"instance_id": "gw"}
OF_PLUGIN = {**GW, "plugin_id": "cors1"}
OF_API = {**GW, "api_id": APIS[0]}
IN_RELEASE = {"env_id": RELEASE, "limit": 500}
FEW_APIS = {"body": {"env_id": RELEASE, "api_ids": APIS[:3]}}
ONE_PLUGIN = {"body": {"env_id": RELEASE, "plugin_ids": ["rate"]}}
CALLS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("instances", "list_instances_v2", "ListInstancesV2", {}),
    ("instance", "show_details_of_instance_v2", "ShowDetailsOfInstanceV2", GW),
    ("envs", "list_environments_v2", "ListEnvironmentsV2", GW),
    ("api_groups", "list_api_groups_v2", "ListApiGroupsV2", GW),
    ("apis", "list_apis_v2", "ListApisV2", {**GW, **IN_RELEASE}),
    ("api", "show_details_of_api_v2", "ShowDetailsOfApiV2", OF_API),
    ("plugins", "list_plugins", "ListPlugins", GW),
    ("plugin", "show_plugin", "ShowPlugin", OF_PLUGIN),
    ("attach_apis", "attach_api_to_plugin", "AttachApiToPlugin", OF_PLUGIN | FEW_APIS),
    (
        "attach_plugins",
        "attach_plugin_to_api",
        "AttachPluginToApi",
        OF_API | ONE_PLUGIN,
    ),
    (
        *("attached_apis", "list_plugin_attached_apis", "ListPluginAttachedApis"),
        OF_PLUGIN | IN_RELEASE,
    ),
    (
        *("attachable_apis", "list_plugin_attachable_apis", "ListPluginAttachableApis"),
        OF_PLUGIN | IN_RELEASE,
    ),
    (
        *("attached_plugins", "list_api_attached_plugins", "ListApiAttachedPlugins"),
        OF_API | {"env_id": RELEASE},
    ),
    (
        *("attachable_plugins", "list_api_attachable_plugins"),
        "ListApiAttachablePlugins",
        OF_API | {"env_id": RELEASE},
    ),
    (
        "detach_apis",
        "detach_api_from_plugin",
        "DetachApiFromPlugin",
        OF_PLUGIN | FEW_APIS,
    ),
    (
        *("detach_plugins", "detach_plugin_from_api", "DetachPluginFromApi"),
        OF_API | ONE_PLUGIN,
    ),
)
STATUSES = {"attach_apis": 201, "attach_plugins": 201} | {
    "detach_apis": 204,
    "detach_plugins": 204,
}


def connect(url, key, *, region=False):
    """Make the vendor's client; with a region it asks IAM for the project."""
    credentials = BasicCredentials(key.access, key.secret)
    if not region:
        credentials = credentials.with_project_id(PROJECT.project_id)
    if key.security_token:
        credentials = credentials.with_security_token(key.security_token)
    builder = ApigClient.new_builder().with_credentials(credentials)
    if region:
        credentials.with_iam_endpoint(url)
        return builder.with_region(Region(PROJECT.region, url)).build()
    return builder.with_endpoint(url).build()


def request_of(name, fields):
    fields = dict(fields)
    if "body" in fields:
        ids = (
            "PluginOperApiInfo" if "api_ids" in fields["body"] else "ApiOperPluginInfo"
        )
        fields["body"] = getattr(model, ids)(**fields["body"])
    return getattr(model, f"{name}Request")(**fields)


async def drive(client, method, name, fields):
    """Call an operation in a thread, as the SDK blocks."""
    return await asyncio.to_thread(getattr(client, method), request_of(name, fields))


def told(response):
    """Return what the SDK's model read, without what was not there."""
    read = {
        name: getattr(response, name)
        for name in response.openapi_types
        if getattr(response, name) is not None
    }
    return {
        name: [one.to_dict() for one in value] if isinstance(value, list) else value
        for name, value in read.items()
    }


@pytest.mark.parametrize(
    "key", [KEYS["permanent"], KEYS["temporary"]], ids=lambda k: k.access
)
async def test_every_operation_by_a_signed_request(start, key):
    call = await start(SandboxOptions(account=ACCOUNT))
    client = connect(call.sandbox.url, key)
    seen = {}
    for operation, method, name, fields in CALLS:
        response = await drive(client, method, name, fields)
        assert response.status_code == STATUSES.get(operation, 200), operation
        seen[operation] = told(response)

    listed = {name: one.get("total") for name, one in seen.items() if "total" in one}
    assert listed == {
        "instances": 2,
        "envs": 2,
        "api_groups": 1,
        "apis": 600,
        "plugins": 3,
        "attached_apis": 3,
        "attachable_apis": 597,
        "attached_plugins": 2,
        "attachable_plugins": 1,
    }
    receipts = seen["attach_apis"]["attached_plugins"]
    assert [one["api_id"] for one in receipts] == APIS[:3]
    assert {one["plugin_id"] for one in receipts} == {"cors1"}
    assert [one["api_id"] for one in seen["attached_apis"]["apis"]] == APIS[:3]
    assert {one["plugin_id"] for one in seen["attached_plugins"]["plugins"]} == {
        "cors1",
        "rate",
    }
    assert [one["plugin_id"] for one in seen["attachable_plugins"]["plugins"]] == [
        "cors2"
    ]
    assert seen["plugin"]["plugin_type"] == "cors"
    assert seen["instance"]["id"] == "gw"
    assert call.bound == []
    assert {operation for operation, *_ in CALLS} == set(NEEDS)
    assert call.sandbox.counters.requests["unauthorized"] == 0


async def test_the_sdk_finds_the_project_of_its_region(start):
    call = await start(SandboxOptions(account=ACCOUNT))
    client = await asyncio.to_thread(
        connect, call.sandbox.url, KEYS["permanent"], region=True
    )
    response = await drive(client, "list_environments_v2", "ListEnvironmentsV2", GW)

    assert response.total == 2
    assert call.sandbox.counters.requests["iam_projects"] == 1


async def test_the_sdk_pages_and_quotes_what_it_asks_for(start):
    call = await start(SandboxOptions(account=ACCOUNT))
    client = connect(call.sandbox.url, KEYS["temporary"])
    ids = []
    for offset in itertools.count(0, 250):
        fields = {**GW, "env_id": RELEASE, "limit": 250, "offset": offset}
        page = await drive(client, "list_apis_v2", "ListApisV2", fields)
        ids += [api.id for api in page.apis]
        if page.size < 250:
            break
    odd = {
        **OF_PLUGIN,
        "env_id": RELEASE,
        "api_name": "a b/ü*~+&=",
        "tags": "#no_tags#",
    }
    none = await drive(
        client, "list_plugin_attachable_apis", "ListPluginAttachableApis", odd
    )

    assert sorted(ids) == APIS
    assert none.total == 0


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        (
            {**OF_PLUGIN, "body": {"env_id": RELEASE, "api_ids": ["nope"]}},
            404,
            "APIG.3002",
        ),
        (
            {**OF_PLUGIN, "body": {"env_id": "canary", "api_ids": APIS[1:2]}},
            409,
            "APIG.3707",
        ),
        (
            {**OF_PLUGIN, "body": {"env_id": "nope", "api_ids": APIS[:1]}},
            404,
            "APIG.3003",
        ),
        (
            {**OF_PLUGIN, "body": {"env_id": RELEASE, "api_ids": APIS[:501]}},
            400,
            "APIG.2",
        ),
        ({**OF_PLUGIN, **FEW_APIS, "plugin_id": "nope"}, 404, "APIG.3068"),
        ({**OF_PLUGIN, **FEW_APIS, "instance_id": "nope"}, 404, "APIG.3030"),
    ],
    ids=["api", "unpublished", "env", "too many", "plugin", "gateway"],
)
async def test_the_sdk_reads_refusals_with_code_and_request_id(
    start, fields, status, code
):
    call = await start(SandboxOptions(account=ACCOUNT))
    client = connect(call.sandbox.url, KEYS["permanent"])
    with pytest.raises(FAULTS) as caught:
        await drive(client, "attach_api_to_plugin", "AttachApiToPlugin", fields)

    assert caught.value.status_code == status
    assert caught.value.error_code.startswith(code)
    assert caught.value.request_id


async def test_a_reader_may_not_attach_and_a_wrong_secret_may_nothing(start):
    call = await start(SandboxOptions(account=ACCOUNT))
    reader = connect(call.sandbox.url, KEYS["reader"])
    wrong = connect(call.sandbox.url, AccessKey("permanent", "wrong"))
    attach = "attach_api_to_plugin", "AttachApiToPlugin", OF_PLUGIN | FEW_APIS
    listing = "list_plugin_attached_apis", "ListPluginAttachedApis", OF_PLUGIN
    with pytest.raises(FAULTS) as forbidden:
        await drive(reader, *attach)
    page = await drive(reader, *listing)
    with pytest.raises(FAULTS) as unproven:
        await drive(wrong, *listing)

    assert (forbidden.value.status_code, forbidden.value.error_code) == (
        403,
        "APIG.1005",
    )
    assert page.total == 0
    assert (unproven.value.status_code, unproven.value.error_code) == (
        401,
        "APIGW.0301",
    )
    assert call.bound == []


# --- with a token, and no SDK ---------------------------------------------------------


@pytest.mark.parametrize("product", ["apigw", "apic"])
async def test_the_same_operations_by_token_say_the_same(start, product):
    call = await start(SandboxOptions(account=ACCOUNT))
    client = connect(call.sandbox.url, KEYS["permanent"])
    token = await issue(call)
    for operation, method, name, fields in CALLS:
        http = getattr(client, f"_{method}_http_info")(request_of(name, fields))
        path = http["resource_path"].format(project_id=PROJECT.project_id, **fields)
        path = path.replace("/apigw/", f"/{product}/")
        async with call.session.request(
            http["method"],
            call.sandbox.url + path,
            params=[
                (one, str(at)) for one, at in http["query_params"] if at is not None
            ],
            json=fields.get("body"),
            headers={"X-Auth-Token": token},
        ) as response:
            body = await response.json() if response.content_length else None
        signed = None
        if http["method"] == "GET":
            signed = told(await drive(client, method, name, fields))

        assert response.status == STATUSES.get(operation, 200), operation
        if body and signed and "total" in body:
            assert (body["total"], body["size"]) == (signed["total"], signed["size"])
    assert call.bound == []


async def issue(call):
    """Ask IAM for a token of the project."""
    user = {"name": "sandbox", "password": "sandbox", "domain": {"name": "sandbox"}}
    wish = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": PROJECT.name}},
        }
    }
    url = f"{call.sandbox.url}/v3/auth/tokens?nocatalog=true"
    async with call.session.post(url, json=wish) as response:
        body = await response.json()
        assert response.status == 201
        assert body["token"]["project"]["id"] == PROJECT.project_id
        assert body["token"]["expires_at"].endswith("Z")
        return response.headers["X-Subject-Token"]
