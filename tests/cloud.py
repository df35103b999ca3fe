"""A small identity and metadata service, served to tests by aiohttp's own server."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import anyio
from aiohttp import web
from aiohttp.test_utils import TestServer
from anyio.from_thread import start_blocking_portal

from bulkbind.http import Answer

PASSWORD = "hunter2 pässword"  # noqa: S105 - planted
SUBJECT = "X-Subject-Token"


@dataclass
class Cloud:
    """What the services hold, and what they were asked."""

    url: str = ""
    now: float = 1_800_000_000.0
    """The services' clock, in seconds since the epoch; it stands still."""
    lifetime_s: float = 86_400.0
    tokens: tuple[str, ...] = ()
    """Tokens that are given in turn; then ``token-N``."""
    projects: list[dict[str, Any]] = field(default_factory=list)
    status: int = 0
    """What every request is answered with; 0: as it should be."""
    knows_sessions: bool = True
    has_agency: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method, and path with query, in the order they came."""
    bodies: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    given: Counter[str] = field(default_factory=Counter)

    @property
    def expires(self) -> str:
        at = datetime.fromtimestamp(self.now + self.lifetime_s, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.000000Z"

    @property
    def date(self) -> str:
        return format_datetime(datetime.fromtimestamp(self.now, UTC), usegmt=True)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.raw_path))
        self.headers.append(dict(request.headers))
        text = await request.text()
        self.bodies.append(json.loads(text) if text else None)
        if self.status:
            document = {"error": {"message": "said no", "code": self.status}}
            found = web.json_response(document, status=self.status)
        else:
            found = self._find(request)
        found.headers["Date"] = self.date
        return found

    def _find(self, request: web.Request) -> web.Response:
        match request.method, request.path:
            case "POST", "/v3/auth/tokens":
                return self._sign_in()
            case "POST", "/v3.0/OS-CREDENTIAL/securitytokens":
                return web.json_response(self._key(), status=201)
            case "GET", "/v3/projects":
                name = request.query["name"]
                found = [one for one in self.projects if one["name"] == name]
                return web.json_response({"projects": found})
            case "PUT", "/meta-data/latest/api/token" if self.knows_sessions:
                return web.Response(text="session")
            case "GET", "/openstack/latest/securitykey" if self.has_agency:
                return web.json_response(self._key())
        return web.json_response({}, status=404)

    def _sign_in(self) -> web.Response:
        user = self.bodies[-1]["auth"]["identity"]["password"]["user"]
        if user["password"] != PASSWORD:
            said = {"error_code": "IAM.0101", "error_msg": "wrong user or password"}
            return web.json_response(said, status=401)
        number = self.given["token"]
        self.given["token"] += 1
        made = self.tokens[number] if number < len(self.tokens) else f"token-{number}"
        document = {"token": {"expires_at": self.expires}}
        return web.json_response(document, status=201, headers={SUBJECT: made})

    def _key(self) -> dict[str, Any]:
        number = self.given["key"]
        self.given["key"] += 1
        key = {"access": f"AK{number}", "secret": "SK", "securitytoken": "ST"}
        return {"credential": {**key, "expires_at": self.expires}}


@contextmanager
def cloud(**how: Any) -> Iterator[Cloud]:
    """Serve in a thread of its own, so that whole commands can be its clients."""
    served = Cloud(**how)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", served.answer)

    async def make() -> TestServer:
        return TestServer(app, host="127.0.0.1")

    with start_blocking_portal() as portal:
        server = portal.call(make)
        with portal.wrap_async_context_manager(server):
            served.url = str(server.make_url("")).rstrip("/")
            yield served


class Gate:
    """A gateway that takes some proofs only; answers after everybody has asked."""

    def __init__(self, *good: str, others: object = None, date: str = "") -> None:
        self.good = set(good)
        self.seen: list[str] = []
        self.date = date
        self._others = others

    async def send(self, method, url, *, headers, body=None) -> Answer:
        if self._others is not None and "/v3/" in url:
            return await self._others.send(method, url, headers=headers, body=body)  # type: ignore[attr-defined, no-any-return]
        shown = headers.get("X-Auth-Token") or headers["X-Sdk-Date"]
        self.seen.append(shown)
        await anyio.lowlevel.checkpoint()
        said = {"Date": self.date} if self.date else {}
        if shown in self.good:
            return Answer(201, said, b'{"attached_plugins":[]}')
        text = b'{"error_code":"APIGW.0307","error_msg":"token must be updated"}'
        return Answer(401, said, text)
