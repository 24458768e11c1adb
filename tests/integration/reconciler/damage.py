"""What a hand can do to ClickHouse or to the database. Each takes a shop with three settled orders of today.

The orders: "a" (product 101 twice, user 1, paid), "b" (102 in two lines, user 1), "c" (103, user 2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from services.clients.database import write
from services.domain.model import Order
from services.domain.orders import delete_order
from services.domain.tables import order_items, orders, outbox, payments
from services.reconciler.report import Kind
from tests.integration.reconciler.shop import Shop

COLUMNS = (
    "order_id, user_id, order_date, created_at, total_amount, items_count, status, payment_method, payment_status, "
    "items.product_id, items.product_name, items.quantity, items.price, event_type, deleted_at, is_deleted, version, "
    "occurred_at"
)


@dataclass(frozen=True)
class Orders:
    """The three orders as last known."""

    a: Order
    b: Order
    c: Order


def place(shop: Shop, settle: bool = True) -> Orders:
    """Places the three orders and lets everything settle, unless the caller does."""
    first = shop.order(("101", 2))
    orders_ = Orders(
        shop.paid(first),
        shop.order(("102", 1), ("102", 2)),
        shop.order(("103", 1), user="2"),
    )
    if settle:
        shop.settle()
    return orders_


def copy_row(shop: Shop, order: Order, **changed: str) -> None:
    """Inserts the newest row of an order once more, with some columns replaced by SQL expressions."""
    names = COLUMNS.split(", ")
    values = [changed.get(name.replace(".", "_"), name) for name in names]
    shop.sql(
        f"INSERT INTO orders_analytics ({COLUMNS}) SELECT {', '.join(values)} "
        f"FROM orders_analytics FINAL WHERE order_id = '{order.id}'"
    )


def missing(shop: Shop, o: Orders) -> None:
    shop.sql(f"DELETE FROM orders_analytics WHERE order_id = '{o.a.id}'")
    shop.sql(f"DELETE FROM orders_by_user WHERE order_id = '{o.a.id}'")


def altered_amount(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.b, total_amount="toDecimal64('1.23', 2)")


def altered_payment(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.a, payment_method="'CASH'")


def altered_items(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.b, items_quantity="[2, 1]", items_product_name="['Cup', 'Cup?']")


def altered_user(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.b, user_id="'2'")


def altered_hour(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.b, created_at="toDateTime64('1999-01-01 01:00:00', 6, 'UTC')")


def higher_version(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.a, version="999", status="'CANCELLED'", event_type="'CANCELLED'")


def impossible_version(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.a, version="999999999999999", status="'CANCELLED'", event_type="'CANCELLED'")


def deleted_by_hand(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.a, version="77", is_deleted="1", deleted_at="now64(6)", event_type="'DELETED'")


def restored_database(shop: Shop, o: Orders) -> None:
    """The database as it was before "a" was paid and before "c" was placed."""

    def go_back(connection: sa.Connection) -> None:
        connection.execute(
            sa.update(orders)
            .where(orders.c.id == o.a.id)
            .values(version=1, status="PENDING", payment_status=None, payment_method=None)
        )
        for table in (payments, order_items):
            connection.execute(sa.delete(table).where(table.c.order_id == o.c.id))
        connection.execute(sa.delete(payments).where(payments.c.order_id == o.a.id))
        connection.execute(sa.delete(orders).where(orders.c.id == o.c.id))
        connection.execute(sa.delete(outbox).where(outbox.c.aggregate_id.in_([o.a.id, o.c.id])))

    write(shop.engine, go_back)


def deletion_lost(shop: Shop, o: Orders) -> None:
    delete_order(shop.engine, o.a.id)
    shop.relay()


def update_lost(shop: Shop, o: Orders) -> None:
    shop.paid(o.b, "WALLET")
    shop.relay()


def ghost(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.a, order_id="concat('ghost-', order_id)", user_id="'nobody'")


def wrong_day(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.a, order_date="toDate('2001-02-03')")
    shop.sql(f"DELETE FROM orders_analytics WHERE order_id = '{o.a.id}' AND order_date != '2001-02-03'")


def wrong_day_beside(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.a, order_date="toDate('2001-02-03')")


def wrong_day_newer(shop: Shop, o: Orders) -> None:
    copy_row(shop, o.a, order_date="toDate('2001-02-03')", version="55", user_id="'2'", status="'CANCELLED'")


def cube_hour(shop: Shop, o: Orders) -> None:
    shop.sql(
        "INSERT INTO cube_hour SELECT * REPLACE (order_count + 1 AS order_count, gen + 1000000000000 AS gen)"
        " FROM cube_hour FINAL"
    )


def cube_product(shop: Shop, o: Orders) -> None:
    shop.sql(
        "INSERT INTO cube_product SELECT * REPLACE (revenue + 1 AS revenue, gen + 1 AS gen) FROM cube_product FINAL"
    )


def cube_product_extra(shop: Shop, o: Orders) -> None:
    shop.sql("INSERT INTO cube_product SELECT order_date, 'never', 'Sold', 5, 10, 1, gen FROM cube_day FINAL")


def cube_day(shop: Shop, o: Orders) -> None:
    shop.sql("INSERT INTO cube_day SELECT * REPLACE (revenue - 1 AS revenue, gen + 1 AS gen) FROM cube_day FINAL")


def cube_day_customers(shop: Shop, o: Orders) -> None:
    shop.sql(
        "INSERT INTO cube_day SELECT * REPLACE (9 AS unique_customers, 18446744073709551615 AS gen) FROM cube_day FINAL"
    )


def cube_day_nowhere(shop: Shop, o: Orders) -> None:
    shop.sql("INSERT INTO cube_day SELECT * REPLACE (toDate('1980-01-01') AS order_date) FROM cube_day FINAL")


def cube_user(shop: Shop, o: Orders) -> None:
    shop.sql(
        "INSERT INTO cube_user SELECT * REPLACE (order_count + 1 AS order_count, gen + 1 AS gen)"
        " FROM cube_user FINAL WHERE user_id = '1'"
    )


def cube_bucket(shop: Shop, o: Orders) -> None:
    shop.sql("INSERT INTO cube_bucket SELECT * REPLACE (7 AS customers, gen + 1 AS gen) FROM cube_bucket FINAL LIMIT 1")


def copy_altered(shop: Shop, o: Orders) -> None:
    shop.sql(
        f"INSERT INTO orders_by_user SELECT * REPLACE (toDecimal64(1, 2) AS total_amount)"
        f" FROM orders_by_user FINAL WHERE order_id = '{o.a.id}'"
    )


def copy_newer(shop: Shop, o: Orders) -> None:
    shop.sql(
        f"INSERT INTO orders_by_user SELECT * REPLACE (1 AS is_deleted, version + 99 AS version)"
        f" FROM orders_by_user FINAL WHERE order_id = '{o.a.id}'"
    )


def copy_extra(shop: Shop, o: Orders) -> None:
    shop.sql("INSERT INTO orders_by_user SELECT * REPLACE ('ghost' AS order_id) FROM orders_by_user FINAL LIMIT 1")


def copy_missing(shop: Shop, o: Orders) -> None:
    shop.sql(f"DELETE FROM orders_by_user WHERE order_id = '{o.a.id}'")


Damage = Callable[[Shop, Orders], None]

ORDERS_DAMAGED: dict[Damage, Kind] = {
    missing: Kind.MISSING,
    altered_amount: Kind.ALTERED,
    altered_payment: Kind.ALTERED,
    altered_items: Kind.ALTERED,
    altered_user: Kind.ALTERED,
    altered_hour: Kind.ALTERED,
    higher_version: Kind.NEWER,
    impossible_version: Kind.NEWER,
    deleted_by_hand: Kind.NEWER,
    restored_database: Kind.NEWER,
    deletion_lost: Kind.STALE,
    update_lost: Kind.STALE,
    ghost: Kind.GHOST,
    wrong_day: Kind.WRONG_DAY,
    wrong_day_beside: Kind.WRONG_DAY,
    wrong_day_newer: Kind.WRONG_DAY,
}
"""Damage to raw rows, and the kind it is named as."""

CELLS_DAMAGED: dict[Damage, tuple[Kind, str]] = {
    cube_hour: (Kind.WRONG_CUBE, "cube_hour"),
    cube_product: (Kind.WRONG_CUBE, "cube_product"),
    cube_product_extra: (Kind.WRONG_CUBE, "cube_product"),
    cube_day: (Kind.WRONG_CUBE, "cube_day"),
    cube_day_customers: (Kind.WRONG_CUBE, "cube_day"),
    cube_day_nowhere: (Kind.WRONG_CUBE, "cube_day"),
    cube_user: (Kind.WRONG_CUBE, "cube_user"),
    cube_bucket: (Kind.WRONG_CUBE, "cube_bucket"),
    copy_altered: (Kind.WRONG_COPY, "orders_by_user"),
    copy_newer: (Kind.WRONG_COPY, "orders_by_user"),
    copy_extra: (Kind.WRONG_COPY, "orders_by_user"),
    copy_missing: (Kind.WRONG_COPY, "orders_by_user"),
}
"""Damage to cubes and to the copy, the kind it is named as, and where."""
