"""How often one client may change something.

A token bucket a client, kept as the one number that the generic cell rate algorithm needs of it (ITU-T I.371): when the
bucket would be full again. The library `limits` was looked at: its memory storage starts a thread every 10 ms to walk
all of what it holds, goes by a clock that can be set, and grows with every request let through.

A client is the token of an administrator who was let in, else its address; of IPv6 the first 64 bits, since whoever has
one address has all of those.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from time import monotonic
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.problems import too_many_requests
from services.domain.admin_tokens import digest_of

V = TypeVar("V")

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_CLIENTS = 50_000
_MOST_TOKENS = 1_000
_FUZZ = 1e-6
_IPV6_NETWORK_BITS = 64
_UNKNOWN = "unknown"


class Rates:
    """So many changes a second for each client, and ``burst`` at once."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second
        self._tolerance = self._interval * burst
        self._full_at: dict[str, float] = {}

    def take(self, client: str, now: float | None = None) -> float:
        """0 when the client may; else the seconds until it may. ``now``: of a clock that only goes forward."""
        now = monotonic() if now is None else now
        full_at = max(self._full_at.get(client, now), now) + self._interval
        wait = full_at - self._tolerance - now
        if wait > _FUZZ:
            return wait
        _put_last(self._full_at, client, full_at, _MOST_CLIENTS)
        return 0.0


class RateLimit:
    """ASGI middleware that lets each client write so often. Raises a 429 problem with Retry-After."""

    def __init__(self, app: ASGIApp, rates: Rates, tokens: "KnownTokens", loopback: bool) -> None:
        """``loopback``: whether clients on this machine are limited too."""
        self._app, self._rates, self._tokens, self._loopback = app, rates, tokens, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READS:
            client = self._tokens.of(Headers(scope=scope)) or client_of(scope, self._loopback)
            wait = self._rates.take(client) if client else 0
            if wait:
                raise too_many_requests(wait)
        await self._app(scope, receive, send)


class KnownTokens:
    """The tokens that were let in lately, by digest: only these make a client of their own."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def remember(self, digest: str, token_id: str) -> None:
        """Notes a token that was let in."""
        _put_last(self._known, digest, token_id, _MOST_TOKENS)

    def of(self, headers: Headers) -> str | None:
        """The token that a request bears, where it is known."""
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        token_id = self._known.get(digest_of(secret.strip())) if scheme.lower() == "bearer" else None
        return f"token {token_id}" if token_id else None


def client_of(scope: Scope, loopback: bool) -> str | None:
    """The client's address as it is counted; None where it is not limited."""
    host, _ = scope.get("client") or ("", 0)
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:  # a proxy's odd word
        return _UNKNOWN
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback and not loopback:
        return None
    if isinstance(address, IPv6Address):
        return address.exploded[: _IPV6_NETWORK_BITS // 4 + 3]
    return str(address)


def _put_last(known: dict[str, V], key: str, value: V, most: int) -> None:
    """Keeps what was used last."""
    known.pop(key, None)
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]
