"""The transformer as a process: killed before its commit, beside another one, behind a broker that dropped messages."""

from __future__ import annotations

import json
from functools import partial

import pytest

from services.clients.dead_letters import REASON, TOPIC, consumed_headers
from tests.integration.pipeline.world import World
from tests.support.events import encoded, event
from tests.support.outbox import insert_event
from tests.support.process import wait_until

EVENTS = 2_000


def events(first: int, count: int) -> list[tuple[str, bytes]]:
    return [(f"o{n}", encoded(event(f"o{n}"))) for n in range(first, first + count)]


def rows(world: World) -> list[str]:
    """The order ids of the rows in the analytics topic, repeated as they are there."""
    return [json.loads(message.value() or b"")["order_id"] for message in world.log("orders_analytics")]


def more_rows(world: World, than: int) -> bool:
    return world.size("orders_analytics") > than


def done(world: World, count: int) -> bool:
    return world.committed(world.transformer_group, "order.events") >= count


@pytest.mark.real_servers
def test_killed_before_its_commit_it_reads_the_batch_again(world: World) -> None:
    for first in (0, EVENTS):
        world.produce("order.events", events(first, EVENTS))
        transformer = world.start("transformer", TRANSFORMER_BATCH_SIZE="100")
        wait_until(partial(more_rows, world, world.size("orders_analytics")), "rows come")
        transformer.kill()
    world.start("transformer")
    wait_until(lambda: done(world, 2 * EVENTS), "every event is done")
    assert set(rows(world)) == {f"o{n}" for n in range(2 * EVENTS)}


@pytest.mark.real_servers
def test_poison_goes_to_the_dead_letters_and_the_rest_goes_on(world: World) -> None:
    """The manual test with plain inserts: relayed, but no whole order can be made of it."""
    world.start("relay")
    transformer = world.start("transformer")
    by_hand = '{"orderId": "by-hand", "userId": 1, "totalAmount": 50000, "status": "PENDING"}'
    insert_event(world.engine, "by-hand", by_hand)
    order = world.order()
    wait_until(lambda: rows(world) == [order], "the order's row")
    wait_until(lambda: len(world.log("order.events.dlq")) == 1, "the dead letter")
    (letter,) = world.log("order.events.dlq")
    assert (letter.key(), letter.value()) == (b"by-hand", by_hand.encode())
    headers = dict(consumed_headers(letter))
    assert headers["eventType"] == b"OrderCreated"
    assert headers[TOPIC] == b"order.events"
    assert b"Field required" in (headers[REASON] or b"")
    assert transformer.stop() == 0


@pytest.mark.real_servers
def test_a_second_transformer_shares_the_work_and_takes_over(world: World) -> None:
    first = world.start("transformer", TRANSFORMER_BATCH_SIZE="50")
    world.produce("order.events", events(0, EVENTS))
    wait_until(lambda: world.size("orders_analytics") > 0, "rows come")
    second = world.start("transformer", TRANSFORMER_BATCH_SIZE="50")
    wait_until(lambda: "reads" in second.output(), "the second one has joined")
    world.produce("order.events", events(EVENTS, EVENTS))
    first.kill()
    wait_until(lambda: done(world, 2 * EVENTS), "every event is done", 60)
    assert set(rows(world)) == {f"o{n}" for n in range(2 * EVENTS)}


def test_a_frozen_broker_is_waited_for(world: World) -> None:
    count = 10 * EVENTS  # so many that it is still at work when the broker freezes
    world.produce("order.events", events(0, count))
    transformer = world.start("transformer", TRANSFORMER_BATCH_SIZE="50", KAFKA_DELIVERY_TIMEOUT_MS="1000")
    wait_until(lambda: world.size("orders_analytics") > 0, "rows come")
    world.broker.freeze()
    wait_until(lambda: "rows not produced yet" in transformer.output(), "the transformer has noticed")
    world.broker.thaw()
    wait_until(lambda: done(world, count), "every event is done", 60)
    assert set(rows(world)) == {f"o{n}" for n in range(count)}


@pytest.mark.real_servers
def test_told_to_stop_it_does_so_at_once_without_a_broker_too(world: World) -> None:
    transformer = world.start("transformer")
    world.produce("order.events", events(0, 10))
    wait_until(lambda: done(world, 10), "the events are done")
    world.broker.kill()
    assert transformer.stop() == 0


def test_without_a_broker_from_the_start_it_says_so_and_waits(world: World) -> None:
    transformer = world.start("transformer", KAFKA_BROKERS="127.0.0.1:9")
    wait_until(lambda: "no connection to Kafka" in transformer.output(), "a line about it")
    assert "brokers=127.0.0.1:9" in transformer.output()
    assert transformer.stop() == 0


@pytest.mark.real_servers
def test_messages_removed_before_they_were_read_stop_it_in_one_line(world: World) -> None:
    transformer = world.start("transformer")
    world.produce("order.events", [("o1", encoded(event("o1")))])
    wait_until(lambda: done(world, 1), "the event is done")
    assert transformer.stop() == 0
    world.broker.forget("order.events")
    loud = world.start("transformer")
    assert loud.process.wait(60) == 2
    (line,) = [line for line in loud.output().splitlines() if line.startswith("millrace transformer:")]
    assert "order.events[" in line
    assert "removed offsets 1 to" in line
    assert world.transformer_group in line
    assert "millrace verify --repair" in line
