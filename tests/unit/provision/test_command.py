"""`millrace provision` as a job runs it: what it prints, the exit code, and one last line that says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.main import app
from services.settings import describe
from tests.support.connect import FakeConnect, serve_connect

SINK = "clickhouse-sink-orders"
SINK_CLASS = "com.clickhouse.kafka.connect.ClickHouseSinkConnector"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for row in describe():
        monkeypatch.delenv(row.name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_DEMO_DATA", str(tmp_path / "demo"))
    monkeypatch.setenv("MILLRACE_STACK_DATA", str(tmp_path / "stack"))


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeConnect]:
    with serve_connect() as fake:
        fake.plugins = [{"class": SINK_CLASS, "type": "sink", "version": "1.5.0"}]
        monkeypatch.setenv("CONNECT_URL", fake.url)
        yield fake


def _provision(*words: str) -> Result:
    return CliRunner().invoke(app, ["provision", *words])


def _last_line(result: Result) -> str:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stderr.strip().splitlines()[-1]


def test_connectors_print_what_they_did(worker: FakeConnect) -> None:
    result = _provision("connectors", "--run", SINK, "--stop", "outbox-debezium")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "connector outbox-debezium: absent",
        f"connector {SINK}: created (1 task running)",
    ]


def test_or_as_json(worker: FakeConnect) -> None:
    result = _provision("connectors", "--run", SINK, "--json")
    assert json.loads(result.stdout) == [
        {"what": f"connector {SINK}", "outcome": "created", "detail": "1 task running"}
    ]


def test_a_task_that_failed_is_exit_code_1(worker: FakeConnect) -> None:
    worker.trace_of_new_tasks = "org.example.ConnectException: [x] no such table\n\tat Task.java:1"
    result = _provision("connectors", "--run", SINK)
    assert result.exit_code == 1
    assert _last_line(result) == f"millrace: connector {SINK}, task 0: org.example.ConnectException: [x] no such table"


def test_a_missing_plugin_is_exit_code_2(worker: FakeConnect) -> None:
    worker.plugins.clear()
    result = _provision("connectors", "--run", SINK)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"no plugin {SINK_CLASS}" in _last_line(result)


def test_a_refused_configuration_is_the_workers_words(worker: FakeConnect) -> None:
    worker.answers_to_put = (400, {"error_code": 400, "message": "tasks.max\nmust be at least 1"})
    result = _provision("connectors", "--run", SINK)
    assert result.exit_code == 2
    assert _last_line(result).endswith("(400): tasks.max must be at least 1")


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (("topics", "--min-in-sync", "4"), {}, "--min-in-sync 4 is more than --replication-factor 3"),
        (("topics", "--wait", "0"), {"KAFKA_BROKERS": "127.0.0.1:1"}, "no broker of 127.0.0.1:1 answered"),
        (("topics", "--wait", "0"), {"KAFKA_BROKERS": ","}, "KAFKA_BROKERS names no host:port"),
        (("connectors",), {"CONNECT_URL": "here"}, "CONNECT_URL is not an http(s) URL"),
        (("connectors", "--wait", "0"), {"CONNECT_URL": "http://127.0.0.1:1"}, "127.0.0.1:1 does not answer"),
        (
            ("database",),
            {"MYSQL_PASSWORD": "x", "MYSQL_API_PASSWORD": "x"},
            "RELAY_PASSWORD, MYSQL_AGGREGATOR_PASSWORD, MYSQL_RECONCILER_PASSWORD, MYSQL_DEBEZIUM_PASSWORD not set",
        ),
        (
            ("database", "--without", "debezium"),
            {"MYSQL_PASSWORD": "x", "MYSQL_API_PASSWORD": "x"},
            "MYSQL_RELAY_PASSWORD, MYSQL_AGGREGATOR_PASSWORD, MYSQL_RECONCILER_PASSWORD not set",
        ),
        (("database", "--without", "nobody"), {"MYSQL_PASSWORD": "x"}, "there is no account nobody: choose api, relay"),
        (("clickhouse",), {}, "CLICKHOUSE_PASSWORD is not set"),
        (
            ("clickhouse", "--wait", "0"),
            {"CLICKHOUSE_PASSWORD": "x", "CLICKHOUSE_HOST": "http://127.0.0.1:1"},
            "ClickHouse at http://127.0.0.1:1 does not answer",
        ),
    ],
)
def test_what_cannot_be_done_is_one_last_line(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = _provision(*words)
    assert result.exit_code == 2
    assert says in _last_line(result)
    assert "Traceback" not in result.stderr


ACCOUNTS = {f"MYSQL_{name}_PASSWORD": "x" for name in ("API", "RELAY", "AGGREGATOR", "RECONCILER", "DEBEZIUM")}


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"DATABASE_URL": "sqlite:///shop.db"}, "is not of MySQL"),
        ({"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1", "MYSQL_PASSWORD": "hush"}, "does not answer after 0 s"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], says: str
) -> None:
    for name, value in {**ACCOUNTS, **environment}.items():
        monkeypatch.setenv(name, value)
    result = _provision("database", "--wait", "0")
    assert result.exit_code == 2
    assert says in _last_line(result)
    assert "hush" not in result.stderr
