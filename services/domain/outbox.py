"""Appending events to the outbox, in the transaction that made them true.

Callers hold the aggregate's row lock: within an aggregate the order of outbox ids is then the order of commits.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from uuid_utils import uuid7

from services import events
from services.domain.errors import Conflict
from services.domain.model import Inventory, Order
from services.domain.tables import outbox

Event = events.OrderEvent | events.PaymentEvent | events.InventoryEvent


def require_items(order: Order) -> None:
    """Raises Conflict for an order without lines, which only hands can make: no event can tell of it."""
    if not order.items:
        raise Conflict(f"order {order.id} has no items: it was not made by the order API and cannot be told to others")


def snapshot(order: Order) -> events.OrderSnapshot:
    """The whole order as events carry it. Raises Conflict as require_items."""
    require_items(order)
    return events.OrderSnapshot(
        id=order.id,
        user_id=order.user_id,
        total_amount=order.total_amount,
        status=order.status,
        shipping_address=order.shipping_address,
        items=tuple(
            events.SnapshotItem(
                product_id=item.product_id, product_name=item.product_name, quantity=item.quantity, price=item.price
            )
            for item in order.items
        ),
        payment_status=order.payment_status,
        payment_method=order.payment_method,
        version=order.version,
        order_date=order.order_date,
        created_at=order.created_at,
        updated_at=order.updated_at,
        deleted_at=order.deleted_at,
    )


def order_event(event_type: str, order: Order) -> Event:
    """An event of the aggregate Order about its state now."""
    return events.OrderEvent.model_validate(
        {
            "event_id": str(uuid7()),
            "event_type": event_type,
            "aggregate_id": order.id,
            "version": order.version,
            "occurred_at": order.updated_at,
            "data": events.OrderData(order=snapshot(order)),
        }
    )


def payment_event(event_type: str, order: Order, payment_id: str, status: str, method: str) -> Event:
    """An event of the aggregate Payment: the attempt, and the whole order."""
    return events.PaymentEvent.model_validate(
        {
            "event_id": str(uuid7()),
            "event_type": event_type,
            "aggregate_id": order.id,
            "version": order.version,
            "occurred_at": order.updated_at,
            "data": {
                "order": snapshot(order),
                "payment": {"id": payment_id, "amount": order.total_amount, "status": status, "method": method},
            },
        }
    )


def inventory_event(event_type: str, stock: Inventory, now: datetime, order_id: str | None = None) -> Event:
    """An event of the aggregate Inventory: the stock after the transaction."""
    return events.InventoryEvent.model_validate(
        {
            "event_id": str(uuid7()),
            "event_type": event_type,
            "aggregate_id": stock.product_id,
            "version": stock.version,
            "occurred_at": now,
            "data": {
                "product_id": stock.product_id,
                "quantity": stock.quantity,
                "reserved": stock.reserved,
                "order_id": order_id,
            },
        }
    )


def append(connection: Connection, happened: Iterable[Event], traceparent: str | None = None) -> None:
    """Inserts the events as unprocessed rows, in the order given."""
    append_traced(connection, ((event, traceparent) for event in happened))


def append_traced(connection: Connection, happened: Iterable[tuple[Event, str | None]]) -> None:
    """As ``append``, each event with the trace context of its own request."""
    rows = [
        {
            "aggregate_id": event.aggregate_id,
            "aggregate_type": event.aggregate_type,
            "event_type": event.event_type,
            "payload": event.model_dump_json(by_alias=True),
            "processed": False,
            "retry_count": 0,
            "created_at": event.occurred_at,
            "event_id": event.event_id,
            "traceparent": traceparent,
        }
        for event, traceparent in happened
    ]
    if rows:
        connection.execute(_INSERT, rows)


_INSERT: Final = sa.insert(outbox)
