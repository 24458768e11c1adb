"""The services' accounts in MySQL: what each may do there, and nothing else.

A right stands here because a statement of that service needs it; SELECT … FOR UPDATE needs SELECT and UPDATE of some
column. People, and `millrace` on the host, use the account that owns the database (`admin`), none of these.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from services.provision.privileges import Privilege
from services.provision.report import ProvisionError

_LEASE: Final = ("fencing_token", "owner", "expires_at")
_ORDER: Final = ("status", "payment_status", "payment_method", "version", "updated_at", "deleted_at")
_PAYMENT: Final = ("charge_id", "failure", "next_attempt_at", "status", "tries", "updated_at")
_ANSWER: Final = ("body", "claim", "claimed_until", "expires_at", "headers", "request_digest", "status")
_STOCK: Final = ("quantity", "reserved", "version")
_EVENT: Final = (
    "aggregate_id",
    "aggregate_type",
    "created_at",
    "event_id",
    "event_type",
    "payload",
    "processed",
    "retry_count",
    "traceparent",
)
_DELIVERY: Final = ("last_error", "next_attempt_at", "processed", "processed_at", "retry_count")


@dataclass(frozen=True, slots=True)
class Right:
    """Actions on a table ("": on the server); ``columns`` where only some of them are meant."""

    table: str
    actions: tuple[str, ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """One service's account."""

    name: str
    rights: tuple[Right, ...]

    def privileges(self, database: str) -> frozenset[Privilege]:
        """The rights one by one, those on tables in ``database``."""
        return frozenset(
            Privilege(database if right.table else "", right.table, column, action)
            for right in self.rights
            for action in right.actions
            for column in right.columns or ("",)
        )


# what every process reads before it starts (services.clients.relational_schema.require_current)
_STARTS: Final = (Right("alembic_version", ("SELECT",)), Right("schema_settings", ("SELECT",)))
_HOLDS_A_LEASE: Final = (Right("leases", ("SELECT", "INSERT")), Right("leases", ("UPDATE",), _LEASE))
_APPENDS_EVENTS: Final = Right("outbox", ("INSERT",), _EVENT)

ACCOUNTS: Final = (
    # takes orders and payments, moves stock, appends events; it neither reads events nor deletes anything
    Account(
        "api",
        (
            *_STARTS,
            Right("users", ("SELECT",)),
            Right("products", ("SELECT",)),
            Right("inventory", ("SELECT",)),
            Right("inventory", ("UPDATE",), _STOCK),
            Right("orders", ("SELECT", "INSERT")),
            Right("orders", ("UPDATE",), _ORDER),
            Right("order_items", ("SELECT", "INSERT")),
            Right("payments", ("SELECT", "INSERT")),
            Right("payments", ("UPDATE",), _PAYMENT),
            Right("idempotency_keys", ("SELECT", "INSERT", "DELETE")),
            Right("idempotency_keys", ("UPDATE",), _ANSWER),
            Right("admin_tokens", ("SELECT",)),
            Right("admin_actions", ("INSERT",)),
            _APPENDS_EVENTS,
        ),
    ),
    # delivers events and deletes delivered ones; when Debezium delivers, it looks where the binary log ends, and copies
    # an event behind it that is to be delivered again
    Account(
        "relay",
        (
            *_STARTS,
            *_HOLDS_A_LEASE,
            Right("outbox", ("SELECT", "DELETE")),
            Right("outbox", ("UPDATE",), _DELIVERY),
            _APPENDS_EVENTS,
            Right("", ("REPLICATION CLIENT",)),
        ),
    ),
    # its data is in ClickHouse; here it holds its lease
    Account("aggregator", _HOLDS_A_LEASE),
    # reads orders to compare them, says some anew with a higher version
    Account(
        "reconciler",
        (
            *_STARTS,
            Right("orders", ("SELECT",)),
            Right("orders", ("UPDATE",), ("version", "updated_at")),
            Right("order_items", ("SELECT",)),
            Right("outbox", ("SELECT",)),
            _APPENDS_EVENTS,
        ),
    ),
    # reads the outbox and the binlog; the lock of its first snapshot takes RELOAD or FLUSH_TABLES, which is less
    Account(
        "debezium",
        (
            Right("outbox", ("SELECT",)),
            Right("", ("REPLICATION SLAVE", "REPLICATION CLIENT", "FLUSH_TABLES")),
        ),
    ),
)


def accounts_but(without: Collection[str]) -> tuple[Account, ...]:
    """Every account except those named. Raises ProvisionError for a name that is none of them."""
    known = [account.name for account in ACCOUNTS]
    for name in without:
        if name not in known:
            raise ProvisionError(f"there is no account {name}: choose {', '.join(known)}")
    return tuple(account for account in ACCOUNTS if account.name not in without)
