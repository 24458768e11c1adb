"""Every failure as application/problem+json (RFC 9457), and the only place that decides which one it is.

``type`` is a stable URI reference (``/problems/validation``); ``errors`` names each faulty field with its path in
the request (``items[0].price``). No answer tells internals.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

import simplejson
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.clients.database import OutcomeUnknown, unavailable
from services.domain.errors import Conflict, DomainError, InsufficientStock, Invalid, NotFound, Stale


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of the request."""

    field: str
    message: str


@dataclass
class Problem(Exception):
    """A failure that is answered as it stands."""

    status: int
    slug: str
    title: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, request_id: str) -> Response:
        """The answer; ``request_id`` finds the request in the log."""
        content: dict[str, object] = {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "requestId": request_id,
        }
        if self.errors:
            content["errors"] = [{"field": each.field, "message": each.message} for each in self.errors]
        return Response(
            simplejson.dumps(content).encode(), self.status, dict(self.headers), media_type="application/problem+json"
        )


def malformed(detail: str, name: str | None = None) -> Problem:
    """The body is no JSON object at all; ``name`` is a field where one can be named."""
    errors = (FieldError(name, detail),) if name is not None else ()
    return Problem(400, "malformed-request", "The request cannot be read", detail, errors)


def invalid(errors: tuple[FieldError, ...]) -> Problem:
    """The request can be read, but these fields cannot be accepted."""
    named = ", ".join(dict.fromkeys(error.field for error in errors[:5]))
    return Problem(422, "validation", "Fields of the request are not valid", f"See errors: {named}.", errors)


def not_found(detail: str, errors: tuple[FieldError, ...] = ()) -> Problem:
    """There is no such thing, or no such route."""
    return Problem(404, "not-found", "Not found", detail, errors)


def names_nothing(field: str, missing: NotFound) -> Problem:
    """A field of the body names something that does not exist: 404, and the field."""
    return not_found(_sentence(missing), (FieldError(field, str(missing)),))


def unavailable_now(what: str, retry_after: int = 1) -> Problem:
    """A neighbour this answer needs is away or overloaded; the request may be repeated."""
    return Problem(
        503, "unavailable", "Not available right now", f"{what}; try again.", headers={"Retry-After": str(retry_after)}
    )


def outcome_unknown(retry_after: int | None = None) -> Problem:
    """The database went away during the commit; with a key, also when the API does not wait for it any more.

    ``retry_after`` only for a request with a key: what is asked for again without one may be done twice.
    """
    if retry_after is None:
        return _unknown(
            "The database went away while this was being stored: look whether it is there before asking again."
        )
    detail = (
        "The database has not said whether this is stored: "
        "ask again with the same Idempotency-Key, and it is done once."
    )
    return _unknown(detail, {"Retry-After": str(retry_after)})


def may_still_finish(what: str) -> Problem:
    """The API no longer waits for what has begun. No Retry-After, as with outcome_unknown."""
    return _unknown(f"{what} and may still finish the request: look whether it is done before asking again.")


def is_unknown(error: Exception) -> bool:
    """Whether it tells that nobody knows if what was asked for is done, or is going to be."""
    return isinstance(error, OutcomeUnknown) or (isinstance(error, Problem) and error.slug == "outcome-unknown")


def _unknown(detail: str, headers: Mapping[str, str] | None = None) -> Problem:
    return Problem(503, "outcome-unknown", "Whether it was done is not known", detail, headers=headers or {})


def timeout(what: str) -> Problem:
    """The client is too slow to be waited for; its connection is closed."""
    return Problem(408, "timeout", "Request timeout", what, headers={"Connection": "close"})


def head_too_large(limit: int, lines: int) -> Problem:
    """The request line and headers; what may follow on the connection is not read."""
    detail = f"The request line and headers can have {limit} bytes and {lines} headers."
    return Problem(431, "headers-too-large", "Headers too large", detail, headers={"Connection": "close"})


def overloaded(connections: int) -> Problem:
    """More connections than the API serves."""
    detail = f"The API serves {connections} connections at once; try again."
    return Problem(
        503, "overloaded", "Too many connections", detail, headers={"Retry-After": "1", "Connection": "close"}
    )


def too_many_requests(seconds: float) -> Problem:
    """The client writes faster than it may; in so many seconds it may again."""
    wait = str(max(1, ceil(seconds)))
    detail = f"This client changes things more often than it may; try again in {wait} s."
    return Problem(429, "too-many-requests", "Too many requests", detail, headers={"Retry-After": wait})


def internal() -> Problem:
    """A fault of this program; the log has it under the request's id."""
    return Problem(500, "internal", "Internal error", "The request failed here; the log names the cause.")


def from_exception(error: Exception) -> Problem:
    """The problem that an exception means. What is not foreseen is an internal error."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, DomainError):
        return _refused(error)
    if isinstance(error, HTTPException):
        return _http(error)
    if isinstance(error, OutcomeUnknown):
        return outcome_unknown()
    if isinstance(error, SQLAlchemyError) and unavailable(error):
        return unavailable_now("The database does not answer")
    return internal()


def _refused(error: DomainError) -> Problem:
    match error:
        case Invalid():
            return invalid((FieldError(error.field, str(error)),))
        case NotFound():
            return not_found(_sentence(error))
        case InsufficientStock():
            return Problem(409, "insufficient-stock", "Not enough stock", _sentence(error))
        case Stale():
            headers = {"ETag": f'"{error.version}"'}
            return Problem(412, "precondition-failed", "It has changed since", _sentence(error), headers=headers)
        case Conflict():
            return Problem(409, "conflict", "The state does not allow it", _sentence(error))
        case _:
            return Problem(422, "refused", "Refused", _sentence(error))


def _sentence(error: DomainError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _http(error: HTTPException) -> Problem:
    headers = error.headers or {}
    if error.status_code == 404:
        return not_found("There is nothing at this path.")
    if error.status_code == 405:
        return method_not_allowed(headers.get("Allow") or headers.get("allow") or "GET, HEAD")
    return Problem(error.status_code, "http", error.detail, error.detail, headers=headers)


def method_not_allowed(allow: str) -> Problem:
    """The path exists; ``allow`` lists its methods."""
    detail = f"This path answers {allow}."
    return Problem(405, "method-not-allowed", "Method not allowed", detail, headers={"Allow": allow})
