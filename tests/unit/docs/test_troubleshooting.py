"""The queries of docs/troubleshooting.md: every one of them is run."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.clients.clickhouse import Client, connect
from services.clients.clickhouse_schema import migrate_clickhouse
from tests.support.clickhouse import start_front
from tests.support.databases import on_mysql
from tests.support.process import PROJECT
from tests.support.shop import SHOP
from tests.support.warehouse import Warehouse, order

PAGE = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
# what the original's users have written down stays on the page
KEPT = (
    "SELECT COUNT(*) AS pending FROM ecommerce.outbox WHERE processed = false;",
    "SELECT processed FROM ecommerce.outbox ORDER BY created_at DESC LIMIT 1;",
    "SELECT * FROM ecommerce.orders ORDER BY created_at DESC LIMIT 1;",
    "SELECT COUNT(*) FROM analytics.orders_analytics;",
    "SELECT * FROM analytics.orders_analytics ORDER BY created_at DESC LIMIT 5;",
    "SELECT * FROM analytics.daily_sales_mv ORDER BY order_date DESC LIMIT 5;",
    "Threads_connected",
    "slow_query_log",
    "information_schema.tables",
    "system.parts",
    "system.query_log",
)


OPENED = datetime(2026, 11, 21, 12, tzinfo=UTC)


def statements(section: str) -> list[str]:
    """The statements of the section's SQL blocks."""
    blocks = re.findall(r"^```sql\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)
    return [" ".join(text.split()) for block in blocks for text in block.split(";\n") if text.strip()]


@pytest.mark.parametrize("query", KEPT)
def test_the_originals_queries_are_there(query: str) -> None:
    assert query in PAGE


def of_any_database() -> list[str]:
    return [text for text in statements("MySQL") if "ecommerce." in text and "information_schema" not in text]


def test_the_queries_on_orders_and_outbox_run_on_the_demos_database_as_the_page_says(tmp_path: Path) -> None:
    if on_mysql():
        pytest.skip("is about SQLite, and this run is on MySQL")
    asked = of_any_database()
    assert len(asked) == 5
    with SHOP.copy(tmp_path) as url, sqlite3.connect(":memory:") as shell:
        shell.execute("ATTACH ? AS ecommerce", (url.removeprefix("sqlite:///"),))
        for query in asked:
            shell.execute(query).fetchall()
    shell.close()


def test_every_query_runs_on_mysql(tmp_path: Path) -> None:
    if not on_mysql():
        pytest.skip("MYSQL'S QUERIES IN docs/troubleshooting.md ARE NOT RUN: set MILLRACE_TEST_MYSQL (CONTRIBUTING)")
    with SHOP.open(tmp_path) as engine, engine.connect() as connection:
        name = engine.url.database or ""
        for query in statements("MySQL"):
            ours = query.replace("ecommerce.", f"{name}.").replace("'ecommerce'", f"'{name}'")
            connection.execute(sa.text(ours))


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    front = start_front(tmp_path_factory.mktemp("troubleshooting"), "UTC")
    client = connect(front.url, user="writer", password=front.writer_password, database="analytics")
    migrate_clickhouse(client, "UTC")
    yield client
    client.close()
    front.stop()


@pytest.mark.parametrize("query", statements("ClickHouse"))
def test_every_query_runs_on_clickhouse(query: str, clickhouse: Client) -> None:
    clickhouse.query(query)


def test_the_query_for_days_that_wait_names_them(clickhouse: Client) -> None:
    (query,) = (text for text in statements("ClickHouse") if "came_in" in text)
    Warehouse(clickhouse, "UTC").insert(order("1", OPENED, "UTC"), order("2", OPENED, "UTC"))
    assert [(str(day), came_in, covered) for day, came_in, covered in clickhouse.query(query).result_rows] == [
        ("2026-11-21", 2, 0)
    ]


def test_the_query_for_sizes_names_the_tables(clickhouse: Client) -> None:
    (query,) = (text for text in statements("ClickHouse") if "system.parts" in text)
    Warehouse(clickhouse, "UTC").insert(order("3", OPENED, "UTC"))
    assert {"orders_analytics", "day_inserts"} < {row[0] for row in clickhouse.query(query).result_rows}
