"""A real HTTP server on loopback that answers with what a function says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, object]
"""Status, and a body: bytes as they are, None for none, everything else as JSON."""


@dataclass(frozen=True)
class Request:
    """What was asked; `target` is the path with its query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@contextmanager
def answering(answer: Callable[[Request], Answer]) -> Iterator[str]:
    """The URL of a server on a free port of 127.0.0.1; `answer` is called in a thread for each request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, said = answer(Request(self.command, self.path, dict(self.headers), body))
            data = said if isinstance(said, bytes) else b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            if status != HTTPStatus.NO_CONTENT:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the names are http.server's

        def handle_one_request(self) -> None:
            with suppress(ConnectionError):  # a client that did not wait for the answer
                super().handle_one_request()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as inherited
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
