"""The HTTP interface as ClickHouse's clients know it."""

from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.support.clickhouse import Front
from tests.unit.embedded.clickhouse.conftest import TIMEZONE, Caller, caller


@pytest.mark.parametrize("path", ["/ping", "/", "/replicas_status"])
def test_ping_needs_no_user(front: Front, path: str) -> None:
    stranger = caller(front, "nobody", "")
    answer = stranger.http.get(path)
    assert (answer.status_code, answer.text) == (200, "Ok.\n")
    assert stranger.http.head(path).status_code == 200
    stranger.http.close()


def test_a_statement_is_in_the_body_in_the_url_or_split_over_both(writer: Caller) -> None:
    assert writer.ask("SELECT 1") == "1"
    assert writer.ask(query="SELECT 2") == "2"
    assert writer.ask("+ 2", query="SELECT 1") == "3"


def test_a_get_request_reads_and_never_changes(writer: Caller, table: str) -> None:
    assert writer.send(method="GET", query="SELECT 4").text == "4\n"
    assert writer.send(method="HEAD", query="SELECT 4").content == b""
    refused = writer.send(method="GET", query=f"CREATE TABLE {table} (a Int8) ENGINE = Memory")
    assert refused.headers["X-ClickHouse-Exception-Code"] == "164"
    assert writer.ask(f"EXISTS TABLE {table}") == "0"


def test_parameters_are_bound_by_the_engine(writer: Caller) -> None:
    text = "it's {x:Date} 한글 \\ \t \n"
    escaped = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    sql = "SELECT {day:Date} + 1, {names:Array(String)}, {text:String} FORMAT JSONCompactEachRow"
    answer = writer.ask(sql, param_day="2026-02-28", param_names="['a','b']", param_text=escaped)
    assert json.loads(answer) == ["2026-03-01", ["a", "b"], text]


def test_settings_of_the_url_hold_for_that_request(writer: Caller) -> None:
    assert writer.ask("SELECT getSetting('max_block_size')", max_block_size="123") == "123"
    assert writer.ask("SELECT getSetting('max_block_size')") != "123"
    assert writer.refused("SELECT 1", no_such_setting="1") == 115
    assert writer.refused("SELECT 1", **{"max_threads=1, readonly": "0"}) == 115


def test_database_and_format_come_by_url_or_header(writer: Caller, table: str) -> None:
    writer.ask(f"CREATE DATABASE {table}")
    assert writer.ask("SELECT currentDatabase()", database=table) == table
    headers = {"X-ClickHouse-Database": table, "X-ClickHouse-Format": "JSONCompactEachRow"}
    answer = writer.http.post("/", content="SELECT currentDatabase()", headers=headers)
    assert answer.json() == [table]
    assert answer.headers["X-ClickHouse-Format"] == "JSONCompactEachRow"
    assert writer.ask("SELECT 1 FORMAT CSV", default_format="JSON") == "1"
    assert writer.refused("SELECT 1", database="no`such'one") == 81
    assert writer.refused("SELECT 1", default_format="NoSuchFormat") == 73


def test_headers_describe_the_answer(writer: Caller) -> None:
    answer = writer.send("SELECT number FROM numbers(3) FORMAT JSON", query_id="mine")
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Format"] == "JSON"
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    summary = json.loads(answer.headers["X-ClickHouse-Summary"])
    assert (summary["result_rows"], summary["read_rows"], summary["written_rows"]) == ("3", "3", "0")
    assert writer.send("SELECT 1").headers["X-ClickHouse-Query-Id"] != "mine"


def test_only_statements_with_rows_have_a_format(writer: Caller, table: str) -> None:
    created = writer.send(f"CREATE TABLE {table} (a Int8) ENGINE = Memory")
    inserted = writer.send(f"INSERT INTO {table} VALUES (1), (2)")
    empty = writer.send(f"/* none */ SELECT a FROM {table} WHERE a = 3")
    assert "X-ClickHouse-Format" not in created.headers
    assert "X-ClickHouse-Format" not in inserted.headers
    assert json.loads(inserted.headers["X-ClickHouse-Summary"])["written_rows"] == "2"
    assert empty.headers["X-ClickHouse-Format"] == "TabSeparated"


def test_every_session_lives_in_the_business_time_zone(writer: Caller, reader: Caller) -> None:
    for user in (writer, reader):
        answer = user.send("SELECT timezone(), today() = toDate(now(), {zone:String})", param_zone=TIMEZONE)
        assert answer.text == f"{TIMEZONE}\t1\n"
        assert answer.headers["X-ClickHouse-Timezone"] == TIMEZONE
    shown = reader.ask("SELECT toDateTime(1760000000)")
    assert shown == datetime.fromtimestamp(1760000000, ZoneInfo(TIMEZONE)).strftime("%Y-%m-%d %H:%M:%S")
    assert reader.send("SELECT timezone()", session_timezone="UTC").headers["X-ClickHouse-Timezone"] == "UTC"


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("", 62, 400),
        ("SELEC 1 FROM", 62, 400),
        ("SELECT nothing", 47, 404),
        ("SELECT * FROM no_such_table", 60, 404),
        ("SELECT 1; SELECT 2", 62, 400),
        ("SELECT 1 INTO OUTFILE '/dev/null'", 48, 501),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_execution_time = 0.1, max_block_size = 1", 159, 408),
    ],
)
def test_a_failure_has_the_code_and_the_status_of_clickhouse(writer: Caller, sql: str, code: int, status: int) -> None:
    answer = writer.send(sql)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_a_semicolon_at_the_end_or_in_a_literal_is_one_statement(writer: Caller) -> None:
    assert writer.ask("SELECT 'a;b';\n") == "a;b"


def test_unknown_paths_and_external_data_are_refused(writer: Caller) -> None:
    assert writer.http.get("/play").status_code == 404
    form = writer.http.post("/", params={"query": "SELECT * FROM t"}, files={"t": b"1"})
    assert (form.status_code, form.headers["X-ClickHouse-Exception-Code"]) == (501, "48")
