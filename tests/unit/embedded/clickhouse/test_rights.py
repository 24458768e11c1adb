"""What users may do on the front: their grants, as a server of ClickHouse 26.3 holds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.embedded.clickhouse.rights import write_configuration
from services.embedded.lifetime import StartError
from tests.support.clickhouse import Front
from tests.unit.embedded.clickhouse.conftest import Caller, caller
from tests.unit.embedded.clickhouse.test_server_users import document, user

GRANTS = {
    "owner": [],
    "nobody": ["GRANT SELECT ON nowhere.*"],
    "columns": ["GRANT SELECT(a) ON analytics.t"],
    "sink": ["GRANT INSERT, SELECT(a) ON analytics.t"],
    "blind_sink": ["GRANT INSERT ON analytics.t"],
    "deleter": [
        "GRANT SELECT ON analytics.*",
        *(f"GRANT ALTER DELETE, ALTER UPDATE(_row_exists) ON analytics.{table}" for table in ("t", "`in`", "`a b`")),
    ],
    "documented": ["GRANT SELECT, ALTER DELETE ON analytics.*"],
    "viewer": ["GRANT SELECT ON analytics.v"],
    "dashboards": ["GRANT SELECT ON analytics.*", "GRANT SELECT ON system.query_log", "GRANT SELECT ON system.parts"],
}
DENIED = "{}: Not enough privileges. To execute this query, it's necessary to have the grant {}. (ACCESS_DENIED)"


class RightsFront(Front):
    """With the users of GRANTS, each with its name for a password."""

    def _declare_users(self) -> Path:
        path = self._folder / "users.d"
        path.mkdir(exist_ok=True)
        declared = [
            user(name, "readers" if name == "viewer" else "writers", "".join(f"<query>{one}</query>" for one in some))
            for name, some in GRANTS.items()
        ]
        (path / "users.xml").write_text(document(users="".join(declared)))
        return path


class People(dict[str, Caller]):
    """Callers by name, made when asked for."""

    def __init__(self, front: Front) -> None:
        super().__init__()
        self._front = front

    def __missing__(self, name: str) -> Caller:
        self[name] = caller(self._front, name, name)
        return self[name]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    running = RightsFront(tmp_path_factory.mktemp("rights"), "UTC")
    made = People(running)
    for statement in (
        "CREATE DATABASE analytics",
        "CREATE TABLE analytics.t (a UInt8, b UInt8) ENGINE = MergeTree ORDER BY a",
        "CREATE TABLE analytics.`in` (t UInt8) ENGINE = MergeTree ORDER BY t",
        "CREATE TABLE analytics.`a b` (t UInt8) ENGINE = MergeTree ORDER BY t",
        "CREATE TABLE analytics.kept (n UInt64) ENGINE = MergeTree ORDER BY n",
        "CREATE TABLE analytics.seen (a Int8) ENGINE = MergeTree ORDER BY a",
        "CREATE MATERIALIZED VIEW analytics.seen_in TO analytics.seen AS SELECT a FROM analytics.t",
        "CREATE VIEW analytics.v AS SELECT n FROM analytics.kept",
        "INSERT INTO analytics.t VALUES (1, 2)",
    ):
        made["owner"].ask(statement)
    yield made
    for each in made.values():
        each.http.close()
    running.stop()


def denied(who: Caller, sql: str | bytes, right: str, **url: str) -> None:
    """Refused as ClickHouse refuses for want of this right."""
    assert who.refused(sql, **url) == 497
    answer = who.send(sql, **url)
    assert answer.status_code == 403
    assert f"necessary to have the grant {right}" in answer.text, answer.text


def test_who_is_refused_and_why_is_said_as_a_server_says_it(people: People) -> None:
    answer = people["nobody"].send("ALTER TABLE analytics.t DROP COLUMN IF EXISTS none")
    said = DENIED.format("nobody", "ALTER DROP COLUMN ON analytics.t")
    assert answer.text.startswith(f"Code: 497. DB::Exception: {said}")


@pytest.mark.parametrize(
    ("name", "sql", "right"),
    [
        ("columns", "SELECT b FROM analytics.t", "SELECT ON analytics.t"),
        ("columns", "SELECT * FROM analytics.t", "SELECT ON analytics.t"),
        ("columns", "SELECT a FROM analytics.t WHERE b = 2", "SELECT ON analytics.t"),
        ("columns", "INSERT INTO analytics.t SELECT 1, 1", "INSERT"),
        ("columns", "INSERT INTO analytics.t FORMAT CSV\n1,2", "INSERT"),
        ("sink", "SELECT b FROM analytics.t", "SELECT(b) ON analytics.t"),
        ("sink", "INSERT INTO analytics.kept VALUES (1)", "INSERT"),
        ("sink", "TRUNCATE TABLE analytics.t", "TRUNCATE ON analytics.t"),
        ("sink", "OPTIMIZE TABLE analytics.t", "OPTIMIZE ON analytics.t"),
        ("sink", "DROP TABLE analytics.t", "DROP TABLE ON analytics.t"),
        ("sink", "CREATE TABLE IF NOT EXISTS analytics.t (x Int8) ENGINE = Memory", "CREATE TABLE ON analytics.t"),
        ("sink", "ALTER TABLE analytics.t UPDATE b = 1 WHERE 1", "ALTER UPDATE(b) ON analytics.t"),
        ("sink", "ALTER TABLE analytics.t DELETE WHERE 1", "ALTER DELETE ON analytics.t"),
        ("sink", "CREATE FUNCTION f AS x -> x", "CREATE FUNCTION ON *.*"),
        ("sink", "SYSTEM FLUSH LOGS", "SYSTEM FLUSH LOGS ON *.*"),
        ("sink", "SELECT * FROM file('/etc/passwd', 'LineAsString')", "READ ON FILE"),
        ("blind_sink", "INSERT INTO analytics.t VALUES (5, 5)", "SELECT"),
        ("viewer", "SELECT n FROM analytics.v", "SELECT ON analytics.kept"),
        ("documented", "DELETE FROM analytics.t WHERE a = 9", "ALTER UPDATE(_row_exists) ON analytics.t"),
        ("deleter", "DELETE FROM analytics.kept WHERE n = 9", "ALTER"),
        ("deleter", "ALTER TABLE analytics.t UPDATE b = 0 WHERE a = 9", "ALTER UPDATE(b) ON analytics.t"),
        ("nobody", "SELECT count() FROM system.parts", "SELECT ON system.parts"),
        ("nobody", "SELECT 1 WHERE 0 IN (SELECT 1 FROM `sys\\x74em`.`parts`)", "SELECT ON system.parts"),
        ("columns", "SELECT query FROM system.query_log", "SELECT ON system.query_log"),
    ],
)
def test_what_is_not_granted_is_refused(people: People, name: str, sql: str, right: str) -> None:
    denied(people[name], sql, right)


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("nobody", "SELECT 1"),
        ("nobody", "DROP TABLE IF EXISTS analytics.missing"),
        ("nobody", "SELECT count() FROM system.settings"),
        ("nobody", "SELECT name FROM system.columns WHERE database = 'analytics'"),
        ("columns", "SELECT a FROM analytics.t"),
        ("sink", "INSERT INTO analytics.t VALUES (3, 3)"),
        ("sink", "INSERT INTO analytics.t FORMAT CSV\n4,4"),
        ("sink", "DESCRIBE TABLE analytics.t"),
        ("deleter", "DELETE FROM analytics.t WHERE a = 9"),
        ("deleter", "DELETE FROM analytics.t WHERE a"),
        ("deleter", "DELETE FROM analytics.`in` WHERE t"),
        ("deleter", "DELETE FROM analytics.`a b` WHERE t IN (SELECT t FROM analytics.`in`)"),
        ("dashboards", "SELECT count() FROM system.parts"),
        ("dashboards", "SELECT count() FROM system.query_log"),
        ("owner", "SYSTEM FLUSH LOGS"),
        ("owner", "SELECT count() FROM system.parts"),
    ],
)
def test_what_is_granted_is_done(people: People, name: str, sql: str) -> None:
    people[name].ask(sql)


def test_a_table_is_meant_in_the_requests_database(people: People) -> None:
    assert people["columns"].ask("SELECT count(a) >= 0 FROM t", database="analytics") == "1"
    people["deleter"].ask("DELETE FROM t WHERE a = 9", database="analytics")
    denied(people["documented"], "DELETE FROM t WHERE a = 9", "ALTER UPDATE(_row_exists) ON analytics.t",
           database="analytics")  # fmt: skip
    denied(people["columns"], "SELECT count() FROM parts", "SELECT ON system.parts", database="system")
    assert people["nobody"].ask("SELECT 1", database="analytics") == "1"


def test_nobody_takes_anothers_rights(people: People) -> None:
    for sql in ("SET ROLE front", "SET ROLE ALL", "/* */ set role DEFAULT", "SET ROLE user_owner"):
        assert people["columns"].refused(sql) == 512
        assert people["columns"].refused(sql, session_id="taken") == 512
    assert people["columns"].refused("SELECT b FROM analytics.t", session_id="taken") == 497
    assert people["columns"].refused("GRANT SELECT ON *.* TO user_columns") in (495, 497)
    for sql in ("EXECUTE AS default SELECT 1", "CREATE USER x", "DROP ROLE front"):
        assert people["columns"].refused(sql) in (344, 495, 497)


def test_a_session_keeps_its_users_rights(people: People) -> None:
    session = {"session_id": "kept"}
    people["columns"].ask("SET max_threads = 3", **session)
    assert people["columns"].ask("SELECT getSetting('max_threads')", **session) == "3"
    assert people["columns"].refused("SELECT b FROM analytics.t", **session) == 497
    assert people["columns"].ask("SELECT count(a) >= 0 FROM t", database="analytics", **session) == "1"
    assert people["columns"].refused("SELECT b FROM t", database="analytics", **session) == 497


def test_a_grant_that_is_none_stops_the_front(tmp_path: Path) -> None:
    class Wrong(RightsFront):
        def _declare_users(self) -> Path:
            path = super()._declare_users()
            query = "GRANT ALTER UPDATE(_row_exists) ON analytics.*"
            (path / "users.xml").write_text(document(users=user("a", "writers", f"<query>{query}</query>")))
            return path

    with pytest.raises(AssertionError, match=r"wildcard|Code: (62|36)"):
        Wrong(tmp_path, "UTC")


def test_a_folder_that_the_engine_would_read_as_an_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"one of \? & = % #"):
        write_configuration(tmp_path / "a&b", {"reader": ["GRANT SELECT ON analytics.*"]})
