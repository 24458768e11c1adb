"""From a request's bytes to a JSON object, with every number exact.

Numbers become int or Decimal, never float. What JSON cannot say but Python's parser would accept (NaN, Infinity) and
numbers beyond any use become Decimals that no field accepts, so that validation can name the field they stand in.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request

from services.api.problems import Problem, malformed

_INTEGER_DIGITS = 40
_NO_NUMBER = Decimal("NaN")
_JSON = "application/json"


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises a problem: 413 above ``limit`` bytes, and 408, the boundary's, when it comes too late."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 15 or int(announced) > limit):
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


async def read_json(request: Request, limit: int) -> bytes:
    """The body of a request that says it is JSON. Raises 415 for any other type, else as ``read_body``."""
    _require_json(request.headers)
    return await read_body(request, limit)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises a 400 problem; a field's name stands in ``errors`` where one is known."""
    try:
        text = body.decode()
    except UnicodeDecodeError as fault:
        raise malformed(f"The body is not UTF-8: byte {fault.start} does not belong there.") from None
    try:
        value = json.loads(
            text, parse_float=_decimal, parse_int=_integer, parse_constant=_no_number, object_pairs_hook=_object
        )
    except json.JSONDecodeError as fault:
        raise malformed(f"The body is not JSON: {fault.msg} at line {fault.lineno}, column {fault.colno}.") from None
    except RecursionError:
        raise malformed("The body is nested too deeply.") from None
    if not isinstance(value, dict):
        raise malformed("The body is not a JSON object.")
    return value


def _require_json(headers: Headers) -> None:
    kind, *parameters = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    charsets = {p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")}
    if kind != _JSON or charsets - {"utf-8"}:
        detail = "Send JSON with the header Content-Type: application/json."
        raise Problem(415, "unsupported-media-type", "Unsupported media type", detail, headers={"Accept-Post": _JSON})
    if headers.get("content-encoding", "identity").lower() != "identity":
        detail = "Send the body without Content-Encoding."
        raise Problem(415, "unsupported-media-type", "Unsupported media type", detail)


def _too_large(limit: int) -> Problem:
    return Problem(413, "content-too-large", "Content too large", f"A request's body can have {limit} bytes.")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what Decimal holds
        return _NO_NUMBER


def _integer(text: str) -> int | Decimal:
    """-0 keeps its sign as a Decimal; int() of thousands of digits is slow, and refused by Python beyond 4,300."""
    return Decimal(text) if text == "-0" or len(text) > _INTEGER_DIGITS else int(text)


def _no_number(_text: str) -> Decimal:
    return _NO_NUMBER


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise malformed("This field stands in the same object twice.", name[:100])
            seen.add(name)
    return found
