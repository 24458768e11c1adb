"""What the views must show, worked out in plain Python from the final state of the relational database alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy.engine import Engine

from tests.support.warehouse import Item, Order, Views, expected_views

_ORDERS = "SELECT id, user_id, status, order_date, created_at, deleted_at, version, total_amount FROM orders"
_LINES = "SELECT order_id, product_id, product_name, quantity, price FROM order_items"


def stored_orders(engine: Engine) -> list[Order]:
    """Every order of a database, read without the project's own types: as it is stored."""
    lines: dict[str, list[Item]] = {}
    with engine.connect() as connection:
        for order_id, product, name, quantity, price in connection.exec_driver_sql(_LINES):
            lines.setdefault(order_id, []).append(Item(product, name, quantity, _money(price)))
        found = connection.exec_driver_sql(_ORDERS).all()
    orders = []
    for order_id, user, status, day, created, deleted, version, total in found:
        order = Order(
            order_id,
            datetime.fromisoformat(str(created)).replace(tzinfo=UTC),
            date.fromisoformat(str(day)),
            user,
            tuple(lines[order_id]),
            status,
            version,
            deleted is not None,
        )
        assert order.total == _money(total), f"{order_id} says {_money(total)}, its lines {order.total}"
        orders.append(order)
    return orders


def _money(stored: int | Decimal) -> Decimal:
    """SQLite has cents, MySQL decimals."""
    return Decimal(stored).scaleb(-2) if isinstance(stored, int) else stored


def model_views(orders: list[Order], zone: str, today: date) -> Views:
    """The views of these orders, today's among them."""
    todays = expected_views([order for order in orders if order.order_date == today], zone)["all_time_stats"]
    return expected_views(orders, zone) | {"today_stats": todays}
