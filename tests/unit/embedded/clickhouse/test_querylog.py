"""The front's own system.query_log."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.support.clickhouse import start_front
from tests.unit.embedded.clickhouse.conftest import Caller, caller


def entries(writer: Caller, condition: str, **params: str) -> list[dict[str, Any]]:
    """The log's entries that fulfil a condition, oldest first."""
    writer.ask("SYSTEM FLUSH LOGS")
    url = {f"param_{name}": value for name, value in params.items()}
    sql = f"SELECT * FROM system.query_log WHERE {condition} ORDER BY event_time_microseconds FORMAT JSONEachRow"
    return [json.loads(line) for line in writer.ask(sql, **url).splitlines()]


def test_statements_are_logged_with_their_figures(writer: Caller, reader: Caller, table: str) -> None:
    writer.ask(f"CREATE TABLE {table} (a Int32) ENGINE = MergeTree ORDER BY a", query_id=f"{table}-1")
    writer.ask(b"1\n2\n3\n", query=f"INSERT INTO {table} FORMAT TSV", query_id=f"{table}-2")
    reader.ask(f"SELECT a FROM {table} WHERE a = {{x:Int32}}", param_x="2", query_id=f"{table}-3")
    reader.refused(f"DROP TABLE {table}", query_id=f"{table}-4")
    created, inserted, selected, dropped = entries(writer, "startsWith(query_id, {prefix:String})", prefix=f"{table}-")
    assert (created["type"], created["user"], created["query_kind"]) == ("QueryFinish", "writer", "Create")
    assert (inserted["query_kind"], inserted["written_rows"]) == ("Insert", 3)
    assert (selected["user"], selected["read_rows"], selected["result_rows"]) == ("reader", 3, 1)
    assert selected["query"] == f"SELECT a FROM {table} WHERE a = {{x:Int32}}"
    assert (dropped["type"], dropped["exception_code"]) == ("ExceptionWhileProcessing", 164)
    assert "readonly" in dropped["exception"]
    for entry in (created, inserted, selected, dropped):
        assert 0 <= entry["query_duration_ms"] < 60_000
        written_at = f"{entry['event_time_microseconds']}"[:19]
        assert entry["event_time"] == written_at


def test_neither_data_nor_secrets_are_logged(writer: Caller, table: str) -> None:
    writer.ask(f"CREATE TABLE {table} (a String) ENGINE = MergeTree ORDER BY a")
    writer.ask(f"INSERT INTO {table} FORMAT JSONEachRow\n" + '{"a": "geheim"}')
    writer.ask(f"INSERT INTO {table} VALUES ('geheim')")
    writer.ask("SELECT {s:String}", param_s="geheim")
    writer.send("CREATE USER someone IDENTIFIED BY 'geheim'")
    writer.send(f"CREATE TABLE {table}_s3 (a Int8) ENGINE = S3('http://127.0.0.1:9/b/k', 'key', 'geheim', 'TSV')")
    writer.send("CREATE USR someone IDENTIFIED BY 'geheim'")
    logged = entries(writer, "query_kind != 'System'")
    assert not [entry for entry in logged if "geheim" in json.dumps(entry)]
    assert [entry for entry in logged if entry["query"].startswith("[hidden")]
    assert [entry for entry in logged if entry["query"].endswith(f"INTO {table} FORMAT JSONEachRow")]


def test_long_statements_are_cut(writer: Caller, table: str) -> None:
    writer.ask(f"SELECT '{'x' * 10_000}'", query_id=table)
    (entry,) = entries(writer, "query_id = {id:String}", id=table)
    assert len(entry["query"]) == 2000


def test_the_log_survives_a_restart(tmp_path: Path) -> None:
    front = start_front(tmp_path)
    writer = caller(front, "writer", front.writer_password)
    writer.ask("SELECT 'before the stop'", query_id="old")
    writer.http.close()
    # What waits to be written is written at the end.
    assert front.stop() == 0
    front = start_front(tmp_path)
    writer = caller(front, "writer", front.writer_password)
    assert len(entries(writer, "query_id = 'old'")) == 1
    writer.http.close()
    front.stop()


def test_old_hours_are_dropped_beyond_the_limit(writer: Caller) -> None:
    """Rows of three past hours, more than the log may keep: the next flush leaves the newest."""
    for hours in (5, 4, 3):
        moment = int(time.time()) - hours * 3600
        writer.ask(
            "INSERT INTO millrace_log.query_log (type, event_time, query_id) "
            f"SELECT 'QueryFinish', toDateTime({moment}), 'past-{hours}' FROM numbers(300000)"
        )
    writer.ask("SELECT 'one more'")
    kept = "SELECT DISTINCT query_id FROM system.query_log WHERE startsWith(query_id, 'past-')"
    writer.ask("SYSTEM FLUSH LOGS")
    assert writer.ask(kept) == "past-3"
