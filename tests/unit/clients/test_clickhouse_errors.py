"""What a ClickHouse error means to those who write."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, ProgrammingError

from services.clients.clickhouse import Failure, classify


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (DatabaseError("Code: 469. Constraint `version_plausible`", code=469), Failure.REFUSED),
        (DatabaseError("Code: 27. Cannot parse input", code=27), Failure.REFUSED),
        (DatabaseError("Code: 117. Unknown field", code=117), Failure.REFUSED),
        (DatabaseError("Code: 190. Elements of Nested", code=190), Failure.REFUSED),
        (DatabaseError("Code: 252. Too many partitions for single INSERT block", code=252), Failure.REFUSED),
        (DatabaseError("Code: 252. Too many parts (300). Merges are processing slower", code=252), Failure.RETRY),
        (DatabaseError("Code: 159. Timeout exceeded", code=159), Failure.RETRY),
        (DatabaseError("Code: 202. Too many simultaneous queries", code=202), Failure.RETRY),
        (DatabaseError("Code: 241. Memory limit exceeded", code=241), Failure.RETRY),
        (DatabaseError("Code: 60. Table does not exist", code=60), Failure.FAULT),
        (DatabaseError("Code: 516. Authentication failed", code=516), Failure.FAULT),
        (OperationalError("Network Error: connection refused"), Failure.RETRY),
        (DatabaseError("HTTP driver received HTTP status 503, server response: going down"), Failure.RETRY),
        (DatabaseError("HTTP driver received HTTP status 404, server response: not ClickHouse"), Failure.FAULT),
        (ProgrammingError("wrong number of parameters"), Failure.FAULT),
        (ConnectionResetError(), Failure.RETRY),
        (TimeoutError(), Failure.RETRY),
        (ValueError("ours"), Failure.FAULT),
    ],
)
def test_every_error_says_what_to_do(error: Exception, failure: Failure) -> None:
    assert classify(error) is failure
