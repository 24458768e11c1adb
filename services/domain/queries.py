"""Reading without locks: orders and the catalogue. Pages are by key, not by offset."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.domain.attempts import to_payment
from services.domain.locking import read_items, to_order
from services.domain.model import Inventory, Order, Payment, Product, User
from services.domain.tables import inventory, order_items, orders, payments, products, users


def find_order(engine: Engine, order_id: str) -> Order | None:
    """The order, or None when there is none or it was deleted."""
    with engine.connect() as connection:
        row = connection.execute(
            sa.select(orders).where(orders.c.id == order_id, orders.c.deleted_at.is_(None))
        ).first()
        return None if row is None else to_order(row, read_items(connection, [order_id]).get(order_id, ()))


def orders_of_user(engine: Engine, user_id: str, limit: int, before: tuple[datetime, str] | None = None) -> list[Order]:
    """At most ``limit`` orders, newest first, those before (created_at, id) where that is given."""
    query = sa.select(orders).where(orders.c.user_id == user_id, orders.c.deleted_at.is_(None))
    if before is not None:
        moment, order_id = before
        query = query.where(
            sa.or_(
                orders.c.created_at < moment,
                sa.and_(orders.c.created_at == moment, orders.c.id < order_id),
            )
        )
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(orders.c.created_at.desc(), orders.c.id.desc()).limit(limit)).all()
        items = read_items(connection, [row.id for row in rows]) if rows else {}
        return [to_order(row, items.get(row.id, ())) for row in rows]


def unpaid_orders(engine: Engine, before: datetime, limit: int) -> list[str]:
    """Ids of at most ``limit`` PENDING orders created before then, the oldest first: those that can expire.

    Not those with a payment under way. Not those without lines either: hands made them, and no event can tell of them.
    """
    under_way = sa.exists().where(payments.c.order_id == orders.c.id, payments.c.status == "PENDING")
    has_lines = sa.exists().where(order_items.c.order_id == orders.c.id)
    query = (
        sa.select(orders.c.id)
        .where(orders.c.status == "PENDING", orders.c.created_at < before, orders.c.deleted_at.is_(None))
        .where(has_lines, ~under_way)
        .order_by(orders.c.created_at)
        .limit(limit)
    )
    with engine.connect() as connection:
        return list(connection.scalars(query))


def payments_of_order(engine: Engine, order_id: str, limit: int, before_id: str | None = None) -> list[Payment]:
    """At most ``limit`` attempts to pay the order, newest first, those before ``before_id`` where that is given."""
    return _payments(engine, sa.select(payments).where(payments.c.order_id == order_id), limit, before_id)


def list_payments(engine: Engine, limit: int, before_id: str | None = None) -> list[Payment]:
    """Attempts to pay any order, as payments_of_order."""
    return _payments(engine, sa.select(payments), limit, before_id)


def _payments(engine: Engine, query: sa.Select[Any], limit: int, before_id: str | None) -> list[Payment]:
    """Ids are UUIDv7: the newest attempt has the highest one."""
    if before_id is not None:
        query = query.where(payments.c.id < before_id)
    with engine.connect() as connection:
        return [to_payment(row) for row in connection.execute(query.order_by(payments.c.id.desc()).limit(limit))]


def find_user(engine: Engine, user_id: str) -> User | None:
    """The user, or None."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(users).where(users.c.id == user_id)).first()
        return None if row is None else User(row.id, row.email, row.name, row.created_at)


def find_product(engine: Engine, product_id: str) -> Product | None:
    """The product, or None."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(products).where(products.c.id == product_id)).first()
        return None if row is None else Product(row.id, row.name, row.price, row.created_at)


def find_inventory(engine: Engine, product_id: str) -> Inventory | None:
    """The product's stock, or None."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(inventory).where(inventory.c.product_id == product_id)).first()
        return None if row is None else Inventory(row.product_id, row.quantity, row.reserved, row.version)


def list_users(engine: Engine, limit: int, after_id: str | None = None) -> list[User]:
    """Users in id order, those after ``after_id`` where that is given."""
    query = sa.select(users).order_by(users.c.id).limit(limit)
    if after_id is not None:
        query = query.where(users.c.id > after_id)
    with engine.connect() as connection:
        return [User(row.id, row.email, row.name, row.created_at) for row in connection.execute(query)]


def list_products(engine: Engine, limit: int, after_id: str | None = None) -> list[Product]:
    """Products in id order, those after ``after_id`` where that is given."""
    query = sa.select(products).order_by(products.c.id).limit(limit)
    if after_id is not None:
        query = query.where(products.c.id > after_id)
    with engine.connect() as connection:
        return [Product(row.id, row.name, row.price, row.created_at) for row in connection.execute(query)]
