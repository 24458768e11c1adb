"""What the relational database says: digests by day and by order, single orders, and what is on its way.

Deleted orders are absent from the digests.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.clients.types import cents
from services.domain.tables import order_items, orders, outbox
from services.reconciler.digest import hash_number, joined, time_text, utf8_hex
from services.reconciler.state import Digest, Item, OrderState

_ORDER_AGGREGATES = ("Order", "Payment")  # both have the order's id


def _order_texts(days: Sequence[date] | None) -> sa.Subquery:
    """One row an order: its day, id, cents and the text its digest is made of."""
    item = joined(
        utf8_hex(order_items.c.product_id),
        utf8_hex(order_items.c.product_name),
        order_items.c.quantity,
        cents(order_items.c.price),
    )
    text = joined(
        utf8_hex(orders.c.id),
        orders.c.version,
        utf8_hex(orders.c.user_id),
        time_text(orders.c.created_at),
        cents(orders.c.total_amount),
        utf8_hex(orders.c.status),
        utf8_hex(orders.c.payment_status),
        utf8_hex(orders.c.payment_method),
        sa.func.count(order_items.c.id),
        sa.func.coalesce(sa.func.sum(hash_number(item)), 0),
    )
    texts = (
        sa.select(orders.c.order_date, orders.c.id, cents(orders.c.total_amount).label("cents"), text.label("text"))
        .select_from(orders.outerjoin(order_items, order_items.c.order_id == orders.c.id))
        .where(orders.c.deleted_at.is_(None))
        .group_by(orders.c.id)  # the key: MySQL knows that every column of orders depends on it
    )
    return (texts if days is None else texts.where(orders.c.order_date.in_(days))).subquery("order_texts")


def day_digests_query() -> sa.Select[Any]:
    """Day, orders, cents and sum of hash numbers, one row a day."""
    texts = _order_texts(None)
    return sa.select(
        texts.c.order_date,
        sa.func.count(),
        sa.func.sum(texts.c.cents),
        sa.func.sum(hash_number(texts.c.text)),
    ).group_by(texts.c.order_date)


def order_digests_query(days: Sequence[date]) -> sa.Select[Any]:
    """Day, order id, cents and hash number, one row an order of these days."""
    texts = _order_texts(days)
    return sa.select(texts.c.order_date, texts.c.id, texts.c.cents, hash_number(texts.c.text))


def day_digests(connection: Connection) -> dict[date, Digest]:
    """The digest of every day that has an order; one statement, so of one moment."""
    return {row[0]: Digest(row[1], int(row[2]), int(row[3])) for row in connection.execute(day_digests_query())}


def order_digests(connection: Connection, days: Sequence[date]) -> Iterator[tuple[date, str, Digest]]:
    """The digest of every order of these days, streamed."""
    for row in connection.execution_options(yield_per=5_000).execute(order_digests_query(days)):
        yield row[0], row[1], Digest(1, int(row[2]), int(row[3]))


def find_orders(connection: Connection, order_ids: Sequence[str]) -> dict[str, OrderState]:
    """The orders of these ids that exist, deleted ones included."""
    items: dict[str, list[Item]] = {}
    for row in connection.execute(sa.select(order_items).where(order_items.c.order_id.in_(order_ids))):
        line = Item(row.product_id, row.product_name, row.quantity, _cents(row.price))
        items.setdefault(row.order_id, []).append(line)
    return {
        row.id: OrderState(
            order_id=row.id,
            order_date=row.order_date,
            version=row.version,
            user_id=row.user_id,
            created_at=row.created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
            cents=_cents(row.total_amount),
            status=row.status,
            payment_status=row.payment_status or "",
            payment_method=row.payment_method or "",
            items=tuple(sorted(items.get(row.id, ()))),
            deleted=row.deleted_at is not None,
        )
        for row in connection.execute(sa.select(orders).where(orders.c.id.in_(order_ids)))
    }


def _cents(price: Decimal) -> int:
    return int(price * 100)


def in_flight(connection: Connection, order_ids: Iterable[str], since: datetime) -> set[str]:
    """Those whose events are still to be relayed, or were relayed since, or which changed since.

    An event that was given up (a dead letter) is not on its way.
    """
    ids = list(order_ids)
    relayed = sa.select(outbox.c.aggregate_id).where(
        outbox.c.aggregate_id.in_(ids),
        outbox.c.aggregate_type.in_(_ORDER_AGGREGATES),
        outbox.c.dead_at.is_(None),
        sa.or_(outbox.c.processed == sa.false(), outbox.c.processed_at > since, outbox.c.created_at > since),
    )
    changed = sa.select(orders.c.id).where(orders.c.id.in_(ids), orders.c.updated_at > since)
    return set(connection.scalars(relayed)) | set(connection.scalars(changed))


def waiting_since(connection: Connection, before: datetime) -> tuple[int, datetime] | None:
    """How many order events from before that moment are unrelayed, and since when; None when there is none."""
    count, oldest = connection.execute(
        sa.select(sa.func.count(), sa.func.min(outbox.c.created_at)).where(
            outbox.c.processed == sa.false(),  # IS FALSE would use no index of MySQL's
            outbox.c.dead_at.is_(None),
            outbox.c.aggregate_type.in_(_ORDER_AGGREGATES),
            outbox.c.created_at < before,
        )
    ).one()
    return (count, oldest) if count else None
