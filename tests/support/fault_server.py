"""A proxy before ClickHouse that answers with an error on demand; runs in a container, on nothing but Python.

PUT /faults takes what is to go wrong from now on, DELETE /faults ends it, GET /faults counts what went wrong so. An
answer has the form of ClickHouse's own: status, X-ClickHouse-Exception-Code and the text. What is not to go wrong is
passed on and back as it is.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_plus

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class Faults:
    """What goes wrong now: `{"code", "status", "text"}` or `{"cut": true}`, each of `on` insert or all, and where the
    body is `containing` a text."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: dict[str, Any] | None = None
        self.count = 0

    def set(self, fault: dict[str, Any] | None) -> None:
        """From now on."""
        with self._lock:
            self._now, self.count = fault, 0

    def meets(self, statement: str, body: bytes) -> dict[str, Any] | None:
        """The fault that this request is answered with."""
        with self._lock:
            fault = self._now
            if fault is None or (fault.get("on") == "insert" and "INSERT" not in statement.upper()):
                return None
            if fault.get("containing", "").encode() not in body:
                return None
            self.count += 1
            return fault


def serve(port: int, host: str, behind: int) -> None:
    """Listens on `port` for ever, before ClickHouse at host and port."""
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/faults":
                if self.command != "GET":
                    faults.set(json.loads(body) if self.command == "PUT" else None)
                self._answer(200, {}, json.dumps({"count": faults.count}).encode())
                return
            fault = faults.meets(unquote_plus(self.path) + body[:200].decode(errors="replace"), body)
            if fault is None:
                self._pass_on(body)
            elif fault.get("cut"):
                self.close_connection = True
                self.connection.close()
            else:
                code, text = fault["code"], fault["text"]
                said = f"Code: {code}. DB::Exception: {text} (version 26.3.17.4 (official build))\n"
                headers = {"X-ClickHouse-Exception-Code": str(code), "Content-Type": "text/plain; charset=UTF-8"}
                self._answer(fault["status"], headers, said.encode())

        def _pass_on(self, body: bytes) -> None:
            connection = http.client.HTTPConnection(host, behind, timeout=60)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                data = answer.read()
                passed = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            except OSError:  # ClickHouse is away: so is what stands before it
                self.close_connection = True
                self.connection.close()
                return
            finally:
                connection.close()
            self._answer(answer.status, passed, data)

        def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle  # noqa: N815 - the names are http.server's

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as inherited
            """Silent."""

    ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()  # noqa: S104 - in a container


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
