"""A gateway that answers with what it was sent: headers echoed in every shape."""

import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from urllib.parse import quote


class Heard(NamedTuple):
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def secrets(self) -> str:
        """What proves who asks, in one line."""
        names = ("X-Auth-Token", "X-Security-Token", "Authorization")
        return " ".join(self.headers[name] for name in names if name in self.headers)

    @property
    def dump(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.headers.items())


class Told(NamedTuple):
    """An answer."""

    status: int
    body: str
    headers: Mapping[str, str] = {}


Shape = Callable[[Heard], Told]


def refusal(message: str, code="APIG.2012", **more: str) -> str:
    return json.dumps({"error_code": code, "error_msg": message, **more})


def receipts(heard: Heard, fact: str) -> str:
    """Say that every id was bound, with a fact in every field that is free."""
    return json.dumps(
        {
            "attached_plugins": [
                {
                    "api_id": api_id,
                    "plugin_attach_id": fact,
                    "attached_time": fact,
                    "plugin_name": fact,
                    "env_name": fact,
                }
                for api_id in json.loads(heard.body)["api_ids"]
            ]
        }
    )


def canonical(heard: Heard) -> str:
    """Echo the request as the front gateway does when a signature is wrong."""
    lines = heard.dump.lower().replace("\n", "|")
    signed = " ".join(heard.headers.values())
    return f"verify aksk signature fail, canonicalRequest:POST|/v2/|{lines}|{signed}"


def escaped(fact: str) -> str:
    """Refuse in a body that spells every character as an escape."""
    spelled = "".join(f"\\u{ord(character):04x}" for character in fact)
    return f'{{"error_code":"APIG.2012","error_msg":"bad {spelled} here"}}'


def listed(heard: Heard) -> str:
    """List one API, plug-in, environment and gateway, all named after a secret."""
    one = {
        **dict.fromkeys(("id", "api_id", "plugin_id"), "0" * 32),
        **dict.fromkeys(("name", "plugin_name", "instance_name"), heard.secrets),
        **dict.fromkeys(("plugin_type", "status", "group_name"), heard.secrets),
        **dict.fromkeys(("plugin_attach_id", "attached_time"), heard.secrets),
        "tags": [heard.secrets],
    }
    names = ("apis", "plugins", "envs", "instances")
    return json.dumps({"total": 1, **{name: [one] for name in names}})


#: Every way in which a server, or what stands before it, may echo a request.
SHAPES: dict[str, Shape] = {
    "message": lambda h: Told(400, refusal(f"bad {h.secrets} here")),
    "code": lambda h: Told(400, refusal("bad", code=h.secrets)),
    "request id": lambda h: Told(400, refusal("bad"), {"X-Request-Id": h.secrets}),
    "request id in body": lambda h: Told(400, refusal("bad", request_id=h.secrets)),
    "web page": lambda h: Told(404, f"<html><title>{h.secrets}</title></html>"),
    "headers": lambda h: Told(400, h.dump, {"Content-Type": "text/plain"}),
    "kind": lambda h: Told(400, "?", {"Content-Type": f"text/{h.secrets}"}),
    "canonical request": lambda h: Told(400, refusal(canonical(h))),
    "JSON in JSON": lambda h: Told(400, refusal(json.dumps(dict(h.headers)))),
    "escaped": lambda h: Told(400, refusal(h.secrets).replace("/", "\\/")),
    "percent": lambda h: Told(400, refusal(quote(h.secrets, safe=""))),
    "all escaped": lambda h: Told(400, escaped(h.secrets)),
    "cut off": lambda h: Told(400, refusal(f"bad {h.secrets[:-12]}")),
    "list": lambda h: Told(400, refusal("no")) if h.body else Told(200, listed(h)),
    "redirect": lambda h: Told(302, "", {"Location": f"/x?t={h.secrets}"}),
    "waits": lambda h: Told(403, refusal("no"), {"Retry-After": h.secrets}),
    "receipts": lambda h: (
        Told(201, receipts(h, h.secrets)) if h.body else Told(404, refusal(h.secrets))
    ),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Echoing"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        heard = Heard(self.command, self.path, dict(self.headers), body)
        self.server.heard.append(heard)
        told = self.server.shape_of(heard)(heard)
        self.send_response_only(told.status)
        for name, value in told.headers.items():
            self.send_header(name, value)
        content = told.body.encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class Echoing(ThreadingHTTPServer):
    """Answers each gateway's requests in a shape of its own."""

    daemon_threads = True

    def __init__(
        self, shapes: Mapping[str, Shape], tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._scheme = "https" if tls else "http"
        if tls:
            # the handshake is made by the thread of a request, not by the one of all
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.heard: list[Heard] = []
        self._shapes = shapes

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""

    def shape_of(self, heard: Heard) -> Shape:
        match = re.search("/instances/([^/]+)/", heard.path)
        return self._shapes[match[1] if match else ""]


@contextmanager
def echoing(
    shapes: Mapping[str, Shape], *, tls: ssl.SSLContext | None = None
) -> Iterator[Echoing]:
    """Serve gateways, each by its instance id in a shape."""
    with Echoing(shapes, tls) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
