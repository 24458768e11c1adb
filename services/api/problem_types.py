"""Every type of problem the API answers with: what it means, and what to do. Served at /problems/{slug}."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ProblemType:
    """``status`` None: the type comes with several."""

    slug: str
    status: int | None
    title: str
    meaning: str
    remedy: str


_TYPES: Final = (
    ProblemType(
        "malformed-request",
        400,
        "The request cannot be read",
        "The path has a broken escape, or the body is not UTF-8, not JSON, no object, or has a field twice.",
        "Send what the description of the operation says; detail names the place. The same request fails again.",
    ),
    ProblemType(
        "admin-id-missing",
        400,
        "Who acts is not named",
        "An administrator's request does not say who acts, which the record of actions needs.",
        "Send the header X-Admin-Id with the acting person's id: 1 to 128 printable characters.",
    ),
    ProblemType(
        "idempotency-key-malformed",
        400,
        "Not an idempotency key",
        "The header Idempotency-Key is there, but is no key; to ignore it would be unsafe.",
        "Send 1 to 255 printable ASCII characters, with or without double quotes around them, once. A UUID will do.",
    ),
    ProblemType(
        "unauthorized",
        401,
        "Unauthorized",
        "Only administrators may do this, and the request bears no valid admin token.",
        "Send the header Authorization: Bearer TOKEN with an admin token that is neither expired nor revoked.",
    ),
    ProblemType(
        "not-found",
        404,
        "Not found",
        "There is nothing at this path, or no such order, user or product; a deleted order counts as none.",
        "Compare path and ids with what you were given; ids are compared character by character.",
    ),
    ProblemType(
        "method-not-allowed",
        405,
        "Method not allowed",
        "The path exists, but does not answer this method.",
        "Use one of the methods in the header Allow.",
    ),
    ProblemType(
        "timeout",
        408,
        "Request timeout",
        "The request did not arrive in time; the connection is closed.",
        "Send the request again, faster. Nothing was done.",
    ),
    ProblemType(
        "conflict",
        409,
        "The state does not allow it",
        "The order or stock is in a state in which this cannot be done; detail names both.",
        "Read the state anew and decide again. The same request fails until the state changes.",
    ),
    ProblemType(
        "insufficient-stock",
        409,
        "Not enough stock",
        "Fewer pieces of a product are free than the order asks for. Nothing was reserved.",
        "Order no more than is available, which detail says, or later.",
    ),
    ProblemType(
        "idempotency-key-in-use",
        409,
        "The first request is still running",
        "A request with the same Idempotency-Key is under way, or broke off less than its deadline ago.",
        "Send the same request with the same key again after the seconds in Retry-After, until it is answered.",
    ),
    ProblemType(
        "precondition-failed",
        412,
        "It has changed since",
        "If-Match does not name the present version: somebody else changed it. The header ETag has the present one.",
        "Read it anew, decide again, and send the ETag you have read.",
    ),
    ProblemType(
        "content-too-large",
        413,
        "Content too large",
        "The body is larger than the API takes; detail says how much that is.",
        "Send less; split the request if it can be split.",
    ),
    ProblemType(
        "target-too-long",
        414,
        "Path too long",
        "The path is longer than any this API has.",
        "Send a path of the description.",
    ),
    ProblemType(
        "unsupported-media-type",
        415,
        "Unsupported media type",
        "The body does not say that it is JSON, says another character set than UTF-8, or is compressed.",
        "Send Content-Type: application/json, in UTF-8, without Content-Encoding.",
    ),
    ProblemType(
        "validation",
        422,
        "Fields of the request are not valid",
        "The request can be read, but has fields, parameters or headers that cannot be accepted.",
        "errors names each with what is wrong (the first 20); mend them. The same request fails again.",
    ),
    ProblemType(
        "refused",
        422,
        "Refused",
        "The shop does not do this.",
        "detail says why. The same request fails again.",
    ),
    ProblemType(
        "idempotency-key-reused",
        422,
        "The key stands for another request",
        "The same Idempotency-Key came with another body, path or query within 24 hours. Nothing was done.",
        "Take a new key for a new request, and the same key only for the very same request.",
    ),
    ProblemType(
        "too-many-requests",
        429,
        "Too many requests",
        "This client changes things more often than it may. Nothing was done.",
        "Wait for the seconds in Retry-After, and go slower.",
    ),
    ProblemType(
        "headers-too-large",
        431,
        "Headers too large",
        "The request line and headers are larger than the API takes; the connection is closed.",
        "Send fewer or shorter headers; detail says how much is taken.",
    ),
    ProblemType(
        "internal",
        500,
        "Internal error",
        "A fault of the API. Its log names the cause under the request's id.",
        "Tell whoever runs the API the requestId. With an Idempotency-Key the request can be sent again safely.",
    ),
    ProblemType(
        "unavailable",
        503,
        "Not available right now",
        "A database is away or overloaded, or the API is stopping.",
        "Send the request again after the seconds in Retry-After; what changes something, with an Idempotency-Key.",
    ),
    ProblemType(
        "overloaded",
        503,
        "Too many connections",
        "More clients are connected than the API serves at once.",
        "Connect again after the seconds in Retry-After, and keep fewer connections open.",
    ),
    ProblemType(
        "outcome-unknown",
        503,
        "Whether it was done is not known",
        "The database did not answer while the change was being stored: it is stored as a whole, or not at all.",
        "With an Idempotency-Key, send the same request again. Without, look whether it is there before you do.",
    ),
    ProblemType(
        "http",
        None,
        "As the status says",
        "The HTTP layer refused the request.",
        "The status and detail say why.",
    ),
)

PROBLEM_TYPES: Final[Mapping[str, ProblemType]] = {each.slug: each for each in _TYPES}
"""The types by slug, in the order of their status."""
