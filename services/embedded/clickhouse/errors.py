"""ClickHouse's error codes and the HTTP statuses its server answers them with."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final


class Code(IntEnum):
    """The codes that the front itself raises, by ClickHouse's names (`src/Common/ErrorCodes.cpp`)."""

    BAD_ARGUMENTS = 36
    CHECKSUM_DOESNT_MATCH = 40
    NOT_IMPLEMENTED = 48
    SYNTAX_ERROR = 62
    UNKNOWN_FORMAT = 73
    UNKNOWN_COMPRESSION_METHOD = 89
    UNKNOWN_SETTING = 115
    READONLY = 164
    NOT_ENOUGH_SPACE = 243
    CANNOT_DECOMPRESS = 271
    TOO_MANY_BYTES = 307
    SESSION_NOT_FOUND = 372
    SESSION_IS_LOCKED = 373
    INVALID_SESSION_TIMEOUT = 374
    QUERY_WAS_CANCELLED = 394
    SETTING_CONSTRAINT_VIOLATION = 452
    ACCESS_DENIED = 497
    SET_NON_GRANTED_ROLE = 512
    AUTHENTICATION_FAILED = 516
    UNKNOWN_EXCEPTION = 1002


# As `exceptionCodeToHTTPStatus` of ClickHouse's HTTP handler maps them; every other code is a 500.
_STATUS: Final = {
    194: 401,
    **dict.fromkeys((192, 193, 497, 516), 403),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115), 404),
    **dict.fromkeys((6, 25, 26, 27, 36, 38, 41, 42, 43, 44, 53, 62, 69, 72, 117, 427, 457, 675, 676), 400),
    **dict.fromkeys((159, 160), 408),
    381: 411,
    Code.TOO_MANY_BYTES: 413,
    Code.NOT_IMPLEMENTED: 501,
    **dict.fromkeys((209, 439), 503),
}
_ENGINE_CODE: Final = re.compile(r"Code: (\d+)\.")


class QueryError(Exception):
    """A refused or failed request: ClickHouse's code and the text that follows `Code: N. DB::Exception: `."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message}")
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return _STATUS.get(self.code, 500)


class EngineError(QueryError):
    """An error of the engine, whose text already carries its code."""

    def __init__(self, text: str) -> None:
        found = _ENGINE_CODE.search(text)
        Exception.__init__(self, text if found else f"Code: {Code.UNKNOWN_EXCEPTION:d}. DB::Exception: {text}")
        self.code = int(found[1]) if found else int(Code.UNKNOWN_EXCEPTION)
