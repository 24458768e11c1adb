"""Pages by key: ``{items, nextCursor}``. A cursor is opaque to clients: base64url of where the next page begins."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from services.api.described import Parameter
from services.api.parameters import Whole
from services.api.problems import FieldError, Problem, invalid
from services.api.requests import Query, is_identifier

T = TypeVar("T")

DEFAULT_LIMIT, LARGEST_LIMIT = 50, 200
LIMIT = Whole("limit", DEFAULT_LIMIT, LARGEST_LIMIT, "how many a page holds at most")
CURSOR = Parameter("cursor", {"type": "string", "minLength": 1}, "nextCursor of the page before; absent: the first one")
PAGE = (LIMIT, CURSOR)
_CURSOR_LENGTH = 400
Key = tuple[str, ...]


def limit_of(query: Query) -> int:
    """``limit``: 1 to 200, 50 where absent. Raises a 422 problem."""
    return LIMIT.of(query)


def page(found: Sequence[T], limit: int, key: Callable[[T], Key], answer: Callable[[T], Any]) -> dict[str, Any]:
    """A page of ``limit`` things out of ``found``, which holds one more where another page follows."""
    shown = found[:limit]
    following = _encode(key(shown[-1])) if len(found) > limit else None
    return {"items": [answer(each) for each in shown], "nextCursor": following}


def id_cursor(query: Query) -> str | None:
    """The id the page begins after. Raises a 422 problem."""
    key = _cursor(query, 1)
    return key[0] if key else None


def time_cursor(query: Query) -> tuple[datetime, str] | None:
    """The time and id the page begins before. Raises a 422 problem."""
    key = _cursor(query, 2)
    if key is None:
        return None
    try:
        moment = datetime.fromisoformat(key[0])
        if moment.utcoffset() == timedelta(0):
            return moment.astimezone(UTC), key[1]
    except (ValueError, OverflowError):
        pass
    raise _not_a_cursor()


def _encode(key: Key) -> str:
    return urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _cursor(query: Query, parts: int) -> Key | None:
    text = query.text("cursor")
    if text is None:
        return None
    try:
        if len(text) > _CURSOR_LENGTH:
            raise _not_a_cursor()
        key = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    except (ValueError, RecursionError):
        raise _not_a_cursor() from None
    if not isinstance(key, list) or len(key) != parts or not all(isinstance(part, str) for part in key):
        raise _not_a_cursor()
    if not is_identifier(key[-1]):
        raise _not_a_cursor()
    return tuple(key)


def _not_a_cursor() -> Problem:
    return invalid((FieldError("cursor", "must be the nextCursor of an earlier page"),))
