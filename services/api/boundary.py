"""What every request passes: its id and trace, refusals before any route, headers, metrics, the log, and the last
place where an exception becomes a problem."""

import asyncio
import re
import secrets
from time import perf_counter
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from services.api.problems import Problem, from_exception, malformed, unavailable_now
from services.api.routing import ROUTE
from services.observability import metrics
from services.observability.logging import get_logger

REQUEST_ID = "millrace.request_id"
TRACEPARENT = "millrace.traceparent"
_PATH_LENGTH = 1000
_CLIENTS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# W3C Trace Context, version 00; all-zero ids mean "none"
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_ESCAPE_CUT_SHORT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE = "none"
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

log = get_logger()


class Boundary:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        try:
            _refuse(scope)
            await self._app(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = 499  # nobody is left to answer; the number is what proxies log for this
        except asyncio.CancelledError:  # the server stops, and its patience with what is under way is over
            await exchange.fail(unavailable_now("The API is stopping"), receive)
        except Exception as error:
            await exchange.fail(error, receive)
        finally:
            exchange.finish()


def _refuse(scope: Scope) -> None:
    target = scope.get("raw_path") or scope["path"].encode()
    if len(target) > _PATH_LENGTH:
        raise Problem(414, "target-too-long", "Path too long", f"A path can have {_PATH_LENGTH} bytes.")
    if _ESCAPE_CUT_SHORT.search(target) or not _is_utf8(target):
        raise malformed("The path has a percent escape that is cut short or stands for no UTF-8.")


def _is_utf8(target: bytes) -> bool:
    try:
        unquote_to_bytes(target).decode()
    except UnicodeDecodeError:
        return False
    return True


class _Exchange:
    """One request and what became of it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._begun = perf_counter()
        headers = Headers(scope=scope)
        self.status: int | None = None
        given = headers.get("x-request-id", "")
        self.request_id = given if _CLIENTS_ID.fullmatch(given) else str(uuid7())
        scope[REQUEST_ID] = self.request_id
        scope[TRACEPARENT] = traceparent(headers.get("traceparent"))

    async def send(self, message: Message) -> None:
        """Passes a message on, with the headers of every answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            headers["Content-Security-Policy"] = _POLICY
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    async def fail(self, error: Exception, receive: Receive) -> None:
        """Answers an exception, unless an answer has begun: then the server cuts the connection."""
        problem = from_exception(error)
        if problem.status == 500:
            log.error("request failed", request_id=self.request_id, route=self._route, exc_info=error)
        if self.status is not None:
            raise error
        await problem.response(self.request_id)(self._scope, receive, self.send)

    def finish(self) -> None:
        """Counts and logs the request; neither holds a body, a token or a whole path."""
        seconds = perf_counter() - self._begun
        method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
        status = self.status or 500
        metrics.HTTP_REQUESTS.labels(self._route, method, str(status)).inc()
        metrics.HTTP_SECONDS.labels(self._route, method).observe(seconds)
        log.debug(
            "request",
            route=self._route,
            method=method,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            request_id=self.request_id,
        )

    @property
    def _route(self) -> str:
        return str(self._scope.get(ROUTE, _NO_ROUTE))


def traceparent(given: str | None) -> str:
    """The W3C trace context of the request: the client's where it is well formed, else a new, unsampled one."""
    if given is not None and _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
