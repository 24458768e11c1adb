"""Migrations: idempotent, the zone kept, hand-made rows complete, the original's queries."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from services.clients.database import connect, database_url
from services.clients.relational_schema import SchemaError, migrate, newest_revision, require_current
from services.clients.types import Money
from services.domain.tables import metadata, outbox
from services.settings import DatabaseSettings, SettingsError

QUERIES = [
    "SELECT COUNT(*) AS pending FROM ecommerce.outbox WHERE processed = false",
    "SELECT processed FROM ecommerce.outbox ORDER BY created_at DESC LIMIT 1",
    "SELECT * FROM ecommerce.orders ORDER BY created_at DESC LIMIT 1",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def engine(file: Path) -> Iterator[sa.Engine]:
    made = connect(DatabaseSettings(database_url=f"sqlite:///{file}"))
    yield made
    made.dispose()


@pytest.fixture
def shell(engine: sa.Engine, file: Path) -> Iterator[sqlite3.Connection]:
    migrate(engine, "UTC")
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(f"ATTACH '{file}' AS ecommerce")
    yield connection
    connection.close()


def test_migrating_twice_changes_nothing_and_starting_needs_it(engine: sa.Engine) -> None:
    with pytest.raises(SchemaError, match="millrace migrate"):
        require_current(engine, "UTC")
    assert migrate(engine, "UTC") == migrate(engine, "UTC") == newest_revision()
    require_current(engine, "UTC")


def test_an_older_schema_is_refused(engine: sa.Engine) -> None:
    migrate(engine, "UTC")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(SchemaError, match="at revision 0000"):
        require_current(engine, "UTC")


def test_another_business_time_zone_is_refused(engine: sa.Engine) -> None:
    migrate(engine, "Europe/Berlin")
    with pytest.raises(SchemaError, match="set BUSINESS_TIMEZONE=Europe/Berlin"):
        require_current(engine, "UTC")
    with pytest.raises(SchemaError, match="set BUSINESS_TIMEZONE=Europe/Berlin"):
        migrate(engine, "UTC")


def test_the_tables_in_code_are_the_migrated_ones(engine: sa.Engine) -> None:
    migrate(engine, "UTC")
    inspector = sa.inspect(engine)
    for table in metadata.sorted_tables:
        made = {column["name"] for column in inspector.get_columns(table.name)}
        assert {column.name for column in table.columns} <= made


def test_the_originals_plain_inserts_and_queries_work(shell: sqlite3.Connection) -> None:
    shell.execute(
        "INSERT INTO ecommerce.orders (id, user_id, total_amount, status, shipping_address) "
        "VALUES ('test-order-1', '1', 50000, 'PENDING', 'Seoul')"
    )
    shell.execute(
        "INSERT INTO ecommerce.outbox (aggregate_id, aggregate_type, event_type, payload) VALUES "
        "('test-order-1', 'Order', 'OrderCreated', '{\"orderId\": \"test-order-1\"}')"
    )
    pending, processed, order = (shell.execute(query).fetchone() for query in QUERIES)
    assert pending == (1,)
    assert processed == (0,)
    assert order[0] == "test-order-1"
    assert shell.execute("SELECT topic, retry_count, length(event_id) FROM ecommerce.outbox").fetchone() == (
        "order.events",
        0,
        32,
    )
    assert shell.execute("SELECT version, order_date = date('now') FROM ecommerce.orders").fetchone() == (1, 1)


def test_ids_compare_byte_by_byte(shell: sqlite3.Connection) -> None:
    for name in ("a", "A", "a "):
        shell.execute("INSERT INTO ecommerce.users (id, email, name) VALUES (?, '', '')", (name,))
    assert shell.execute("SELECT count(*) FROM ecommerce.users WHERE id = 'a'").fetchone() == (1,)


def test_mysql_gets_exact_types_and_generated_columns() -> None:
    ddl = str(sa.schema.CreateTable(outbox).compile(dialect=mysql.dialect()))
    assert "GENERATED ALWAYS AS (CONCAT(LOWER(aggregate_type), '.events')) STORED" in ddl
    assert "utf8mb4_0900_bin" in ddl
    assert "DATETIME(6)" in ddl


def test_money_is_exact_or_refused(engine: sa.Engine) -> None:
    table = sa.Table("amounts", sa.MetaData(), sa.Column("amount", Money))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        table.create(connection)
        for text in ("0.00", "0.01", "9999999999999999.99"):
            connection.execute(sa.insert(table).values(amount=Decimal(text)))
        assert [str(x) for x in connection.scalars(sa.select(table.c.amount))] == [
            "0.00",
            "0.01",
            "9999999999999999.99",
        ]
        with pytest.raises(sa.exc.StatementError, match="two decimal places"):
            connection.execute(sa.insert(table).values(amount=Decimal("0.001")))


@pytest.mark.parametrize(
    ("url", "says"), [("postgresql://x/y", "only mysql and sqlite"), ("nonsense", "not a SQLAlchemy URL")]
)
def test_other_databases_are_refused_by_name(url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        database_url(DatabaseSettings(database_url=url))
