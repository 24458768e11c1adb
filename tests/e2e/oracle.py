"""What has to hold when all is quiet again: acknowledged = shown, nothing twice, and no repair had to help."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import sqlalchemy as sa

from services.domain.tables import orders, outbox
from tests.support.process import wait_until
from tests.support.stack.stack import Stack
from tests.support.traffic import last_seen

PATIENCE = 240.0
_BETWEEN_LOOKS = 0.5
_SOLD = sa.and_(orders.c.deleted_at.is_(None), orders.c.status.not_in(["CANCELLED", "REFUNDED"]))


def shop_totals(stack: Stack) -> tuple[int, Decimal]:
    """Count and sum of the orders that sales include, from the relational database."""
    with stack.mysql().connect() as connection:
        totals = sa.select(sa.func.count(), sa.func.sum(orders.c.total_amount)).where(_SOLD)
        count, total = connection.execute(totals).one()
        return count, total or Decimal(0)


def shown_totals(stack: Stack) -> tuple[int, Decimal]:
    """The same from the views."""
    (row,) = stack.sql("SELECT total_orders, toString(total_revenue) AS total_revenue FROM all_time_stats")
    return int(row["total_orders"]), Decimal(row["total_revenue"])


def expect_everything_shown(stack: Stack, acknowledged: set[str]) -> None:
    """Waits until every acknowledged order is in ClickHouse, verify finds everything the same, and the totals agree.

    When it does not come to that the AssertionError says where the missing orders were last seen, and verify's verdict.
    """
    with contextlib.closing(stack.clickhouse()) as clickhouse:
        try:
            wait_until(
                lambda: not last_seen(stack.mysql(), clickhouse, acknowledged),
                "every acknowledged order in ClickHouse",
                PATIENCE,
                pause=_BETWEEN_LOOKS,
            )
            wait_until(stack.verified, "verify to find no difference", PATIENCE, pause=_BETWEEN_LOOKS)
            assert shown_totals(stack) == shop_totals(stack)
        except AssertionError as failed:
            seen = {stage: len(ids) for stage, ids in last_seen(stack.mysql(), clickhouse, acknowledged).items()}
            verdict = stack.millrace("verify").stdout
            raise AssertionError(f"{failed}\nlast seen: {seen}\n{verdict}") from failed
    assert mended(stack) == 0, "a repair restated orders: what arrived did not arrive by itself"


def mended(stack: Stack) -> int:
    """How many orders a repair has said anew."""
    with stack.mysql().connect() as connection:
        restated = sa.select(sa.func.count()).where(outbox.c.event_type == "OrderRestated")
        return connection.scalar(restated) or 0


def forget_restated(stack: Stack) -> None:
    """Waits until what was restated on purpose is delivered, and forgets it: `mended` counts what had to be."""
    restated = outbox.c.event_type == "OrderRestated"

    def delivered() -> bool:
        with stack.mysql().begin() as connection:
            connection.execute(sa.delete(outbox).where(restated, outbox.c.processed == sa.true()))
            return not connection.scalar(sa.select(sa.func.count()).select_from(outbox).where(restated))

    wait_until(delivered, "the restated orders' events to be delivered", 120.0)
