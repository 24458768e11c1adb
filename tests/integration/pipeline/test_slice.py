"""An order's way through all three processes."""

from __future__ import annotations

import pytest

from tests.integration.pipeline.world import World
from tests.support.process import wait_until

pytestmark = pytest.mark.real_servers


def test_an_order_comes_from_the_outbox_into_clickhouse(world: World) -> None:
    world.start_clickhouse()
    for process in ("relay", "transformer", "sink"):
        world.start(process)
    orders = {world.order(quantity) for quantity in (1, 2, 3)}
    client = world.clickhouse()

    def stored() -> set[str]:
        return {row[0] for row in client.query("SELECT order_id FROM orders_analytics").result_rows}

    wait_until(lambda: stored() >= orders, "the orders are in ClickHouse")
    wait_until(lambda: world.pending() == 0, "every event is marked")
    assert client.query("SELECT sum(total_amount) FROM orders_analytics FINAL").result_rows == [(150_000,)]
