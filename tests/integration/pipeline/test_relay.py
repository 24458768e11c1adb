"""The relay as a process: killed, frozen, without a broker, beside another one, with poison in the outbox."""

from __future__ import annotations

from functools import partial

import pytest
from confluent_kafka import Consumer

from services.clients.lease import revoke
from services.relay.relay import LEASE
from tests.integration.pipeline.world import World, thaw
from tests.support.outbox import insert_event, row
from tests.support.process import wait_until

EVENTS, AGGREGATES = 6_000, 40
IN_ORDER = {f"a{a}": list(range(a, EVENTS, AGGREGATES)) for a in range(AGGREGATES)}


def drained(world: World) -> bool:
    return world.pending() == 0


def fewer_wait(world: World, than: int) -> bool:
    return world.pending() < than


def half_way(world: World) -> bool:
    return world.pending() < EVENTS * 0.8


@pytest.mark.real_servers
def test_killed_in_the_middle_every_event_is_relayed_in_order(world: World) -> None:
    world.insert_events(EVENTS, AGGREGATES)
    for _ in range(2):
        relay = world.start("relay", RELAY_LEASE_SECONDS="1", OUTBOX_BATCH_SIZE="200")
        wait_until(partial(fewer_wait, world, world.pending()), "the relay has begun")
        relay.kill()
    world.start("relay", RELAY_LEASE_SECONDS="1")
    wait_until(lambda: drained(world), "the outbox is drained")
    assert world.numbers("order.events") == IN_ORDER


@pytest.mark.real_servers
def test_a_zombie_does_no_harm_and_steps_back(world: World) -> None:
    """Paused longer than its lease in the middle of its work, it wakes up while another one has taken over."""
    world.insert_events(EVENTS, AGGREGATES)
    zombie = world.start("relay", OUTBOX_BATCH_SIZE="200")
    wait_until(lambda: half_way(world), "the relay is at work")
    world.freeze_relay(zombie)
    revoke(world.engine, LEASE)
    successor = world.start("relay")
    wait_until(lambda: drained(world), "the other relay has drained the outbox")
    thaw(zombie)
    wait_until(lambda: "stepping back" in zombie.output(), "the zombie notices")
    assert world.numbers("order.events") == IN_ORDER
    assert len(world.log("order.events")) <= EVENTS + 200, "more duplicates than were in flight"
    assert successor.process.poll() is None


@pytest.mark.real_servers
def test_of_two_relays_one_works_and_the_other_takes_over(world: World) -> None:
    first = world.start("relay", RELAY_LEASE_SECONDS="2")
    wait_until(lambda: "relaying" in first.output(), "the first relay works")
    second = world.start("relay", RELAY_LEASE_SECONDS="2")
    world.order()
    wait_until(lambda: drained(world), "the order is relayed")
    first.kill()
    world.order()
    wait_until(lambda: drained(world), "the second relay has taken over")
    assert "relaying" in second.output()


@pytest.mark.real_servers
def test_poison_among_good_events_stops_nothing_else(world: World) -> None:
    world.start("relay")
    large = insert_event(world.engine, "big", "x" * 1_100_000)
    behind = insert_event(world.engine, "big", "later")
    nowhere = insert_event(world.engine, "lost", aggregate_type="Nonsense")
    world.insert_events(500, 10)
    wait_until(lambda: world.pending() == 3, "the good events are relayed")
    wait_until(lambda: row(world.engine, large).retry_count >= 2, "the large one was tried again")
    assert "too large" in row(world.engine, large).last_error
    assert "nonsense.events does not exist" in row(world.engine, nowhere).last_error
    assert row(world.engine, behind).retry_count == 0
    assert sum(len(numbers) for numbers in world.numbers("order.events").values()) == 500


@pytest.mark.real_servers
def test_a_frozen_broker_is_waited_for_and_counts_against_no_event(world: World) -> None:
    world.insert_events(EVENTS, AGGREGATES)
    relay = world.start("relay", OUTBOX_BATCH_SIZE="200", KAFKA_DELIVERY_TIMEOUT_MS="1000")
    wait_until(lambda: half_way(world), "the relay is at work")
    world.broker.freeze()
    insert_event(world.engine, "a0", f"{EVENTS} x")
    wait_until(lambda: "the broker does not answer" in relay.output(), "the relay has noticed")
    world.broker.thaw()
    wait_until(lambda: drained(world), "the outbox is drained")
    assert world.numbers("order.events") == {**IN_ORDER, "a0": [*IN_ORDER["a0"], EVENTS]}
    assert max(row(world.engine, n).retry_count for n in range(1, EVENTS, 97)) == 0


def test_a_dead_broker_loses_nothing_that_waits(world: World) -> None:
    """What was in the broker died with it (repair brings it back); what waits goes to the new one, in order."""
    world.insert_events(EVENTS, AGGREGATES)
    relay = world.start("relay", OUTBOX_BATCH_SIZE="200")
    wait_until(lambda: half_way(world), "the relay is at work")
    world.broker.kill()
    insert_event(world.engine, "a0", f"{EVENTS} x")
    wait_until(lambda: "the broker does not answer" in relay.output(), "the relay has noticed")
    assert relay.stop() == 0
    waiting = world.pending()
    assert waiting > 0
    world.start_broker()
    world.start("relay")
    wait_until(lambda: drained(world), "the outbox is drained")
    found = world.numbers("order.events")
    assert sum(len(numbers) for numbers in found.values()) == waiting
    for aggregate, numbers in found.items():
        made = IN_ORDER[aggregate] + ([EVENTS] if aggregate == "a0" else [])
        assert numbers == made[-len(numbers) :]


@pytest.fixture
def narrow(world: World) -> World:
    """One partition a topic, so that every event goes into the same."""
    world.broker.release()
    world.partitions = 1
    world.start_broker()
    return world


def test_held_back_by_unread_bytes_the_broker_drops_nothing(narrow: World) -> None:
    """15 MB through a partition that keeps 5 MiB, at the speed of its reader."""
    count = 15_000
    narrow.insert_events(count, 50, size=1_000)
    narrow.start("relay", KAFKA_MAX_UNREAD_BYTES=str(4 * 1024 * 1024), KAFKA_COMPRESSION="none")
    reader = Consumer(
        {
            "bootstrap.servers": narrow.broker.bootstrap,
            "group.id": narrow.transformer_group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    wait_until(lambda: narrow.pending() < count, "the relay has begun")
    wait_until(lambda: narrow.pending() < count * 0.8, "the partition is filling")
    reader.subscribe(["order.events"])
    numbers: set[int] = set()

    def read_some() -> bool:
        batch = reader.consume(500, 0.2)
        for message in batch:
            assert message.error() is None, message.error()
            numbers.add(int((message.value() or b"").split(b" ", 1)[0]))
        if batch:
            reader.commit(asynchronous=False)
        return len(numbers) == count

    try:
        wait_until(read_some, "everything is read", 60)
    finally:
        reader.close()
    assert drained(narrow)
