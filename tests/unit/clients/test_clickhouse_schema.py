"""The ClickHouse schema: applied once, refused when it is not this project's, and closed to rows that do not fit."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.clients.clickhouse import Client, Failure, classify, connect
from services.clients.clickhouse_schema import (
    FOLDER,
    ClickHouseSchemaError,
    migrate_clickhouse,
    require_current_clickhouse,
    schema_files,
    split,
)
from tests.support.clickhouse import Front, start_front
from tests.support.warehouse import Warehouse, order, warehouse

ZONE = "Europe/Berlin"
ALL = [file.name for file in schema_files()]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = start_front(tmp_path_factory.mktemp("schema"), "UTC")
    yield running
    running.stop()


@pytest.fixture
def client(front: Front) -> Iterator[Client]:
    """A client whose database does not exist yet."""
    made = connect(front.url, user="writer", password=front.writer_password, database=f"schema_{next(_numbers)}")
    yield made
    made.command(f"DROP DATABASE IF EXISTS {made.database}", use_database=False)
    made.close()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the schema's files, to be changed."""
    return Path(shutil.copytree(FOLDER, tmp_path / "clickhouse"))


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_an_empty_server_gets_everything_once(client: Client) -> None:
    with pytest.raises(ClickHouseSchemaError, match="run `millrace migrate`"):
        require_current_clickhouse(client, ZONE)
    assert migrate_clickhouse(client, ZONE) == ALL
    assert migrate_clickhouse(client, ZONE) == []
    require_current_clickhouse(client, ZONE)


def test_a_new_file_is_applied_to_what_is_there(client: Client, files: Path) -> None:
    migrate_clickhouse(client, ZONE, files)
    (files / "999_more.sql").write_text("CREATE VIEW IF NOT EXISTS more AS SELECT '${business_timezone}' AS zone;\n")
    with pytest.raises(ClickHouseSchemaError, match=r"lacks 999_more.sql: run `millrace migrate`"):
        require_current_clickhouse(client, ZONE, files)
    assert migrate_clickhouse(client, ZONE, files) == ["999_more.sql"]
    assert client.query("SELECT zone FROM more").result_rows == [(ZONE,)]


def test_an_application_cut_short_is_completed(client: Client, files: Path) -> None:
    (files / "999_more.sql").write_text("CREATE VIEW IF NOT EXISTS a AS SELECT 1;\nSELECT no_such_column;\n")
    with pytest.raises(ClickHouseError):
        migrate_clickhouse(client, ZONE, files)
    (files / "999_more.sql").write_text(
        "CREATE VIEW IF NOT EXISTS a AS SELECT 1;\nCREATE VIEW IF NOT EXISTS b AS SELECT 2;\n"
    )
    assert migrate_clickhouse(client, ZONE, files) == ["999_more.sql"]


@pytest.mark.parametrize("check", [migrate_clickhouse, require_current_clickhouse])
def test_a_file_changed_after_it_was_applied_is_refused(client: Client, files: Path, check: Any) -> None:
    migrate_clickhouse(client, ZONE, files)
    append(files / "002_cubes.sql", "-- changed\n")
    with pytest.raises(ClickHouseSchemaError, match=r"^002_cubes.sql was changed after it was applied: [^\n]*$"):
        check(client, ZONE, files)


@pytest.mark.parametrize("check", [migrate_clickhouse, require_current_clickhouse])
def test_another_business_zone_is_refused(client: Client, check: Any) -> None:
    migrate_clickhouse(client, ZONE)
    with pytest.raises(ClickHouseSchemaError, match=r"^BUSINESS_TIMEZONE is UTC, but [^\n]* Europe/Berlin: [^\n]*$"):
        check(client, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "UTC'); DROP DATABASE analytics; --"])
def test_what_is_no_zone_never_reaches_a_statement(client: Client, zone: str) -> None:
    with pytest.raises(ClickHouseSchemaError, match="not an IANA time zone"):
        migrate_clickhouse(client, zone)


def test_a_database_name_that_would_need_quotes_is_refused(client: Client) -> None:
    name, client.database = client.database, "some name"
    with pytest.raises(ClickHouseSchemaError, match="CLICKHOUSE_DATABASE is not a plain name"):
        migrate_clickhouse(client, ZONE)
    client.database = name


def test_files_are_named_and_begin_with_the_bookkeeping(files: Path) -> None:
    (files / "more.sql").write_text("SELECT 1;\n")
    with pytest.raises(ClickHouseSchemaError, match=r"more.sql in clickhouse is not named"):
        schema_files(files)
    with pytest.raises(ClickHouseSchemaError, match=r"does not begin with 000_bookkeeping.sql"):
        schema_files(files / "missing")


def test_statements_end_with_a_semicolon_at_a_lines_end() -> None:
    text = "-- a; comment;\nSELECT ';' AS a,\n  -- another;\n  2;\n\nSELECT 3;   \n"
    assert list(split(text)) == ["SELECT ';' AS a,\n  2", "SELECT 3"]
    with pytest.raises(ClickHouseSchemaError, match="without a closing semicolon: SELECT 2"):
        list(split("SELECT 1;\nSELECT 2\n"))


# ---- rows that do not fit


@pytest.fixture(scope="module")
def store(front: Front) -> Iterator[Warehouse]:
    with warehouse(front, ZONE) as made:
        yield made


def send(store: Warehouse, row: dict[str, Any]) -> None:
    store.client.raw_insert(
        "orders_analytics",
        insert_block=json.dumps(row).encode(),
        fmt="JSONEachRow",
        settings={"date_time_overflow_behavior": "throw"},
    )


GOOD = order("1", datetime(2024, 3, 15, 11, tzinfo=UTC), ZONE).row()


def test_a_good_row_is_stored_as_it_is(store: Warehouse) -> None:
    send(store, GOOD)
    assert store.ask("SELECT order_id, total_amount, version FROM orders_analytics WHERE order_id = '1'")


BAD: list[dict[str, Any]] = [
    {"order_id": ""},
    {"order_id": None},
    {"user_id": None},
    {"order_date": None},
    {"order_date": "1970-01-01"},
    {"order_date": "2150-01-01"},
    {"created_at": None},
    {"occurred_at": None},
    {"total_amount": "-0.01"},
    {"total_amount": "1e400"},
    {"items_count": None},
    {"items_count": 2},
    {"items": [{"product_id": "101", "quantity": 1}], "items.product_id": None},
    {"items.product_id": []},
    {"items.product_id": [""]},
    {"items.quantity": [0]},
    {"items.quantity": [1, 2]},
    {"items.price": ["-1.00"]},
    {"status": None},
    {"status": "DELIVERED"},
    {"payment_method": "CHEQUE"},
    {"payment_status": "LOST"},
    {"event_type": "Created"},
    {"is_deleted": 1},
    {"is_deleted": 2, "deleted_at": "2024-03-15 11:00:00.000000"},
    {"deleted_at": "2024-03-15 11:00:00.000000"},
    {"version": None},
    {"version": 0},
    {"version": -1},
]


@pytest.mark.parametrize("fault", BAD, ids=str)
def test_a_row_that_would_be_coerced_in_silence_is_refused(store: Warehouse, fault: dict[str, Any]) -> None:
    with pytest.raises(ClickHouseError) as refused:
        send(store, {**GOOD, "order_id": "bad", **fault})
    assert classify(refused.value) is Failure.REFUSED, refused.value
    assert store.ask("SELECT count() FROM orders_analytics WHERE order_id IN ('bad', '')") == [(0,)]


@pytest.mark.parametrize(
    "name", ["order_id", "user_id", "order_date", "created_at", "status", "version", "items.price"]
)
def test_a_row_without_a_column_is_refused(store: Warehouse, name: str) -> None:
    row = {column: value for column, value in GOOD.items() if column != name}
    with pytest.raises(ClickHouseError) as refused:
        send(store, {**row, "payment_method": "CARD"})
    assert classify(refused.value) is Failure.REFUSED


def test_the_marker_of_a_purged_order_fits(store: Warehouse) -> None:
    marker: dict[str, list[str]] = {column: [] for column in GOOD if column.startswith("items.")}
    send(
        store,
        {
            **GOOD,
            **marker,
            "order_id": "purged",
            "version": 9,
            "items_count": 0,
            "total_amount": "0.00",
            "is_deleted": 1,
            "deleted_at": "2024-03-15 11:00:00.000000",
            "event_type": "DELETED",
        },
    )


def test_a_client_that_cannot_reach_clickhouse_says_so() -> None:
    with pytest.raises(ClickHouseError) as away:
        connect("http://127.0.0.1:1", user="writer", password="", database="analytics", connect_timeout=1)
    assert classify(away.value) is Failure.RETRY


def test_a_wrong_password_is_a_fault(front: Front) -> None:
    with pytest.raises(ClickHouseError) as refused:
        connect(front.url, user="writer", password="wrong", database="analytics")
    assert classify(refused.value) is Failure.FAULT
