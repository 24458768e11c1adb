"""The relational tables as the services use them; schemas/mysql makes them."""

from sqlalchemy import BigInteger, Boolean, Column, Computed, Date, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import mysql

from services.clients.types import Money, UtcTime, big_serial, identifier, outbox_shard, outbox_topic

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("id", identifier(), primary_key=True),
    Column("email", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

products = Table(
    "products",
    metadata,
    Column("id", identifier(), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("price", Money, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("id", identifier(), primary_key=True),
    Column("user_id", identifier(), nullable=False),
    Column("total_amount", Money, nullable=False),
    Column("status", String(16), nullable=False),
    Column("shipping_address", String(1000)),
    Column("payment_status", String(16)),
    Column("payment_method", String(16)),
    Column("version", BigInteger, nullable=False),
    Column("order_date", Date, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("deleted_at", UtcTime),
)

order_items = Table(
    "order_items",
    metadata,
    Column("id", identifier(), primary_key=True),
    Column("order_id", identifier(), nullable=False),
    Column("product_id", identifier(), nullable=False),
    Column("product_name", String(255), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", Money, nullable=False),
)

payments = Table(
    "payments",
    metadata,
    Column("id", identifier(), primary_key=True),
    Column("order_id", identifier(), nullable=False),
    Column("amount", Money, nullable=False),
    Column("status", String(16), nullable=False),
    Column("method", String(16), nullable=False),
    Column("provider", String(32)),
    Column("charge_id", String(64)),
    Column("failure", String(255)),
    Column("tries", Integer, nullable=False),
    Column("next_attempt_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

inventory = Table(
    "inventory",
    metadata,
    Column("id", identifier(), primary_key=True),
    Column("product_id", identifier(), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", identifier(64), primary_key=True),
    Column("request_digest", identifier(64), nullable=False),
    Column("claim", identifier(), nullable=False),
    Column("claimed_until", UtcTime, nullable=False),
    Column("status", Integer),
    Column("headers", Text),
    Column("body", Text().with_variant(mysql.LONGTEXT(), "mysql")),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

admin_tokens = Table(
    "admin_tokens",
    metadata,
    Column("id", identifier(), primary_key=True),
    Column("name", identifier(64), nullable=False),
    Column("digest", identifier(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
)

admin_actions = Table(
    "admin_actions",
    metadata,
    Column("id", big_serial(), primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("token_id", identifier(), nullable=False),
    Column("token_name", identifier(64), nullable=False),
    Column("admin_id", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(64), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("details", Text),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", big_serial(), primary_key=True, autoincrement=True),
    Column("aggregate_id", identifier(64), nullable=False),
    Column("aggregate_type", String(32), nullable=False),
    Column("event_type", String(64), nullable=False),
    Column("payload", Text().with_variant(mysql.LONGTEXT(), "mysql"), nullable=False),
    Column("processed", Boolean, nullable=False),
    Column("processed_at", UtcTime),
    Column("retry_count", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("topic", String(64), Computed(outbox_topic(), persisted=True)),
    Column("shard", Integer, Computed(outbox_shard(), persisted=True)),
    Column("event_id", identifier(), nullable=False),
    Column("next_attempt_at", UtcTime),
    Column("last_error", String(1000)),
    Column("dead_at", UtcTime),
    Column("traceparent", String(64)),
)
Index("idx_outbox_pending", outbox.c.processed, outbox.c.id)
