"""What errors of MySQL and SQLite mean to whoever has to go on."""

import sqlite3

import pymysql
import pytest
import sqlalchemy as sa

from services.clients.database_faults import OutcomeUnknown, contended, refused, retryable, unavailable


def mysql(code: int, kind: type[sa.exc.DBAPIError] = sa.exc.OperationalError) -> sa.exc.DBAPIError:
    return kind("SELECT 1", {}, pymysql.err.OperationalError(code, "as it says"))


def sqlite(text: str) -> sa.exc.DBAPIError:
    return sa.exc.OperationalError("SELECT 1", {}, sqlite3.OperationalError(text))


@pytest.mark.parametrize("code", [1205, 1213, 2006, 2013, 1053, 4031])
def test_what_ended_before_its_commit_is_run_again(code: int) -> None:
    error = mysql(code)
    assert (retryable(error), unavailable(error), refused(error)) == (True, True, False)


def test_rows_that_others_keep_are_told_from_a_database_that_went_away() -> None:
    assert [code for code in (1205, 1213, 2006, 2013, 1053, 4031, 2003, 3819) if contended(mysql(code))] == [1205, 1213]
    assert not contended(sqlite("database is locked"))
    assert not contended(sa.exc.TimeoutError("QueuePool limit"))


@pytest.mark.parametrize("code", [2002, 2003, 2005, 1040, 1021, 1114, 1290, 1836])
def test_what_is_away_or_full_is_waited_for_by_whoever_can_wait(code: int) -> None:
    error = mysql(code)
    assert (retryable(error), unavailable(error), refused(error)) == (False, True, False)


@pytest.mark.parametrize("code", [1044, 1045, 1049, 1054, 1142, 1143, 3118, 3819])
def test_a_fault_is_not_called_absence(code: int) -> None:
    """PyMySQL raises OperationalError for each of them, as for a server that is away."""
    error = mysql(code)
    assert (retryable(error), unavailable(error), refused(error)) == (False, False, True)


def test_a_missing_table_is_a_refusal() -> None:
    assert refused(mysql(1146, sa.exc.ProgrammingError))
    assert not refused(mysql(1062, sa.exc.IntegrityError))


def test_sqlite_has_locks_that_come_free_and_nothing_else_that_passes() -> None:
    assert retryable(sqlite("database is locked"))
    assert not retryable(sqlite("disk I/O error"))
    assert unavailable(sqlite("unable to open database file"))


def test_a_pool_without_a_free_connection_and_an_unknown_outcome_may_pass() -> None:
    assert unavailable(sa.exc.TimeoutError("QueuePool limit"))
    assert unavailable(OutcomeUnknown("lost"))
    assert not retryable(OutcomeUnknown("lost")), "it may be stored already"


def test_other_errors_are_none_of_it() -> None:
    for error in (RuntimeError("x"), sa.exc.InvalidRequestError("x"), mysql(1366, sa.exc.DataError)):
        assert (retryable(error), unavailable(error), refused(error)) == (False, False, False)
