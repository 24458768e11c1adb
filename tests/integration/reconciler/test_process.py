"""The scheduled process: it mends unasked, and stops when told."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.reconciler.report import Kind
from tests.integration.reconciler.damage import ghost, place
from tests.integration.reconciler.shop import ZONE, Shop
from tests.support.clickhouse import Front
from tests.support.databases import url_of
from tests.support.process import Subprocess, wait_until

pytestmark = pytest.mark.real_servers


def test_it_mends_unasked_and_stops_when_told(shop: Shop, front: Front, tmp_path: Path) -> None:
    """A ghost is gone from both raw tables after the first pass; SIGTERM ends it with 0."""
    placed = place(shop)
    ghost(shop, placed)
    assert Kind.GHOST in {difference.kind for difference in shop.compare().differences}
    user, password = front.account("reconciler")
    environment = {
        "DATABASE_URL": url_of(shop.engine),
        "BUSINESS_TIMEZONE": ZONE,
        "CLICKHOUSE_HOST": front.url,
        "CLICKHOUSE_USER": user,
        "CLICKHOUSE_PASSWORD": password,
        "CLICKHOUSE_DATABASE": shop.clickhouse.database or "",
        "VERIFY_METRICS_PORT": "0",
        "VERIFY_IN_FLIGHT": "0",
    }
    process = Subprocess(["services.reconciler"], tmp_path / "reconciler.log", environment)

    def gone() -> bool:
        left = shop.clickhouse.query(
            "SELECT (SELECT count() FROM orders_analytics WHERE startsWith(order_id, 'ghost')) "
            "+ (SELECT count() FROM orders_by_user WHERE startsWith(order_id, 'ghost'))"
        )
        return bool(left.result_rows[0][0] == 0)

    try:
        process.wait_ready(gone, "the first pass")
        wait_until(lambda: "mended" in process.output() or shop.pause(0), "the aggregator to follow")
    finally:
        assert process.stop() == 0
