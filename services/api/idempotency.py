"""Idempotency-Key: a POST that is sent again is answered again, and not done again.

A key belongs to a route and to the credential it came with. An answer is stored with the change it tells of and is
repeated for 24 hours. Refusals of the shop (404, 409) are stored too; what can be mended by asking differently or
later (400, 401, 422, 429, 5xx, anything with Retry-After) is not. The syntax is that of
draft-ietf-httpapi-idempotency-key-header, a quoted string, or the same without its quotes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from services.api.problems import (
    FieldError,
    Problem,
    from_exception,
    is_unknown,
    outcome_unknown,
    unavailable_now,
)
from services.clients.database import OutcomeUnknown
from services.domain import idempotency as domain
from services.domain.also import Also
from services.observability.logging import get_logger

T = TypeVar("T")

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_LENGTH: Final = 255
_BARE: Final = re.compile(r"[\x21\x23-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_QUOTED: Final = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')  # RFC 9651, section 3.3.3
_ESCAPED: Final = re.compile(r"\\(.)")
_STORED: Final = frozenset({404, 409, 410})
_AGAIN_SECONDS: Final = 1

log = get_logger()


@dataclass(frozen=True)
class Key:
    """A key of a route and a credential, and what is asked for with it: both as SHA-256 in hexadecimal digits."""

    scope: str
    digest: str


def sent_key(request: Request) -> str | None:
    """The key as the client means it, None where it sent none. Raises a 400 problem."""
    values = request.headers.getlist(HEADER)
    if not values:
        return None
    if len(values) > 1:
        raise _malformed("is given more than once")
    quoted = _QUOTED.fullmatch(values[0])
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else values[0] if _BARE.fullmatch(values[0]) else ""
    if not 0 < len(key) <= _LENGTH:
        raise _malformed(f"must be 1 to {_LENGTH} printable ASCII characters, with or without quotes around them")
    return key


def key_of(sent: str, template: str, request: Request, body: bytes) -> Key:
    """``sent`` as the key of the route (its path template), for this very request."""
    target = f"{request.url.path}?{request.url.query}"
    scope = _digest(template.encode(), request.headers.get("authorization", "").encode(), sent.encode())
    return Key(scope, _digest(request.method.encode(), target.encode(), body))


def _digest(*parts: bytes) -> str:
    """Of the parts with their lengths, so that no two lists of parts are the same bytes."""
    return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()


class Keep:
    """Where an action's answer goes. Without a claim, of a request without a key, it goes nowhere and costs nothing."""

    def __init__(self, claim: domain.Claim | None) -> None:
        self.claim = claim
        self._final_of: dict[bytes, bool] = {}

    def also(
        self, answer: Callable[[T], Response], final: bool = True, beside: Also[T] | None = None
    ) -> Also[T] | None:
        """For a domain function's ``also``: stores the answer to what the function returns, in its transaction.

        ``final=False`` for an action in several transactions: the answer that is repeated if a later one never comes.
        ``beside``: what else belongs to the change.
        """
        claim = self.claim
        if claim is None:
            return beside

        def keep(connection: Connection, value: T) -> None:
            if beside is not None:
                beside(connection, value)
            response = answer(value)
            domain.keep(connection, claim, _stored(response), final)
            self._final_of[bytes(response.body)] = final

        return keep

    def is_final(self, response: Response) -> bool:
        """Whether it was stored as final. Raises RuntimeError, a fault of the route, when it was not stored at all."""
        try:
            return self._final_of[bytes(response.body)]
        except KeyError:
            raise RuntimeError("a POST answers what it did not store: give Keep.also to the domain function") from None


def begin(engine: Engine, key: Key, seconds: int) -> Keep | Response:
    """Where this request's answer goes, or the answer to an earlier request with this key. Blocks.

    ``seconds``: how long others with the key are told to wait if this request is never heard of again. Raises
    problems: 409 while another request has the key, 422 when it stands for another request.
    """
    try:
        found = domain.claim(engine, key.scope, key.digest, seconds)
    except domain.OtherRequest:
        raise _other_request() from None
    except domain.StillRunning:
        raise _still_running() from None
    except OutcomeUnknown:  # of the claim: nothing was done
        raise unavailable_now("The database went away") from None
    return _again(found) if isinstance(found, domain.Answer) else Keep(found)


def end(engine: Engine, keep: Keep, response: Response) -> Response:
    """After the action has answered. Blocks. Raises RuntimeError for a route that did not store its answer."""
    if keep.claim is not None and not keep.is_final(response):
        _release(engine, keep.claim)
    return response


def unsettled(error: Exception) -> Problem | None:
    """What the failure of a request with a key means where it leaves the claim alone; None for one that ends it.

    What may be done yet keeps its claim: whoever asks again gets the answer, or does it once the claim has run out.
    """
    if isinstance(error, domain.TakenOver):
        return _still_running()
    return outcome_unknown(_AGAIN_SECONDS) if is_unknown(error) else None


def fail(engine: Engine, keep: Keep, error: Exception, request_id: str) -> Exception:
    """After the action has raised. Blocks. Returns what is to be raised for it."""
    if keep.claim is None:
        return error
    left = unsettled(error)
    if left is not None:
        return left
    problem = from_exception(error)
    if problem.status in _STORED and "Retry-After" not in problem.headers:
        try:
            domain.settle(engine, keep.claim, _stored(problem.response(request_id)))
        except domain.TakenOver:
            return _still_running()
    else:
        _release(engine, keep.claim)
    return error


def _release(engine: Engine, claim: domain.Claim) -> None:
    try:
        domain.release(engine, claim)
    except (SQLAlchemyError, OutcomeUnknown) as error:
        log.warning("a key stays claimed until its time is over", error=type(error).__name__)


def _stored(response: Response) -> domain.Answer:
    headers = ((name, value) for name, value in response.headers.items() if name != "content-length")
    return domain.Answer(response.status_code, tuple(headers), bytes(response.body).decode())


def _again(answer: domain.Answer) -> Response:
    return Response(answer.body.encode(), answer.status, {**dict(answer.headers), REPLAYED: "true"})


def _malformed(message: str) -> Problem:
    detail = f"The header {HEADER} {message}."
    return Problem(400, "idempotency-key-malformed", "Not an idempotency key", detail, (FieldError(HEADER, message),))


def _other_request() -> Problem:
    detail = f"The {HEADER} was sent with another request within the last 24 hours; take a new one for a new request."
    errors = (FieldError(HEADER, "stands for another request"),)
    return Problem(422, "idempotency-key-reused", "The key stands for another request", detail, errors)


def _still_running() -> Problem:
    detail = f"A request with this {HEADER} is under way; ask again for its answer."
    headers = {"Retry-After": str(_AGAIN_SECONDS)}
    return Problem(409, "idempotency-key-in-use", "The first request is still running", detail, headers=headers)
