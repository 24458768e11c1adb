"""The relational schema on a MySQL server: made again after a cut, alone at it, and read along the right indexes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from services.clients import relational_schema
from services.clients.database import write
from services.clients.lease import Lease
from services.clients.relational_schema import SchemaError, migrate, newest_revision
from services.domain.locking import lock_stock
from services.domain.tables import inventory, outbox
from services.reconciler import relational
from services.relay.outbox import Outbox
from tests.support.databases import empty_database, open_database
from tests.support.shop import SHOP

pytestmark = [pytest.mark.needs_mysql, pytest.mark.real_servers]

# of 18 CREATE statements: after alembic's own table, within a table's indexes, between tables, before the last
CUTS = (1, 5, 6, 8, 14, 17)


class Killed(Exception):
    """In place of SIGKILL: MySQL has committed what was made."""


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Engine]:
    with empty_database(tmp_path) as url:
        engine = open_database(url)
        yield engine
        engine.dispose()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Engine]:
    with SHOP.open(tmp_path) as engine:
        yield engine


def _tables(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        names = sorted(sa.inspect(connection).get_table_names())
        return {name: connection.execute(sa.text(f"SHOW CREATE TABLE {name}")).one()[1] for name in names}


def test_a_migration_that_was_cut_short_is_taken_up(empty: Engine, tmp_path: Path) -> None:
    migrate(empty, "UTC")
    wanted = _tables(empty)
    for number in CUTS:
        with empty_database(tmp_path) as url:
            engine = open_database(url)
            listener = _kill_before(engine, number)
            with pytest.raises(Killed):
                migrate(engine, "UTC")
            event.remove(engine, "before_cursor_execute", listener)
            assert migrate(engine, "UTC") == newest_revision()
            assert _tables(engine) == wanted, f"cut before DDL statement {number}"
            engine.dispose()


def _kill_before(engine: Engine, number: int) -> Any:
    count = 0

    @event.listens_for(engine, "before_cursor_execute")
    def kill(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal count
        if statement.lstrip().startswith("CREATE"):
            if count == number:
                raise Killed
            count += 1

    return kill


def test_two_at_once_make_it_once(empty: Engine) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: migrate(empty, "UTC"), range(4)))
    assert made == [newest_revision()] * 4


def test_a_migration_that_does_not_end_is_not_waited_for_for_ever(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relational_schema, "_PATIENCE_SECONDS", 1)
    with empty.connect() as somebody:
        lock = sa.select(sa.func.get_lock(sa.func.concat(sa.func.database(), ".schema"), 0))
        assert somebody.scalar(lock) == 1
        with pytest.raises(SchemaError, match="somebody else has been migrating"):
            migrate(empty, "UTC")


def test_the_originals_plain_inserts_and_queries_work(shop: Engine) -> None:
    """As they stand there, but for the database's name."""
    with shop.connect() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO orders (id, user_id, total_amount, status, shipping_address) "
                "VALUES ('test-order-1', '1', 50000, 'PENDING', 'Seoul')"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO outbox (aggregate_id, aggregate_type, event_type, payload) VALUES "
                "('test-order-1', 'Order', 'OrderCreated', "
                """'{"orderId": "test-order-1", "userId": "1", "totalAmount": 50000, "status": "PENDING"}')"""
            )
        )
        assert connection.scalar(sa.text("SELECT COUNT(*) AS pending FROM outbox WHERE processed = false")) == 1
        assert connection.scalar(sa.text("SELECT processed FROM outbox ORDER BY created_at DESC LIMIT 1")) == 0
        order = connection.execute(sa.text("SELECT * FROM orders ORDER BY created_at DESC LIMIT 1")).one()
        assert (order.id, order.version, order.deleted_at) == ("test-order-1", 1, None)
        assert order.order_date == connection.scalar(sa.text("SELECT UTC_DATE()"))
        event_row = connection.execute(sa.text("SELECT topic, shard, retry_count, event_id FROM outbox")).one()
        assert (event_row.topic, event_row.retry_count) == ("order.events", 0)
        assert event_row.shard in range(64)
        assert len(event_row.event_id) == 36


def test_ids_compare_byte_by_byte(shop: Engine) -> None:
    with shop.connect() as connection:
        for name in ("a", "A", "a "):
            connection.execute(sa.text("INSERT INTO users (id, email, name) VALUES (:id, '', '')"), {"id": name})
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM users WHERE id = 'a'")) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO inventory (id, product_id, quantity, reserved) VALUES ('x', 'x', 1, 2)",
        "UPDATE inventory SET reserved = -1",
        "INSERT INTO products (id, name, price) VALUES ('x', 'x', -1)",
        "INSERT INTO orders (id, user_id, total_amount, status) VALUES ('x', 'x', 99999999999999999.99, 'PENDING')",
    ],
)
def test_what_cannot_be_is_refused(shop: Engine, statement: str) -> None:
    with shop.connect() as connection, pytest.raises(sa.exc.DBAPIError):
        connection.execute(sa.text(statement))


# ---- plans


def _plans(engine: Engine, work: Any) -> list[tuple[str, str, str]]:
    """Table, index and remarks of every statement of ``work`` that reads or locks rows."""
    asked: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            asked.append((statement, parameters))

    work()
    event.remove(engine, "before_cursor_execute", _note)
    plans: list[tuple[str, str, str]] = []
    with engine.connect() as connection:
        for statement, parameters in asked:
            one = parameters[0] if isinstance(parameters, list) else parameters
            rows = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}", one).mappings()
            plans += [(str(row["table"]), str(row["key"]), row["Extra"] or "") for row in rows if row["table"]]
    return plans


def _many_events(engine: Engine, waiting: int) -> None:
    """3,000 delivered events and some that wait, with statistics that know of them."""

    def fill(connection: Connection) -> None:
        for processed, count in ((True, 3000), (False, waiting)):
            rows = [
                {
                    "aggregate_id": f"order-{number}",
                    "aggregate_type": "Order",
                    "event_type": "OrderCreated",
                    "payload": "{}",
                    "processed": processed,
                }
                for number in range(count)
            ]
            connection.execute(sa.text(_INSERT), rows)

    write(engine, fill)
    with engine.connect() as connection:
        connection.execute(sa.text("ANALYZE TABLE outbox"))


_INSERT = (
    "INSERT INTO outbox (aggregate_id, aggregate_type, event_type, payload, processed) "
    "VALUES (:aggregate_id, :aggregate_type, :event_type, :payload, :processed)"
)


@pytest.mark.parametrize("waiting", [20, 2500])
def test_the_relay_reads_in_id_order_without_sorting(shop: Engine, waiting: int) -> None:
    """Few or many: left to itself MySQL sorts what waits, or reads past everything delivered."""
    _many_events(shop, waiting)
    box = Outbox(shop, Lease(shop, "relay", "me", 60))
    for table, key, extra in _plans(shop, lambda: (box.waiting(500), box.unmarked(500), box.backlog())):
        assert table == "outbox"
        assert key in ("idx_outbox_pending", "idx_processed_created"), key
        assert "filesort" not in extra


def test_the_reconciler_reads_what_waits_and_no_more(shop: Engine) -> None:
    _many_events(shop, 20)
    with shop.connect() as connection:
        now = connection.scalar(sa.text("SELECT UTC_TIMESTAMP(6)"))
        plans = _plans(shop, lambda: relational.waiting_since(connection, now))
    assert [key for _, key, _ in plans] != ["None"]


@pytest.mark.parametrize("count", [1, 2, 12, 13])
def test_stock_is_locked_along_its_index(shop: Engine, count: int) -> None:
    """A small table is read faster from end to end, but then its rows are locked in another order than asked for."""
    ids = [f"p{number:02}" for number in range(13)]

    def fill(connection: Connection) -> None:
        connection.execute(sa.delete(inventory))
        for number in ids:
            connection.execute(
                sa.insert(inventory).values(id=f"z{number}", product_id=number, quantity=1, reserved=0, version=1)
            )

    write(shop, fill)
    with shop.connect() as connection:
        plans = _plans(shop, lambda: lock_stock(connection, ids[:count]))
    assert [key for _, key, _ in plans] == ["inventory_of_product"]
    assert not [extra for _, _, extra in plans if "filesort" in extra]


def test_the_outbox_has_the_indexes_that_statements_name(shop: Engine) -> None:
    names = {str(index["name"]) for index in sa.inspect(shop).get_indexes(outbox.name)}
    assert {"idx_processed_created", "idx_aggregate", "idx_outbox_pending"} <= names
