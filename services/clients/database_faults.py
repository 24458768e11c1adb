"""What an error of the relational database means: try the transaction again, try later, or a fault to be mended.

PyMySQL raises OperationalError for every code it has no class for, rights and constraints among them, so MySQL's errors
are told apart by code (https://dev.mysql.com/doc/mysql-errors/8.4/en/). sqlite3 has no codes worth the name.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

_ENDED: Final = frozenset(
    {
        1205,  # ER_LOCK_WAIT_TIMEOUT
        1213,  # ER_LOCK_DEADLOCK
    }
)
_LOST: Final = frozenset(
    {
        1053,  # ER_SERVER_SHUTDOWN
        1152,  # ER_ABORTING_CONNECTION
        1158,  # ER_NET_READ_ERROR
        1159,  # ER_NET_READ_INTERRUPTED
        1160,  # ER_NET_ERROR_ON_WRITE
        1161,  # ER_NET_WRITE_INTERRUPTED
        2006,  # CR_SERVER_GONE_ERROR
        2013,  # CR_SERVER_LOST, a read timeout of ours included
        2014,  # CR_COMMANDS_OUT_OF_SYNC
        2055,  # CR_SERVER_LOST_EXTENDED
        3169,  # ER_SESSION_WAS_KILLED
        4031,  # ER_CLIENT_INTERACTION_TIMEOUT
    }
)
_AWAY: Final = frozenset(
    {
        1021,  # ER_DISK_FULL
        1040,  # ER_CON_COUNT_ERROR
        1114,  # ER_RECORD_FILE_FULL
        1135,  # ER_CANT_CREATE_THREAD
        1203,  # ER_TOO_MANY_USER_CONNECTIONS
        1290,  # ER_OPTION_PREVENTS_STATEMENT: read only, as within a failover
        1317,  # ER_QUERY_INTERRUPTED
        1836,  # ER_READ_ONLY_MODE
        2002,  # CR_CONNECTION_ERROR
        2003,  # CR_CONN_HOST_ERROR
        2005,  # CR_UNKNOWN_HOST
        3024,  # ER_QUERY_TIMEOUT
    }
)


class OutcomeUnknown(Exception):
    """The connection was lost during the commit: the transaction is stored as a whole, or not at all."""


def retryable(error: BaseException) -> bool:
    """Whether the database ended a transaction before its commit for reasons that are gone when it is run again."""
    if not isinstance(error, DBAPIError):
        return False
    code = _code(error)
    if code is not None:
        return code in _ENDED or code in _LOST
    return error.connection_invalidated or (isinstance(error, OperationalError) and "locked" in str(error.orig))


def contended(error: BaseException) -> bool:
    """Whether others kept the rows that the work needed; others' rows may be free. SQLite locks all or nothing."""
    return isinstance(error, DBAPIError) and _code(error) in _ENDED


def unavailable(error: BaseException) -> bool:
    """Whether the database could not be reached, went away or has no room; the work may be tried again later."""
    if isinstance(error, sa.exc.TimeoutError | OutcomeUnknown):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = _code(error)
    if error.connection_invalidated or code is None:
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return code in _ENDED or code in _LOST or code in _AWAY


def refused(error: BaseException) -> bool:
    """Whether the database answers and says no: to the password, for want of a right, of a database or of a table."""
    return isinstance(error, OperationalError | ProgrammingError) and not unavailable(error)


def _code(error: DBAPIError) -> int | None:
    """MySQL's code; None for sqlite3, whose errors begin with their text, and for an error without a code (0)."""
    given = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return given if isinstance(given, int) and given else None
