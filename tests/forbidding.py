"""A door in front of gateways that lets some requests pass and refuses others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

#: What the management service answers where a right is missing.
NO_RIGHT = b'{"error_code":"APIG.1005","error_msg":"No permissions","request_id":"r"}'


@contextmanager
def forbidding(
    port: int,
    refuses: Callable[[str], bool],
    *,
    status: int = 403,
    body: bytes = NO_RIGHT,
) -> Iterator[str]:
    """Serve what another port serves, but for paths that are refused.

    Yields:
        The URL.
    """

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if refuses(self.path):
                self._answer(status, body)
                return
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", self.path, headers=dict(self.headers))
            reply = connection.getresponse()
            self._answer(reply.status, reply.read())
            connection.close()

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
