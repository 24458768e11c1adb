"""The users of ClickHouse below its owner, and what each may do: the names of statements in clickhouse.sql.

A statement stands here because the user's program sends one that needs the same right. What is not named, a user must
be refused. The server declares its users itself: infra/templates/clickhouse-users.xml has the grants that make this so.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who works with ClickHouse."""

    name: str
    may: frozenset[str]

    @property
    def setting(self) -> str:
        """What the password is given by."""
        return f"CLICKHOUSE_{self.name.upper()}_PASSWORD"


UNDECIDED: Final = frozenset({"read_parts", "read_disks", "describe_orders"})
"""What some users need, and who else may do it is the server's to decide: it is in system tables, which servers open or
not, or goes with any right on the table."""

_ORDERS: Final = frozenset({"read_orders", "read_columns"})
_LOOKS_AT_ALL: Final = _ORDERS | {"read_cubes", "read_views"}
_SUMS: Final = ("hours", "products", "days", "users", "buckets")

USERS: Final = (
    # the project's own sink
    User("sink", frozenset({"insert_orders", "read_columns"})),
    # Kafka Connect's sink, which looks up the table's columns
    User("connect", frozenset({"insert_orders", "read_columns", "describe_orders"})),
    User("aggregator", _ORDERS | {"read_cubes", "read_disks", *(f"insert_{sums}" for sums in _SUMS)}),
    # it tells orders again through the outbox, never here; what it removes is marked as deleted, no value is altered
    User(
        "reconciler",
        frozenset(
            {
                *_LOOKS_AT_ALL,
                *("insert_copies", "request_days", "request_buckets"),
                *("delete_orders", "delete_copies"),
                *(f"delete_{sums}" for sums in _SUMS),
            }
        ),
    ),
    # the analytics API
    User("api", frozenset({"read_views"})),
    # people, on this machine or through `millrace sql`, and `millrace doctor`
    User("reader", _LOOKS_AT_ALL),
    # its dashboards also show the server's disk and queries
    User("grafana", _LOOKS_AT_ALL | {"read_parts"}),
)
