"""The sandbox does what its own description says: schemathesis asks it."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bulkbind.sandbox.rights import NEEDS
from tests.contract import sandbox_clients
from tests.contract.sandbox_clients import APIS, RELEASE

start = sandbox_clients.start

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_schema_conformance", "ignored_auth"),
)
#: What there is, so that requests reach more than the door.
THERE = {
    "instance_id": ["gw", "gw2"],
    "plugin_id": ["cors1", "cors2", "rate"],
    "api_id": APIS[:3],
    "env_id": [RELEASE, "canary"],
}


async def ask_all(location, *, url, folder, examples):
    """Let schemathesis ask, and return its exit code and what it says."""
    command = (
        *("run", location, "--url", url, "--header", "X-Auth-Token: sandbox"),
        *("--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing"),
        *("--max-examples", str(examples), "--seed", "1", "--no-color"),
        *("--generation-database", "none"),
    )
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS,
        *command,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def description(call):
    async with call.session.get(f"{call.sandbox.url}/openapi.json") as response:
        assert response.status == 200
        return await response.json()


def narrow(document):
    """Let a description name only what there is."""
    there = {name: {"type": "string", "enum": ids} for name, ids in THERE.items()}
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                parameter["schema"] = there.get(parameter["name"], parameter["schema"])
            if "requestBody" not in operation:
                continue
            content = operation["requestBody"]["content"]["application/json"]
            fields = content["schema"]["properties"]
            fields["env_id"] = there["env_id"]
            for name in ("api_ids", "plugin_ids"):
                if name in fields:
                    fields[name]["items"] = there[name.removesuffix("s")]
    return document


async def test_every_operation_is_described_and_nothing_else(start):
    document = await description(await start())
    described = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]

    assert sorted(described) == sorted(NEEDS)


@pytest.mark.parametrize("is_narrow", [False, True], ids=["any id", "ids there are"])
async def test_what_is_asked_by_the_description_is_answered_by_it(
    start, tmp_path, is_narrow
):
    call = await start()
    location = f"{call.sandbox.url}/openapi.json"
    if is_narrow:
        document = narrow(await description(call))
        path = tmp_path / "narrow.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        location = str(path)
    code, said = await ask_all(
        location, url=call.sandbox.url, folder=tmp_path, examples=10
    )

    assert code == 0, said
    assert "Tested: 16" in said, said
    statuses = {status for _, status in call.sandbox.counters.statuses}
    assert statuses >= ({200, 201, 204, 400, 401, 404} if is_narrow else {200, 404})
    assert call.sandbox.counters.requests["attach_apis"] > 10


async def test_a_line_end_in_a_path_is_answered_by_the_sandbox(start):
    """Found by schemathesis: the server's own router answered, in plain text."""
    call = await start()

    status, body = await call("GET", "/plugins/a%0Ab")

    assert (status, body["error_code"]) == (404, "APIG.3068")
