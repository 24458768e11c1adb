"""What payments, repeated requests and admin credentials keep.

Every new column has a default or may be empty, so a program of the revision before goes on working beside it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from schemas.mysql.steps import add_columns, create_table
from services.clients.types import UtcTime, big_serial, identifier, utc_now

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_engine": "InnoDB"}


def _payments() -> None:
    add_columns(
        "payments",
        sa.Column("provider", sa.String(32)),
        sa.Column("charge_id", sa.String(64)),
        sa.Column("failure", sa.String(255)),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", UtcTime),
        indexes={"idx_payment_due": ("next_attempt_at",)},
    )
    # expiry reads the oldest PENDING orders
    add_columns("orders", indexes={"idx_status_created": ("status", "created_at")})


def _idempotency() -> None:
    create_table(
        "idempotency_keys",
        sa.Column("scope", identifier(64), primary_key=True),
        sa.Column("request_digest", identifier(64), nullable=False),
        sa.Column("claim", identifier(), nullable=False),
        sa.Column("claimed_until", UtcTime, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.Text().with_variant(mysql.LONGTEXT(), "mysql")),
        sa.Column("created_at", UtcTime, nullable=False, server_default=utc_now()),
        sa.Column("expires_at", UtcTime, nullable=False),
        indexes={"idx_idempotency_expires": ("expires_at",)},
        **_MYSQL,
    )


def _admin() -> None:
    create_table(
        "admin_tokens",
        sa.Column("id", identifier(), primary_key=True),
        sa.Column("name", identifier(64), nullable=False),
        sa.Column("digest", identifier(64), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False, server_default=utc_now()),
        sa.Column("expires_at", UtcTime),
        sa.Column("revoked_at", UtcTime),
        sa.UniqueConstraint("digest", name="admin_token_digest"),
        indexes={"idx_admin_token_name": ("name",)},
        **_MYSQL,
    )
    create_table(
        "admin_actions",
        sa.Column("id", big_serial(), primary_key=True, autoincrement=True),
        sa.Column("at", UtcTime, nullable=False, server_default=utc_now()),
        sa.Column("token_id", identifier(), nullable=False),
        sa.Column("token_name", identifier(64), nullable=False),
        sa.Column("admin_id", sa.String(128), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("details", sa.Text),
        indexes={"idx_admin_action_at": ("at",)},
        **_MYSQL,
    )
    if op.get_bind().dialect.name == "sqlite":
        # MySQL keeps it append-only by rights: no service's account may change or delete a row
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER IF NOT EXISTS admin_actions_no_{change.lower()} BEFORE {change} ON admin_actions "
                "BEGIN SELECT RAISE(ABORT, 'admin_actions is append-only'); END"
            )


def upgrade() -> None:
    _payments()
    _idempotency()
    _admin()
