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

from services.api.problems import Problem, from_exception, malformed, timeout, unavailable_now
from services.api.routing import ROUTE
from services.observability import metrics
from services.observability.logging import get_logger

REQUEST_ID = "millrace.request_id"
TRACEPARENT = "millrace.traceparent"
ACTED = "millrace.acted"
"""In a request's scope: what the access log says of what an administrator did with it."""
REFUSAL = "millrace.refusal"
"""In a request's scope: the problem for which the connection refuses it."""
CROWDED = "millrace.crowded"
"""In a request's scope: the problem for which the connection refuses it unless a supervisor asks."""
_PATH_LENGTH = 1000
_CLIENTS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# W3C Trace Context, version 00; all-zero ids mean "none"
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_ESCAPE_CUT_SHORT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE = "none"
_SUPERVISORS = frozenset({"/healthz", "/readyz", "/metrics"})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# what OWASP's cheat sheets ask of an API and its page; no feature of the device is used
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_HSTS = "max-age=31536000"

log = get_logger()


class Boundary:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, body_seconds: float) -> None:
        """``body_seconds``: how long a request's body may take to arrive."""
        self._app, self._body_seconds = app, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        try:
            _refuse(scope)
            await self._app(scope, _Arrival(receive, self._body_seconds), exchange.send)
        except ClientDisconnect:
            exchange.status = 499  # nobody is left to answer; the number is what proxies log for this
        except asyncio.CancelledError:  # the server stops, and its patience with what is under way is over
            await exchange.fail(unavailable_now("The API is stopping"), receive)
        except Exception as error:
            await exchange.fail(error, receive)
        finally:
            exchange.finish()


def _refuse(scope: Scope) -> None:
    refusal = scope.get(REFUSAL) or (scope.get(CROWDED) if scope["path"] not in _SUPERVISORS else None)
    if refusal is not None:
        raise refusal
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


class _Arrival:
    """A request's body on its way, which must be there so many seconds after it is first asked for."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive, self._seconds = receive, seconds
        self._end: float | None = None
        self._whole = False

    async def __call__(self) -> Message:
        """The next message. Raises a 408 problem."""
        if self._whole:
            return await self._receive()
        if self._end is None:
            self._end = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._end):
                message = await self._receive()
        except TimeoutError:
            raise timeout(f"The request's body did not arrive within {self._seconds:g} s.") from None
        self._whole = not message.get("more_body", False)
        return message


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
            headers.update(_HEADERS)
            if self._scope["scheme"] == "https":
                headers["Strict-Transport-Security"] = _HSTS
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
        acted: dict[str, str] | None = self._scope.get(ACTED)
        (log.debug if acted is None else log.info)(
            "request",
            route=self._route,
            method=method,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            request_id=self.request_id,
            **(acted or {}),
        )

    @property
    def _route(self) -> str:
        return str(self._scope.get(ROUTE, _NO_ROUTE))


def traceparent(given: str | None) -> str:
    """The W3C trace context of the request: the client's where it is well formed, else a new, unsampled one."""
    if given is not None and _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
