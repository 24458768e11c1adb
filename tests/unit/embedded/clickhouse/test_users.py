"""Who may do what."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from services.embedded.clickhouse.users import read_users
from services.embedded.lifetime import StartError
from tests.support.clickhouse import READER_LIMITS, Front
from tests.unit.embedded.clickhouse.conftest import Caller, caller


def test_wrong_credentials_are_516_and_run_nothing(front: Front, writer: Caller, table: str) -> None:
    create = f"CREATE TABLE {table} (a Int8) ENGINE = Memory"
    pairs = [("writer", "wrong"), ("writer", ""), ("reader", front.writer_password), ("default", ""), ("wrïter", "ü")]
    for user, password in pairs:
        stranger = caller(front, user, password)
        answer = stranger.send(create)
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
        stranger.http.close()
    assert writer.ask(f"EXISTS TABLE {table}") == "0"


def test_credentials_may_come_by_headers_or_url(front: Front) -> None:
    anonymous = Caller(httpx.Client(base_url=front.url))
    assert anonymous.refused("SELECT 1") == 516
    assert anonymous.ask("SELECT 1", user="reader", password=front.reader_password) == "1"
    headers = {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": front.reader_password}
    assert anonymous.http.post("/", content="SELECT 2", headers=headers).text == "2\n"
    assert anonymous.http.post("/", content="SELECT 1", headers={"Authorization": "Basic ???"}).status_code == 403
    anonymous.http.close()


CHANGES = [
    "INSERT INTO {t} VALUES (9)",
    'INSERT INTO {t} FORMAT JSONEachRow {{"a": 9}}',
    "INSERT INTO {t} SELECT 9",
    "CREATE TABLE {t}_more (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE more (a Int8)",
    "CREATE USER somebody",
    "CREATE FUNCTION f AS x -> x",
    "DROP TABLE {t}",
    "TRUNCATE TABLE {t}",
    "ALTER TABLE {t} DELETE WHERE 1",
    "DELETE FROM {t} WHERE 1",
    "OPTIMIZE TABLE {t} FINAL",
    "RENAME TABLE {t} TO {t}_gone",
    "SYSTEM FLUSH LOGS",
    "SYSTEM STOP MERGES {t}",
    "KILL QUERY WHERE 1",
    "SET readonly = 0",
    "SET max_threads = 1",
    "USE system",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_result_rows = 0",
    "EXPLAIN SELECT 1 SETTINGS readonly = 0",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_the_reader_changes_nothing(writer: Caller, reader: Caller, table: str, statement: str) -> None:
    writer.ask(f"CREATE TABLE {table} (a Int8) ENGINE = MergeTree ORDER BY a")
    writer.ask(f"INSERT INTO {table} VALUES (1)")
    for session in ({}, {"session_id": f"reader-{table}"}):
        assert reader.refused(statement.format(t=table), **session) == 164
    assert reader.ask(f"SELECT count() FROM {table} WHERE a = 1") == "1"


@pytest.mark.parametrize("name", ["readonly", "READONLY"])
def test_the_reader_cannot_lift_readonly_by_url(writer: Caller, reader: Caller, table: str, name: str) -> None:
    writer.ask(f"CREATE TABLE {table} (a Int8) ENGINE = MergeTree ORDER BY a")
    assert reader.refused(f"INSERT INTO {table} VALUES (1)", **{name: "0"}) in {164, 115}
    assert reader.refused("SELECT 1", readonly="2") == 164
    assert reader.refused("print 1", dialect="kusto", allow_experimental_kusto_dialect="1") == 164
    assert reader.refused(f"SELECT 1; INSERT INTO {table} VALUES (1)") in {62, 164}
    insert = f"INSERT INTO {table} VALUES (1)"
    assert reader.refused(insert, database="default`; SET readonly = 0; USE `default") == 81
    assert reader.refused(insert, max_threads="1'; SET readonly = 0; SET max_threads = '1") in {27, 72}
    assert reader.ask(f"SELECT count() FROM {table}") == "0"


OUTSIDE = [
    "SELECT file('/etc/hostname')",
    "SELECT `file`('/etc/hostname')",
    "SELECT `f\\x69le`('/etc/hostname')",
    "SELECT \"f\\x69le\" /* here */ ('/etc/hostname') FORMAT Null",
    "EXPLAIN SELECT file('/etc/hostname')",
    "SELECT 1 WHERE (SELECT file('/etc/hostname')) != ''",
    "SELECT * FROM view(SELECT file('/etc/hostname'))",
    "SELECT * FROM file('/etc/hostname', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:9', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:9/bucket/key')",
    "SELECT * FROM sqlite('/tmp/some.db', 't')",
    "SELECT * FROM remote('127.0.0.1', 'system', 'one')",
    "SELECT * FROM Python(users)",
    "SELECT * FROM `Pyth\\x6fn`(users)",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT 1 PARALLEL WITH SELECT file('/etc/hostname')",
]


@pytest.mark.parametrize("statement", OUTSIDE)
def test_the_reader_sees_nothing_outside_the_database(reader: Caller, statement: str) -> None:
    assert reader.refused(statement) == 164


def test_the_reader_writes_no_files(reader: Caller) -> None:
    assert reader.refused("SELECT 1 INTO OUTFILE '/dev/null'") == 48


def test_the_reader_reads(writer: Caller, reader: Caller, table: str) -> None:
    writer.ask(f"CREATE TABLE {table} (file String) ENGINE = MergeTree ORDER BY file")
    writer.ask(f"INSERT INTO {table} VALUES ('python')")
    writer.ask(f"CREATE VIEW {table}_v AS SELECT file FROM {table} SETTINGS max_threads = 1")
    assert reader.ask(f"SELECT file FROM {table} WHERE file = 'python' AND 'a\\\\b' != 'url'") == "python"
    assert reader.ask(f"SELECT count() FROM {table}_v") == "1"
    assert reader.ask("WITH 2 AS x SELECT sum(number) + x FROM numbers(3)") == "5"
    assert reader.ask(f"SHOW TABLES LIKE '{table}_v'") == f"{table}_v"
    assert reader.ask(f"DESCRIBE TABLE {table}").startswith("file\tString")
    assert "ReadFrom" in reader.ask(f"EXPLAIN SELECT file FROM {table}")
    assert reader.ask("SELECT format('{}-{}', 'a', 'b')") == "a-b"
    assert reader.refused("SELECT * FROM no_such_table") == 60
    assert reader.refused("SELEC 1 FROM") == 62


def test_the_limits_of_the_reader_hold(reader: Caller, writer: Caller) -> None:
    rows = READER_LIMITS["max_result_rows"] + 1
    assert reader.refused(f"SELECT number FROM numbers({rows})") == 396
    assert len(writer.ask(f"SELECT number FROM numbers({rows})").splitlines()) == rows
    grow = "SELECT groupArray(number) FROM numbers(10000000)"
    assert reader.refused(grow, max_memory_usage="10000000") == 241
    assert reader.refused("SELECT sleepEachRow(1) FROM numbers(3)", max_execution_time="1", max_block_size="1") == 159


def test_a_request_of_the_reader_may_only_lower_its_limits(reader: Caller) -> None:
    limit = READER_LIMITS["max_result_rows"]
    for value in (str(limit + 1), "0", "-1", "1e9", ""):
        assert reader.refused("SELECT 1", max_result_rows=value) == 452
    assert reader.refused("SELECT number FROM numbers(11)", max_result_rows="10") == 396
    for name, most in READER_LIMITS.items():
        assert reader.ask(f"SELECT getSetting('{name}')") == str(most)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not JSON"),
        ("[]", "names no user"),
        ("{}", "names no user"),
        ('{"a": {}}', "user a: a password is required"),
        ('{"a": {"password": 1}}', "user a: a password is required"),
        ('{"a": {"password": "x", "limit": {}}}', "limit is not known"),
        ('{"a": {"password": "x", "readonly": "yes"}}', "readonly is true or false"),
        ('{"a": {"password": "x", "limits": {"max_threads": 0}}}', "whole numbers above zero"),
        ('{"a": {"password": "x", "settings": {"max threads": 1}}}', "max threads is not the name of a setting"),
    ],
)
def test_a_mistake_in_the_users_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(content)
    with pytest.raises(StartError, match=said) as raised:
        read_users(path)
    assert str(path) in str(raised.value)


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text(json.dumps({"a": {"password": "geheim"}}))
    assert "geheim" not in repr(list(read_users(path)))


def test_a_missing_users_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot be read"):
        read_users(tmp_path / "none.json")
