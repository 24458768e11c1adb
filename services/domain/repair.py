"""Saying an order's state anew, so that analytics that lost or changed it get it again."""

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.clients.database import write
from services.domain import outbox
from services.domain.locking import lock_order
from services.domain.tables import orders


def restate_order(engine: Engine, order_id: str, at_least_version: int) -> int:
    """Appends OrderRestated with a version above both the order's own and the one given; returns that version.

    The database wins: its state is what the event carries. Raises NotFound.
    """

    def work(connection: Connection) -> int:
        locked = lock_order(connection, order_id)
        version = max(locked.order.version, at_least_version) + 1
        restated = replace(locked.order, version=version, updated_at=locked.now)
        connection.execute(
            sa.update(orders).where(orders.c.id == order_id).values(version=version, updated_at=locked.now)
        )
        outbox.append(connection, [outbox.order_event("OrderRestated", restated)])
        return version

    return write(engine, work)
