"""Answers that mean harm: sent elsewhere, without end, deep, packed, or no JSON."""

import gzip
import json
import resource
from collections.abc import Callable

import pytest

from tests.echoing import Heard, Told, echoing
from tests.factories import (
    PROJECT,
    Process,
    bindings,
    hex_id,
    latest,
    report_of,
    write_manifest,
)

#: Address space, in bytes, and processor time, in seconds, that a run may take.
MOST_MEMORY = 1 << 30
MOST_SECONDS = 30


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("BULKBIND_TOKEN", "a-token-of-no-worth")
    monkeypatch.delenv("BULKBIND_SAFETY_LIVE")


def bounded() -> None:
    """End a process that takes too much, instead of waiting for it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


def told(text: str, status: int) -> Callable[[Heard], Told]:
    return lambda _: Told(status, text, {"Content-Type": "application/json"})


DEEP = 1_000_000
PACKED = gzip.compress(b" " * 64 * 1024 * 1024).decode("latin-1")
BODIES = {
    "9 MiB": '{"x": "' + "x" * 9 * 2**20 + '"}',
    "deep list": "[" * DEEP,
    "deep object": '{"a":' * DEEP,
    "deep where a list is": '{"total": 1, "apis": ' + "[" * DEEP,
    "a number of a million digits": '{"total": ' + "9" * DEEP + ', "apis": []}',
    "many keys": json.dumps({str(number): number for number in range(200_000)}),
    "a key twice": '{"total": 0, "total": 1, "apis": [], "apis": [{}]}',
    "NaN": '{"total": NaN, "apis": [], "attached_plugins": NaN}',
    "null": "null",
    "half a pair": '{"error_code": "\\ud800", "error_msg": "\\udfff"}',
    "packed": PACKED,
    "nothing": "",
    "many titles": "<title>" * 100_000,
    "escapes": '{"error_msg": "' + r"\u0041" * 1_000_000 + '"}',
}


@pytest.mark.parametrize("status", [200, 201, 400, 404, 500])
@pytest.mark.parametrize("name", BODIES)
def test_no_body_breaks_a_run_or_its_report(bulkbind, folder, state, name, status):
    write_manifest(folder / "apis.csv", bindings(2))
    with echoing({hex_id("gateway", 0): told(BODIES[name], status)}) as server:
        said = bulkbind(
            *("run", "apis.csv", "--endpoint", server.url, "--project-id", PROJECT),
            *("--set", "retry.max_attempts=1", "--rate", "unlimited", "--no-live"),
            *("--set", "retry.probe_wait=0s", "--set", "retry.second_look=0s"),
        )
        heard = len(server.heard)

    assert said.code in {1, 3}, said.err
    assert heard < 40
    assert len(report_of(state)) == 2
    assert {row["verdict"] for row in report_of(state)}.isdisjoint({"bound"})
    assert sum(path.stat().st_size for path in latest(state).iterdir()) < 2**20


@pytest.mark.parametrize("name", BODIES)
def test_no_list_breaks_a_plan(bulkbind, folder, name):
    write_manifest(folder / "apis.csv", bindings(2))
    with echoing({hex_id("gateway", 0): told(BODIES[name], 200)}) as server:
        said = bulkbind(
            *("plan", "apis.csv", "--live", "--json", "--rate", "unlimited"),
            *("--endpoint", server.url, "--project-id", PROJECT),
            *("--set", "retry.max_attempts=1"),
        )
        heard = len(server.heard)

    assert said.code in {0, 1, 3, 4}, said.err
    assert heard < 40
    assert "fault of bulkbind's own" not in said.err


@pytest.mark.parametrize("name", ["9 MiB", "deep object", "packed", "many keys"])
def test_no_body_takes_much_memory_or_time(folder, name):
    write_manifest(folder / "apis.csv", bindings(2))
    with echoing({hex_id("gateway", 0): told(BODIES[name], 400)}) as server:
        said = Process(
            *("run", "apis.csv", "--endpoint", server.url, "--project-id", PROJECT),
            *("--set", "retry.max_attempts=1", "--rate", "unlimited", "--no-live"),
            folder=folder,
            prepare=bounded,
        ).wait()

    assert said.code in {1, 3}, said.err


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_of_any_request_is_followed(bulkbind, folder, status):
    write_manifest(folder / "apis.csv", bindings(2))
    with echoing({"": told("{}", 200)}) as other:
        target = {"Location": f"{other.url}/v2/elsewhere"}
        redirect = {hex_id("gateway", 0): lambda _: Told(status, "", target)}
        with echoing(redirect) as server:
            options = ("--endpoint", server.url, "--project-id", PROJECT)
            said = [
                bulkbind("run", "apis.csv", *options, "--rate", "unlimited", live)
                for live in ("--live", "--no-live")
            ]
            methods = {heard.method for heard in server.heard}

    assert all(one.code for one in said)
    assert methods == {"GET", "POST"}
    assert other.heard == []
