"""Placing orders, several of different clients in one transaction where they come at once.

A transaction costs round trips and an fsync however much is in it. Orders that wait for one another anyway, for the
stock of a product or for a free connection, share both. Each is accepted or refused by itself.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils import uuid7

from services.clients.database import write
from services.clients.types import json_array_of, utc_now
from services.domain import outbox
from services.domain.also import Also
from services.domain.errors import InsufficientStock, Invalid, NotFound
from services.domain.locking import write_stock
from services.domain.model import Inventory, NewOrder, Order, OrderItem
from services.domain.orders import insert_orders
from services.domain.tables import inventory, products, users

AMOUNT_LIMIT: Final = Decimal(10) ** 13
_ZERO: Final = Decimal("0.00")

_KNOWN: Final = users.c.id.in_(sa.bindparam("users", expanding=True))
_USERS: Final = sa.select(users.c.id).where(_KNOWN)

# Products are read in the order of their key, so their stock is locked in that order. Left to itself MySQL reads a
# small table from end to end and locks the stock of products that nobody asked for: two such statements deadlock.
_SHELF: Final = (
    sa.select(
        sa.select(json_array_of(users.c.id)).where(_KNOWN).scalar_subquery().label("users"),
        products.c.id,
        products.c.name,
        products.c.price,
        inventory.c.quantity,
        inventory.c.reserved,
        inventory.c.version,
        utc_now().label("now"),
    )
    .select_from(products.outerjoin(inventory, inventory.c.product_id == products.c.id))
    .prefix_with("STRAIGHT_JOIN", dialect="mysql")
    .with_hint(products, "FORCE INDEX (PRIMARY)", "mysql")
    .with_hint(inventory, "FORCE INDEX (inventory_of_product)", "mysql")
    .where(products.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(products.c.id)
    .with_for_update(of=inventory)
)


@dataclass(frozen=True)
class Asked:
    """An order as a client asks for it, the trace it belongs to, and what is to be done with it before the commit."""

    new: NewOrder
    traceparent: str | None = None
    also: Also[Order] | None = None


class Spoiled(Exception):
    """What belongs to one of the orders, its ``also``, failed (``cause``): nothing of any of them was stored."""

    def __init__(self, position: int, cause: Exception) -> None:
        super().__init__(f"order {position}: {cause}")
        self.position, self.cause = position, cause


class _Shelf:
    """The products asked for and their locked stock, as it is after the orders placed so far; and who asks."""

    def __init__(self, connection: Connection, asked: Sequence[Asked]) -> None:
        wanted = {item.product_id for each in asked for item in each.new.items}
        people = {"users": sorted({each.new.user_id for each in asked})}
        rows = connection.execute(_SHELF, {"ids": sorted(wanted), **people}).all()
        # one round trip brings both; without any known product there is no row to carry the users
        self.users = set(json.loads(rows[0].users or "[]") if rows else connection.scalars(_USERS, people))
        self.products = {row.id: row for row in rows}
        self.stock = {
            row.id: Inventory(row.id, row.quantity, row.reserved, row.version)
            for row in rows
            if row.version is not None
        }
        self._before = dict(self.stock)
        self._now: datetime | None = rows[0].now if rows else None

    @property
    def now(self) -> datetime:
        """The database's clock; there is none where no product is known, and then there are no lines either."""
        if self._now is None:
            raise RuntimeError("no product was read, so no clock")
        return self._now

    def lines(self, new: NewOrder) -> tuple[OrderItem, ...]:
        """The order's lines with name and price of the catalogue. Raises Invalid."""
        lines = []
        for number, item in enumerate(new.items):
            product = self.products.get(item.product_id)
            if product is None:
                raise Invalid(f"items[{number}].productId", f"there is no product {item.product_id}")
            if item.price is not None and item.price != product.price:
                raise Invalid(f"items[{number}].price", f"is {item.price}, the catalogue says {product.price}")
            lines.append(OrderItem(product.id, product.name, item.quantity, product.price))
        return tuple(lines)

    def reserve(self, pieces: dict[str, int]) -> list[Inventory]:
        """The stock after the reservation of all of the pieces. Raises InsufficientStock, and then none is reserved."""
        after = []
        for product_id, count in pieces.items():
            stock = self.stock.get(product_id)
            if stock is None or stock.available < count:
                raise InsufficientStock(product_id, count, stock.available if stock else 0)
            after.append(replace(stock, reserved=stock.reserved + count, version=stock.version + 1))
        self.stock.update((stock.product_id, stock) for stock in after)
        return after

    def changed(self) -> Iterable[Inventory]:
        """What has to be written back, in product-id order."""
        return [stock for key, stock in sorted(self.stock.items()) if stock is not self._before[key]]


def place_orders(engine: Engine, zone: ZoneInfo, asked: Sequence[Asked]) -> list[Order | Exception]:
    """Stores PENDING orders, reserves their stock and appends OrderCreated and StockReserved of each.

    In the order asked, one outcome each: the order, or why it is not stored: NotFound (user), Invalid (unknown
    product; price or total not the catalogue's), InsufficientStock, or a fault that is its own. Raises Spoiled.
    """
    return write(engine, lambda connection: _place(connection, zone, asked))


def _place(connection: Connection, zone: ZoneInfo, asked: Sequence[Asked]) -> list[Order | Exception]:
    shelf = _Shelf(connection, asked)
    outcomes: list[Order | Exception] = []
    happened: list[tuple[outbox.Event, str | None]] = []
    for each in asked:
        try:
            order, events = _one(each.new, shelf, zone)
        except Exception as refusal:  # one order's fault, whatever it is, must not be the others'
            outcomes.append(refusal)
            continue
        outcomes.append(order)
        happened += [(event, each.traceparent) for event in events]
    placed = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    if placed:
        write_stock(connection, shelf.changed())
        insert_orders(connection, placed)
        outbox.append_traced(connection, happened)
    for position, outcome in enumerate(outcomes):
        also = asked[position].also
        if also is not None and isinstance(outcome, Order):
            _store_with_it(connection, also, outcome, position)
    return outcomes


def _store_with_it(connection: Connection, also: Also[Order], order: Order, position: int) -> None:
    try:
        also(connection, order)
    except SQLAlchemyError:  # a deadlock above all: all of it is tried again
        raise
    except Exception as failed:
        raise Spoiled(position, failed) from failed


def _one(new: NewOrder, shelf: _Shelf, zone: ZoneInfo) -> tuple[Order, list[outbox.Event]]:
    if new.user_id not in shelf.users:
        raise NotFound("user", new.user_id)
    items = shelf.lines(new)
    order = Order(
        id=str(uuid7()),
        user_id=new.user_id,
        total_amount=_total(new, items),
        status="PENDING",
        shipping_address=new.shipping_address,
        items=items,
        payment_status=None,
        payment_method=None,
        version=1,
        order_date=shelf.now.astimezone(zone).date(),
        created_at=shelf.now,
        updated_at=shelf.now,
        deleted_at=None,
    )
    created = outbox.order_event("OrderCreated", order)
    reserved = shelf.reserve(order.pieces())  # last: from here on the pieces are this order's
    return order, [created, *(outbox.inventory_event("StockReserved", s, order.created_at, order.id) for s in reserved)]


def _total(new: NewOrder, items: tuple[OrderItem, ...]) -> Decimal:
    total = sum((item.price * item.quantity for item in items), _ZERO)
    if new.total_amount is not None and new.total_amount != total:
        raise Invalid("totalAmount", f"is {new.total_amount}, the items add up to {total}")
    if total > AMOUNT_LIMIT:
        raise Invalid("items", f"add up to {total}; an order can be up to {AMOUNT_LIMIT}")
    return total
