"""ClickHouse over HTTP: the client every process uses, and what its errors mean to those who write."""

import enum
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error, OperationalError

__all__ = ["ClickHouseError", "Client", "Failure", "classify", "connect", "may_be_a_rows"]

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_REFUSED_ROW = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE: half a surrogate pair
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        130,  # CANNOT_READ_ARRAY_FROM_TEXT
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
    }
)
_RETRY = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE: the connection ended within the request
        159,  # TIMEOUT_EXCEEDED
        160,  # TOO_SLOW
        173,  # CANNOT_ALLOCATE_MEMORY
        201,  # QUOTA_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        236,  # ABORTED: the server is going down
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        394,  # QUERY_WAS_CANCELLED
        439,  # CANNOT_SCHEDULE_TASK
        473,  # DEADLOCK_AVOIDED
        745,  # SERVER_OVERLOADED
        999,  # KEEPER_EXCEPTION
    }
)
_NO_ROWS_FAULT = frozenset(
    {
        16,  # NO_SUCH_COLUMN_IN_TABLE
        36,  # BAD_ARGUMENTS
        47,  # UNKNOWN_IDENTIFIER
        60,  # UNKNOWN_TABLE
        62,  # SYNTAX_ERROR
        81,  # UNKNOWN_DATABASE
        115,  # UNKNOWN_SETTING
        164,  # READONLY
        192,  # UNKNOWN_USER
        193,  # WRONG_PASSWORD
        194,  # REQUIRED_PASSWORD
        452,  # SETTING_CONSTRAINT_VIOLATION
        497,  # ACCESS_DENIED
        516,  # AUTHENTICATION_FAILED
    }
)
_TOO_MANY_PARTS = 252  # merges are behind, or one block spans too many partitions: only the text tells them apart
_TOO_MANY_PARTITIONS = "Too many partitions"
_HTTP_STATUS = re.compile(r"status (\d{3})\b")
_HTTP_RETRY = frozenset({408, 429, 502, 503, 504})


class Failure(enum.Enum):
    """What to do about a ClickHouse error."""

    RETRY = "retry"
    """The server is away, busy or short of something: the same statement can succeed later."""
    REFUSED = "refused"
    """The data does not fit the table: sent again it is refused again, so it belongs in the dead letters."""
    FAULT = "fault"
    """Neither: a table, a right or a setting is missing, or a statement is wrong. A person has to act."""


def classify(error: BaseException) -> Failure:
    """Sorts an exception raised by a client of ``connect``. Exceptions of other origin are FAULT."""
    if not isinstance(error, Error):
        return Failure.RETRY if isinstance(error, ConnectionError | TimeoutError) else Failure.FAULT
    if error.code is None:
        return _without_code(error)
    if error.code == _TOO_MANY_PARTS:
        return Failure.REFUSED if _TOO_MANY_PARTITIONS in str(error) else Failure.RETRY
    if error.code in _REFUSED_ROW:
        return Failure.REFUSED
    return Failure.RETRY if error.code in _RETRY else Failure.FAULT


def may_be_a_rows(error: BaseException) -> bool:
    """Whether a FAULT could be one of the inserted rows' own: its code is the engine's and none of those that say
    that the statement, the table or a right is at fault."""
    return (
        isinstance(error, Error)
        and error.code is not None
        and error.code not in _NO_ROWS_FAULT
        and classify(error) is not Failure.RETRY
    )


def _without_code(error: Error) -> Failure:
    """An error that did not come from the ClickHouse engine: the network, a proxy, or the client itself."""
    status = _HTTP_STATUS.search(str(error))
    if status is not None:
        return Failure.RETRY if int(status[1]) in _HTTP_RETRY else Failure.FAULT
    return Failure.RETRY if isinstance(error, OperationalError) else Failure.FAULT


def connect(
    url: str,
    *,
    user: str,
    password: str,
    database: str,
    session_timezone: str | None = None,
    connect_timeout: int = 5,
    send_receive_timeout: int = 90,
    ca_file: str | None = None,
    settings: Mapping[str, str | int] | None = None,
) -> Client:
    """A client on ``http[s]://host[:port]``. May be shared by threads: statements have no session between them.

    Timeouts are seconds; ``session_timezone`` (IANA) is what ``today()`` means to this client's statements.
    Asks the server for its version, so it raises what ``classify`` sorts when ClickHouse is away.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    given: dict[str, str | int] = dict(settings or {})
    if session_timezone is not None:
        given["session_timezone"] = session_timezone
    client = clickhouse_connect.get_client(
        host=parts.hostname,
        port=parts.port or (8443 if secure else 8123),
        interface="https" if secure else "http",
        username=user,
        password=password,
        database="default",
        client_name="millrace",
        connect_timeout=connect_timeout,
        send_receive_timeout=send_receive_timeout,
        ca_cert=ca_file,
        settings=given,
        compress=False,
        autogenerate_session_id=False,
    )
    client.database = database  # not above: connecting would fail where the database is still to be made
    return client
