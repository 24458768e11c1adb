"""Orders in the background, kill -9 of one part, the restart policy heals it, validate: nothing lost, nothing twice."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from services.domain.tables import outbox
from tests.e2e.brokers import BROKERS, Swapped, in_sync
from tests.e2e.oracle import expect_everything_shown, shop_totals
from tests.support.process import wait_until
from tests.support.stack.stack import Stack
from tests.support.traffic import Traffic

RATE = 100
VICTIMS = ("relay", "transformer", "sink", "aggregator", "api", "clickhouse", "mysql")


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_killed_part_loses_nothing_and_doubles_nothing(stack: Stack, victim: str) -> None:
    if victim not in stack.servers():
        victim = "kafka-connect"  # with sink: connect it is who loads the rows
    with Traffic(stack.url, RATE) as traffic:
        traffic.wait_for_more(RATE)
        stack.kill(victim)
        stack.wait_healthy(victim)
        traffic.wait_for_more(RATE)
    expect_everything_shown(stack, traffic.acknowledged)


def test_each_broker_killed_in_turn_loses_nothing_and_doubles_nothing(stack: Stack) -> None:
    with Traffic(stack.url, RATE) as traffic:
        for broker in BROKERS:
            traffic.wait_for_more(RATE)
            stack.kill(broker)
            stack.wait_healthy(broker)
            wait_until(lambda: in_sync(stack), f"every replica in sync after {broker}'s death", 60.0)
    expect_everything_shown(stack, traffic.acknowledged)


def test_a_thousand_orders_with_a_broker_killed_in_the_middle(stack: Stack) -> None:
    """What the README promises, through `millrace load`, which counts what the views include."""
    before = shop_totals(stack)[0]
    with stack.begin("load", "--rate", str(RATE), "--count", "1000", "--json") as load:
        try:
            wait_until(lambda: shop_totals(stack)[0] - before >= 300, "the load to be under way", 60.0)
            stack.kill("kafka-local2")
            said, errors = load.communicate(timeout=300)
        finally:
            load.kill()
    assert load.returncode == 0, f"{said}\n{errors}"
    figures = json.loads(said)
    assert (figures["sent"], figures["acknowledged"], figures["shown"]) == (1000, 1000, 1000)
    stack.wait_healthy("kafka-local2")
    expect_everything_shown(stack, set())


def test_two_brokers_away_orders_are_taken_and_wait(stack: Stack) -> None:
    """Without a quorum nothing reaches Kafka: the outbox keeps what was acknowledged until they are back.

    They come back under each other's address, which is the harder way.
    """
    wait_until(lambda: pending(stack) == 0, "an empty outbox", 60.0)
    away = Swapped(stack)
    away.go()
    try:
        with Traffic(stack.url, RATE) as traffic:
            traffic.wait_for_more(2 * RATE)
            # what was in flight to the broker that is left may still be acknowledged; most of the orders wait
            wait_until(lambda: pending(stack) >= RATE, "events that wait in the outbox", 60.0)
    finally:
        away.come_back()
    assert traffic.refused == 0
    stack.wait_healthy(*away.brokers)
    expect_everything_shown(stack, traffic.acknowledged)
    assert pending(stack) == 0


def pending(stack: Stack) -> int:
    """Outbox rows that wait."""
    with stack.mysql().connect() as connection:
        waiting = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.processed == sa.false())
        return connection.scalar(waiting) or 0
