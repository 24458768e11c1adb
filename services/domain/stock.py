"""Moving stock that a new order reserved: deducted by its payment, released by its end; and adjusting it by hand."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Connection, Engine

from services.clients.database import database_now, write
from services.domain import outbox
from services.domain.also import Also, together
from services.domain.errors import Conflict, Invalid, NotFound, Stale
from services.domain.locking import lock_stock, write_stock
from services.domain.model import Inventory

QUANTITY_LIMIT = 2**31 - 1


def deduct(connection: Connection, pieces: Mapping[str, int], order_id: str, now: datetime) -> list[outbox.Event]:
    """Reserved pieces leave the house."""
    return _move(
        connection,
        pieces,
        lambda stock, n: replace(stock, quantity=stock.quantity - n, reserved=stock.reserved - n),
        "StockDeducted",
        order_id,
        now,
    )


def release(connection: Connection, pieces: Mapping[str, int], order_id: str, now: datetime) -> list[outbox.Event]:
    """Reserved pieces are free again."""
    return _move(
        connection,
        pieces,
        lambda stock, n: replace(stock, reserved=stock.reserved - n),
        "StockReleased",
        order_id,
        now,
    )


def restock(connection: Connection, pieces: Mapping[str, int], order_id: str, now: datetime) -> list[outbox.Event]:
    """Refunded pieces come back into the house. Raises Conflict where it would then hold more than can be counted."""
    return _move(
        connection,
        pieces,
        _take_back,
        "StockAdjusted",
        order_id,
        now,
    )


def _take_back(stock: Inventory, pieces: int) -> Inventory:
    quantity = stock.quantity + pieces
    if quantity > QUANTITY_LIMIT:
        raise Conflict(
            f"product {stock.product_id}: {pieces} pieces back would make the quantity {quantity}; it can be "
            f"{QUANTITY_LIMIT} at most: refund without restock, or correct the quantity first"
        )
    return replace(stock, quantity=quantity)


def _move(
    connection: Connection,
    pieces: Mapping[str, int],
    move: Callable[[Inventory, int], Inventory],
    event_type: str,
    order_id: str,
    now: datetime,
) -> list[outbox.Event]:
    before = lock_stock(connection, pieces)
    after = []
    for product_id, count in sorted(pieces.items()):
        stock = before.get(product_id)
        if stock is None:
            continue  # imported orders may name products that were never stocked
        after.append(replace(move(stock, count), version=stock.version + 1))
    write_stock(connection, after)
    return [outbox.inventory_event(event_type, stock, now, order_id) for stock in after]


def set_quantity(
    engine: Engine,
    product_id: str,
    quantity: int,
    traceparent: str | None = None,
    *,
    expected: Collection[int] | None = None,
    also: Also[Inventory] | None = None,
) -> Inventory:
    """Sets what is in the house. Raises NotFound, Invalid, Conflict for less than is reserved, and Stale unless the
    stock is at one of the versions ``expected``, where they are given.
    """
    return _adjust(engine, product_id, lambda _stock: quantity, "quantity", traceparent, expected, also)


def adjust_quantity(
    engine: Engine,
    product_id: str,
    by: int,
    traceparent: str | None = None,
    *,
    expected: Collection[int] | None = None,
    also: Also[Inventory] | None = None,
) -> Inventory:
    """Adds to (or, negative, takes from) what is in the house. Raises as set_quantity."""
    return _adjust(engine, product_id, lambda stock: stock.quantity + by, "adjust", traceparent, expected, also)


def _adjust(
    engine: Engine,
    product_id: str,
    quantity: Callable[[Inventory], int],
    field: str,
    traceparent: str | None,
    expected: Collection[int] | None,
    also: Also[Inventory] | None,
) -> Inventory:
    def work(connection: Connection) -> Inventory:
        stock = lock_stock(connection, [product_id]).get(product_id)
        if stock is None:
            raise NotFound("inventory of product", product_id)
        if expected is not None and stock.version not in expected:
            raise Stale(f"the inventory of product {product_id}", stock.version)
        wanted = quantity(stock)
        if not 0 <= wanted <= QUANTITY_LIMIT:
            raise Invalid(field, f"would make the quantity {wanted}; it can be 0 to {QUANTITY_LIMIT}")
        if wanted < stock.reserved:
            raise Conflict(f"product {product_id}: {stock.reserved} pieces are reserved, {wanted} are fewer")
        changed = replace(stock, quantity=wanted, version=stock.version + 1)
        write_stock(connection, [changed])
        outbox.append(
            connection, [outbox.inventory_event("StockAdjusted", changed, database_now(connection))], traceparent
        )
        return changed

    return write(engine, together(work, also))
