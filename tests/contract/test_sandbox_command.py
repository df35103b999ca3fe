"""``bulkbind sandbox`` as a process: its options reach the wire."""

import subprocess
import sys
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]


async def test_faults_and_hint_are_options_of_the_command(tmp_path):
    manifest = tmp_path / "apis.csv"
    manifest.write_text("project_id,instance_id,plugin_id,env_id,api_id\np,gw,c,e,a\n")
    options = ["--faults", "http_502_after=0.5, error_after=0.5", "--hint", "lying"]
    command = [sys.executable, "-m", "bulkbind", "sandbox", "--manifest", manifest]
    command += [*options, "--state-dir", tmp_path / "state"]
    server = subprocess.Popen(  # noqa: ASYNC220 - a process of its own
        command, stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        attach = f"{url}/v2/p/apigw/instances/gw/plugins/c/attach"
        headers = {"X-Auth-Token": "sandbox"}
        async with aiohttp.ClientSession(headers=headers) as session:
            seen = []
            for api_ids in [["a"]] * 12 + [["a", "nope"]]:
                body = {"env_id": "e", "api_ids": api_ids}
                async with session.post(attach, json=body) as response:
                    seen.append((response.status, await response.text()))
    finally:
        server.terminate()
        server.communicate(timeout=10)

    assert {status for status, _ in seen[:12]} == {500, 502}
    assert seen[12][0] == 404
    assert "API a does not exist" in seen[12][1]


def test_rows_that_are_left_out_of_the_world_are_told(tmp_path):
    manifest = tmp_path / "apis.csv"
    rows = ["default,p,gw,c,e,a", "nobody,p,gw,c,e,b", "nobody,p,gw,c,e,c"]
    header = "account,project_id,instance_id,plugin_id,env_id,api_id"
    manifest.write_text("\n".join([header, *rows]) + "\n")
    command = [sys.executable, "-m", "bulkbind", "sandbox", "--manifest", manifest]
    server = subprocess.Popen(
        [*command, "--state-dir", tmp_path / "state"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert "listening" in server.stdout.readline()
    finally:
        server.terminate()
        _, said = server.communicate(timeout=10)

    assert "warning: of the manifest, 2 rows cannot be sent" in said
    assert "apis.csv:3: account" in said
    assert "nobody" in said
