"""A web server that says what a test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api:
    """Answers by method and path; what was asked, with its headers, stands in ``asked``."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, object]] = {}
        self.anything: Callable[[str, str], tuple[int, object]] = lambda _method, _path: (404, {"title": "no"})
        """For what ``answers`` does not have."""
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.url = ""


@contextmanager
def serve() -> Iterator[Api]:
    """Such a server on a free port of 127.0.0.1."""
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api.asked.append((self.command, self.path, dict(self.headers)))
            known = api.answers.get((self.command, self.path))
            status, body = known or api.anything(self.command, self.path)
            data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names are http.server's

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as inherited
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
