"""Sessions remember SET, USE and temporary tables, for one request at a time."""

from __future__ import annotations

import pytest

from services.embedded.clickhouse.errors import QueryError
from services.embedded.clickhouse.request import SessionRef
from services.embedded.clickhouse.sessions import Sessions
from tests.unit.embedded.clickhouse.conftest import Caller


def test_a_session_keeps_settings_database_and_temporary_tables(writer: Caller, table: str) -> None:
    writer.ask(f"CREATE DATABASE {table}")
    writer.ask(f"USE {table}", session_id=table)
    writer.ask("SET max_block_size = 77", session_id=table)
    writer.ask("CREATE TEMPORARY TABLE mine (a Int8)", session_id=table)
    writer.ask(b"1\n2\n", query="INSERT INTO mine FORMAT TSV", session_id=table)
    asked = "SELECT currentDatabase(), getSetting('max_block_size'), (SELECT count() FROM mine)"
    assert writer.ask(asked, session_id=table) == f"{table}\t77\t2"
    assert writer.refused("SELECT * FROM mine") == 60
    assert writer.refused("SELECT * FROM mine", session_id=f"{table}-other") == 60


def test_what_a_request_sets_by_url_is_put_back(writer: Caller, table: str) -> None:
    writer.ask("SET max_block_size = 77", session_id=table)
    asked = "SELECT getSetting('max_block_size'), getSetting('max_threads') = 1, currentDatabase(), timezone()"
    before = writer.ask(asked, session_id=table)
    url = {"max_block_size": "5", "max_threads": "1", "database": "system", "session_timezone": "UTC"}
    assert writer.ask(asked, session_id=table, **url) == "5\t1\tsystem\tUTC"
    assert writer.refused("SELECT throwIf(1)", session_id=table, **url) == 395
    assert writer.ask(asked, session_id=table) == before


def test_two_requests_at_once_in_one_session_are_373() -> None:
    sessions = Sessions()
    reference = SessionRef("s", timeout=60, must_exist=False, close=False)
    with sessions.lease("u", reference):
        with pytest.raises(QueryError) as raised, sessions.lease("u", reference):
            pass
        assert raised.value.code == 373
        with sessions.lease("another user", reference):
            pass
    with sessions.lease("u", reference):
        pass


def test_sessions_of_two_users_are_two(writer: Caller, reader: Caller, table: str) -> None:
    writer.ask("SET max_block_size = 77", session_id=table)
    assert reader.ask("SELECT getSetting('max_block_size') = 77", session_id=table) == "0"


def test_session_parameters_are_checked(writer: Caller, table: str) -> None:
    assert writer.refused("SELECT 1", session_id=table, session_check="1") == 372
    for timeout in ("0", "3601", "x", "-1"):
        assert writer.refused("SELECT 1", session_id=table, session_timeout=timeout) == 374
    writer.ask("SET max_block_size = 77", session_id=table)
    assert writer.ask("SELECT getSetting('max_block_size')", session_id=table, close_session="1") == "77"
    assert writer.refused("SELECT 1", session_id=table, session_check="1") == 372


def test_idle_sessions_expire() -> None:
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    reference = SessionRef("s", timeout=10, must_exist=False, close=False)
    existing = SessionRef("s", timeout=10, must_exist=True, close=False)
    with sessions.lease("u", reference) as first:
        pass
    now[0] = 9.9
    with sessions.lease("u", existing) as again:
        assert again is first
    now[0] = 19.9
    with pytest.raises(QueryError), sessions.lease("u", existing):
        pass


def test_the_number_of_idle_sessions_is_bounded() -> None:
    sessions = Sessions(clock=lambda: 0.0)
    for number in range(400):
        with sessions.lease("u", SessionRef(str(number), timeout=60, must_exist=False, close=False)):
            pass
    with sessions.lease("u", SessionRef("399", timeout=60, must_exist=True, close=False)):
        pass
    with pytest.raises(QueryError), sessions.lease("u", SessionRef("0", timeout=60, must_exist=True, close=False)):
        pass
