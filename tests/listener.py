"""A small web server that writes down what is posted to it. No test is in here."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Heard(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Listener:
    """What came in, and how it is answered."""

    def __init__(self, answers: Sequence[int], body: bytes) -> None:
        self.body = body
        self.heard: list[Heard] = []
        self.url = ""
        self._answers = list(answers)

    def status(self) -> int:
        """Return the next answer; the last one stands; 0: never answer."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@contextmanager
def listening(answers: Sequence[int] = (200,), body: bytes = b"") -> Iterator[Listener]:
    """Serve on a free loopback port while the block runs."""
    listener = Listener(answers, body)
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            listener.heard.append(Heard(self.path, dict(self.headers), body))
            status = listener.status()
            if not status:
                over.wait()
                return
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{listener.url}/elsewhere")
            self.send_header("Content-Length", str(len(listener.body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked need not read it all
                self.wfile.write(listener.body)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    listener.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield listener
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
