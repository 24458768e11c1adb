"""Locking an aggregate, then reading its state.

Only after the lock is the state read and the event built: otherwise an event with version n+1 could carry the state
of n-1, and would win for ever. Several inventory rows are locked in product-id order, and always after the order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from services.clients.types import utc_now
from services.domain.errors import NotFound
from services.domain.model import Inventory, Order, OrderItem
from services.domain.tables import inventory, order_items, orders


@dataclass(frozen=True)
class Locked:
    """A locked order's state and the moment of the transaction."""

    order: Order
    now: datetime


def to_order(row: "Row[tuple[object, ...]]", items: tuple[OrderItem, ...]) -> Order:
    """An order from a row of ``orders`` and its items."""
    return Order(
        id=row.id,
        user_id=row.user_id,
        total_amount=row.total_amount,
        status=row.status,
        shipping_address=row.shipping_address,
        items=items,
        payment_status=row.payment_status,
        payment_method=row.payment_method,
        version=row.version,
        order_date=row.order_date,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
    )


def read_items(connection: Connection, order_ids: Iterable[str]) -> dict[str, tuple[OrderItem, ...]]:
    """The lines of several orders, by order id, in the order they were given in."""
    found: dict[str, list[OrderItem]] = {}
    ids = list(order_ids)
    for row in connection.execute(
        sa.select(order_items).where(order_items.c.order_id.in_(ids)).order_by(order_items.c.order_id, order_items.c.id)
    ):
        found.setdefault(row.order_id, []).append(OrderItem(row.product_id, row.product_name, row.quantity, row.price))
    return {order_id: tuple(lines) for order_id, lines in found.items()}


def lock_order(connection: Connection, order_id: str) -> Locked:
    """Locks the order's row until the transaction ends and reads its state. Raises NotFound."""
    row = connection.execute(
        sa.select(orders, utc_now().label("now")).where(orders.c.id == order_id).with_for_update()
    ).first()
    if row is None:
        raise NotFound("order", order_id)
    items = read_items(connection, [order_id]).get(order_id, ())
    return Locked(to_order(row, items), max(cast(datetime, row.now), row.updated_at))


def advance(connection: Connection, locked: Locked, changed: Order) -> Order:
    """Writes a locked order's changed state with the next version and the transaction's time. Returns that state."""
    state = replace(changed, version=locked.order.version + 1, updated_at=locked.now)
    done = connection.execute(
        sa.update(orders)
        .where(orders.c.id == state.id, orders.c.version == locked.order.version)
        .values(
            status=state.status,
            payment_status=state.payment_status,
            payment_method=state.payment_method,
            version=state.version,
            updated_at=state.updated_at,
            deleted_at=state.deleted_at,
        )
    )
    if done.rowcount != 1:
        raise RuntimeError(f"order {state.id} changed although it was locked")
    return state


def lock_stock(connection: Connection, product_ids: Iterable[str]) -> dict[str, Inventory]:
    """Locks the inventory rows in product-id order and reads them; products without one are left out.

    MySQL locks rows as it reads them. Left to itself it reads a small table from end to end, in another order and with
    the rows of products that nobody asked for, and sorts afterwards: two such statements end in a deadlock.
    """
    rows = connection.execute(
        sa.select(inventory)
        .with_hint(inventory, "FORCE INDEX (inventory_of_product)", "mysql")
        .where(inventory.c.product_id.in_(sorted(set(product_ids))))
        .order_by(inventory.c.product_id)
        .with_for_update()
    )
    return {row.product_id: Inventory(row.product_id, row.quantity, row.reserved, row.version) for row in rows}


def write_stock(connection: Connection, changed: Iterable[Inventory]) -> None:
    """Writes locked inventory rows back, in one statement; their versions are already the next ones."""
    stocks = list(changed)
    if not stocks:
        return
    values: dict[str, str | int] = {}
    for n, stock in enumerate(stocks):
        values |= {f"p{n}": stock.product_id, f"q{n}": stock.quantity, f"r{n}": stock.reserved, f"v{n}": stock.version}
    done = connection.execute(_stock_update(len(stocks)), values)
    if done.rowcount != len(stocks):
        raise RuntimeError("the stock of a product is gone although it was locked")


@lru_cache(maxsize=512)
def _stock_update(count: int) -> sa.Update:
    """For so many products: each column is chosen by the product's id."""

    def chosen(letter: str) -> sa.Case[int]:
        pairs: list[tuple[sa.ColumnElement[bool], sa.BindParameter[int]]] = [
            (inventory.c.product_id == sa.bindparam(f"p{n}"), sa.bindparam(f"{letter}{n}")) for n in range(count)
        ]
        return sa.case(*pairs)

    return (
        sa.update(inventory)
        .with_hint("FORCE INDEX (inventory_of_product)", dialect_name="mysql")
        .where(inventory.c.product_id.in_([sa.bindparam(f"p{n}") for n in range(count)]))
        .values(quantity=chosen("q"), reserved=chosen("r"), version=chosen("v"))
    )
