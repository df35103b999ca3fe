"""A bare HTTP client of the sandbox, and what its gateways hold. No test is in here.

Tests take the fixture with ``start = sandbox_clients.start``.
"""

import json
from typing import NamedTuple

import aiohttp
import pytest

from bulkbind.sandbox import Sandbox, SandboxOptions, oracle, parse_weather
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


class Came(NamedTuple):
    """What came over the wire."""

    status: int
    """0: nothing."""
    headers: object
    body: bytes
    whole: bool

    @property
    def json(self):
        return json.loads(self.body)


def weather(text, **options):
    return SandboxOptions(weather=parse_weather(text), **options)


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

    async def raw(self, method, path, *, prefix=PREFIX, **kwargs):
        """Return everything that comes, as far as it comes."""
        url = self.sandbox.url + prefix + path
        headers = {"X-Auth-Token": "sandbox"}
        received = b""
        try:
            async with self.session.request(
                method, url, headers=headers, **kwargs
            ) as response:
                try:
                    async for chunk in response.content.iter_any():
                        received += chunk
                except aiohttp.ClientPayloadError:
                    return Came(
                        response.status, response.headers, received, whole=False
                    )
                return Came(response.status, response.headers, received, whole=True)
        except aiohttp.ClientConnectionError:
            return Came(0, {}, b"", whole=False)

    def raw_attach(self, api_ids, *, path=ATTACH, env_id=RELEASE):
        return self.raw("POST", path, json={"env_id": env_id, "api_ids": api_ids})

    @property
    def bound(self):
        """What is bound by now, by API id."""
        return sorted(one.api_id for one in oracle.bindings(self.sandbox.world.path))

    @property
    def faults(self):
        """How often each fault was acted out."""
        return dict(self.sandbox.counters.faults)

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
        session._retry_connection = False  # it sends a GET or PUT again by itself
        started.append((session, sandbox))
        return Client(session, sandbox)

    yield start
    for session, sandbox in started:
        await session.close()
        await sandbox.__aexit__(None, None, None)


def codes(answer):
    status, body = answer
    return status, body["error_code"]
