"""Catalogue, orders, payments, inventory, outbox, leases.

Every column that a plain INSERT of an order or an outbox row may leave out has a default in the database.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from schemas.mysql.steps import create_table
from services.clients.types import (
    Money,
    UtcTime,
    big_serial,
    identifier,
    outbox_shard,
    outbox_topic,
    random_id,
    utc_now,
    utc_today,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_engine": "InnoDB"}


def _catalogue() -> None:
    create_table(
        "users",
        sa.Column("id", identifier(), primary_key=True),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False, server_default=utc_now()),
        **_MYSQL,
    )
    create_table(
        "products",
        sa.Column("id", identifier(), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("price", Money, sa.CheckConstraint("price >= 0"), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False, server_default=utc_now()),
        **_MYSQL,
    )
    create_table(
        "inventory",
        sa.Column("id", identifier(), primary_key=True),
        sa.Column("product_id", identifier(), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("reserved", sa.Integer, nullable=False, server_default="0"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.UniqueConstraint("product_id", name="inventory_of_product"),
        sa.CheckConstraint("reserved >= 0 AND reserved <= quantity", name="inventory_not_oversold"),
        **_MYSQL,
    )


def _orders() -> None:
    create_table(
        "orders",
        sa.Column("id", identifier(), primary_key=True),
        sa.Column("user_id", identifier(), nullable=False),
        sa.Column("total_amount", Money, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("shipping_address", sa.String(1000)),
        sa.Column("payment_status", sa.String(16)),
        sa.Column("payment_method", sa.String(16)),
        sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
        sa.Column("order_date", sa.Date, nullable=False, server_default=utc_today()),
        sa.Column("created_at", UtcTime, nullable=False, server_default=utc_now()),
        sa.Column("updated_at", UtcTime, nullable=False, server_default=utc_now()),
        sa.Column("deleted_at", UtcTime),
        indexes={
            "idx_user_created": ("user_id", "created_at"),
            "idx_status": ("status",),
            "idx_order_date": ("order_date",),
        },
        **_MYSQL,
    )
    create_table(
        "order_items",
        sa.Column("id", identifier(), primary_key=True),
        sa.Column("order_id", identifier(), sa.ForeignKey("orders.id"), nullable=False),
        sa.Column("product_id", identifier(), nullable=False),
        sa.Column("product_name", sa.String(255), nullable=False, server_default=""),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("price", Money, nullable=False),
        indexes={"idx_item_order": ("order_id",)},
        **_MYSQL,
    )
    create_table(
        "payments",
        sa.Column("id", identifier(), primary_key=True),
        sa.Column("order_id", identifier(), sa.ForeignKey("orders.id"), nullable=False),
        sa.Column("amount", Money, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False, server_default=utc_now()),
        sa.Column("updated_at", UtcTime, nullable=False, server_default=utc_now()),
        indexes={"idx_payment_order": ("order_id",)},
        **_MYSQL,
    )


def _outbox() -> None:
    create_table(
        "outbox",
        sa.Column("id", big_serial(), primary_key=True, autoincrement=True),
        sa.Column("aggregate_id", identifier(64), nullable=False),
        sa.Column("aggregate_type", sa.String(32), nullable=False),
        sa.Column("event_type", sa.String(64), nullable=False),
        sa.Column("payload", sa.Text().with_variant(mysql.LONGTEXT(), "mysql"), nullable=False),
        sa.Column("processed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("processed_at", UtcTime),
        sa.Column("retry_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", UtcTime, nullable=False, server_default=utc_now()),
        sa.Column("topic", sa.String(64), sa.Computed(outbox_topic(), persisted=True)),
        sa.Column("shard", sa.Integer, sa.Computed(outbox_shard(), persisted=True)),
        sa.Column("event_id", identifier(), nullable=False, server_default=random_id()),
        sa.Column("next_attempt_at", UtcTime),
        sa.Column("last_error", sa.String(1000)),
        sa.Column("dead_at", UtcTime),
        sa.Column("traceparent", sa.String(64)),
        indexes={
            "idx_processed_created": ("processed", "created_at"),
            "idx_aggregate": ("aggregate_id", "aggregate_type"),
            "idx_outbox_pending": ("processed", "id"),
        },
        **_MYSQL,
    )


def upgrade() -> None:
    _catalogue()
    _orders()
    _outbox()
    create_table(
        "leases",
        sa.Column("name", identifier(64), primary_key=True),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("fencing_token", sa.BigInteger, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        **_MYSQL,
    )
    create_table(
        "schema_settings",
        sa.Column("name", identifier(64), primary_key=True),
        sa.Column("value", sa.String(255), nullable=False),
        **_MYSQL,
    )


def downgrade() -> None:
    raise RuntimeError("migrations of orders and events go forward only")
