"""Connections with limits: uvicorn's HTTP protocol, which knows of none but an idle connection's.

The server looks at every connection once a second (``look``); so a request that arrives in one piece costs no timer. A
client that is too slow, says too much before its body, or speaks no HTTP gets a problem where it can still be told one,
and loses the connection. uvicorn itself closes connections that are idle between requests.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from services.api.boundary import CROWDED, REFUSAL
from services.api.problems import Problem, head_too_large, malformed, overloaded, timeout
from services.observability import metrics
from services.observability.logging import get_logger

REFUSED_ABOVE = 64
"""Connections above the limit that are still told so; more are closed unheard."""
_HEADERS = 100
_LEAST_BYTES_A_SECOND = 1024
_GRACE_SECONDS = 1.0

log = get_logger()


@dataclass(frozen=True)
class Limits:
    """What a connection may do; times in seconds."""

    connections: int
    head_bytes: int
    head_seconds: float
    body_seconds: float
    send_seconds: float


class LimitedConfig(uvicorn.Config):
    """uvicorn's configuration, and the limits of its connections."""

    def __init__(self, app: ASGIApp, limits: Limits, **options: Any) -> None:
        super().__init__(app, http=Connection, **options)
        self.limits = limits


class _Phase(Enum):
    HEAD = "request line and headers"
    BODY = "body"
    BETWEEN = "between requests"


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = cast(LimitedConfig, config).limits
        self._phase, self._since = _Phase.HEAD, self.loop.time()
        self._surplus = False
        self._head_bytes = 0
        self._message_ended = False
        self._unsent, self._unsent_since, self._sent_some = 0, self._since, False

    # ---- what the transport says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._surplus = len(self.connections) > self._limits.connections
        if len(self.connections) > self._limits.connections + REFUSED_ABOVE:
            self._cut("connections")

    def data_received(self, data: bytes) -> None:
        if self._phase is _Phase.BETWEEN:
            self._enter(_Phase.HEAD)
        self._message_ended = False
        super().data_received(data)
        if self._phase is _Phase.HEAD and not self._message_ended:  # else the head's part of it is not known
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self._refuse(self._too_large(), "head_size")

    def resume_writing(self) -> None:
        self._sent_some = True
        super().resume_writing()

    # ---- what the parser says

    def on_message_begin(self) -> None:
        self._enter(_Phase.HEAD)
        self._head_bytes = 1  # at least
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._enter(_Phase.BODY)
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        scope = cast(dict[str, Any], self.scope)
        if size > self._limits.head_bytes or len(self.headers) > _HEADERS:
            scope[REFUSAL] = self._too_large()
        elif self._surplus:
            scope[CROWDED] = overloaded(self._limits.connections)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._enter(_Phase.BETWEEN)
        self._message_ended = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(malformed("This is not HTTP/1.1 as RFC 9112 has it."), "malformed")

    # ---- what the server sees once a second

    def look(self, now: float) -> None:
        """Ends the connection of a client that is too slow. ``now``: the loop's time."""
        limits, waited = self._limits, now - self._since
        if self._is_stuck(now):
            self._cut("slow_reader")
        elif self._phase is _Phase.HEAD and self._answering:
            self._since = now  # sent ahead; it counts from when it is its turn
        elif self._phase is _Phase.HEAD and waited > limits.head_seconds:
            self._refuse(timeout(f"The headers did not arrive within {limits.head_seconds:g} s."), "slow_head")
        elif self._phase is _Phase.BODY and waited > limits.body_seconds + _GRACE_SECONDS:
            self._cut("slow_body")  # one that nobody reads; who reads one has refused it by now

    def _is_stuck(self, now: float) -> bool:
        """Whether next to nothing of the answer went out for ``send_seconds``."""
        unsent = self.transport.get_write_buffer_size()
        passed = now - self._unsent_since
        if unsent == 0 or self._sent_some or self._unsent - unsent >= _LEAST_BYTES_A_SECOND * self._limits.send_seconds:
            self._unsent, self._unsent_since, self._sent_some = unsent, now, False
            return False
        self._unsent = max(self._unsent, unsent)
        return passed > self._limits.send_seconds

    # ---- ends

    def _refuse(self, problem: Problem, reason: str) -> None:
        """Says why, unless that would get into an answer under way or nothing was asked, and closes."""
        if self.transport.is_closing():
            return
        if self._answering or (self._head_bytes == 0 and reason == "slow_head"):
            self._cut(reason)
            return
        request_id = str(uuid7())
        self._say(reason, request_id)
        answer = problem.response(request_id)
        fields = b"".join(b"%s: %s\r\n" % field for field in answer.raw_headers if field[0] != b"connection")
        head = STATUS_LINE[problem.status] + fields + b"x-request-id: %s\r\n" % request_id.encode()
        self.transport.write(head + b"connection: close\r\n\r\n" + bytes(answer.body))
        self.transport.close()

    def _cut(self, reason: str) -> None:
        self._say(reason, "")
        self.transport.abort()

    def _say(self, reason: str, request_id: str) -> None:
        metrics.HTTP_CUT.labels(reason).inc()
        client = self.client[0] if self.client else ""
        log.info("connection ended", reason=reason, client=client, request_id=request_id)

    def _too_large(self) -> Problem:
        return head_too_large(self._limits.head_bytes, _HEADERS)

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._since = phase, self.loop.time()
        if phase is _Phase.HEAD:
            self._head_bytes = 0

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete
