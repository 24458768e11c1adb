"""What only a durable broker can show: it dies and comes back with everything, and its topics come and go."""

from __future__ import annotations

import json
import re

import pytest

from services.clients.dead_letters import VALUE_LEFT_OUT, consumed_headers
from services.events import ANALYTICS_TOPIC, DEAD_LETTER_SUFFIX, all_topics
from services.events.topics import EVENT_TOPICS, ORDER_EVENTS
from tests.integration.pipeline.world import World
from tests.support.broker import RealBroker
from tests.support.events import encoded, event
from tests.support.outbox import insert_event, row
from tests.support.process import wait_until

pytestmark = [pytest.mark.needs_kafka, pytest.mark.real_servers]

EVENTS, AGGREGATES = 3_000, 30
IN_ORDER = {f"a{a}": list(range(a, EVENTS, AGGREGATES)) for a in range(AGGREGATES)}


@pytest.fixture
def broker(world: World) -> RealBroker:
    assert isinstance(world.broker, RealBroker)
    return world.broker


def rows(world: World) -> list[str]:
    """The order ids of the rows in the analytics topic, repeated as they are there."""
    return [json.loads(message.value() or b"")["order_id"] for message in world.log(ANALYTICS_TOPIC)]


def test_a_killed_broker_has_everything_when_it_is_back_and_the_relay_goes_on(world: World, broker: RealBroker) -> None:
    world.insert_events(EVENTS, AGGREGATES)
    relay = world.start("relay", OUTBOX_BATCH_SIZE="100")
    wait_until(lambda: world.pending() < EVENTS * 0.8, "the relay is at work")
    broker.kill()
    insert_event(world.engine, "a0", f"{EVENTS} x")
    wait_until(lambda: "the broker does not answer" in relay.output(), "the relay has noticed")
    broker.restart()
    wait_until(lambda: world.pending() == 0, "the outbox is drained", 60)
    assert world.numbers(ORDER_EVENTS) == {**IN_ORDER, "a0": [*IN_ORDER["a0"], EVENTS]}
    assert max(row(world.engine, n).retry_count for n in range(1, EVENTS, 97)) == 0, "no event's fault"


def test_a_killed_broker_makes_no_transformer_lose_or_skip_an_event(world: World, broker: RealBroker) -> None:
    count = 1_000
    world.produce(ORDER_EVENTS, [(f"o{n}", encoded(event(f"o{n}"))) for n in range(count)])
    transformer = world.start("transformer", TRANSFORMER_BATCH_SIZE="50")
    wait_until(lambda: world.size(ANALYTICS_TOPIC) > 0, "rows come")
    broker.kill()
    wait_until(lambda: "no connection to Kafka" in transformer.output(), "the transformer has noticed")
    broker.restart()
    wait_until(lambda: world.committed(world.transformer_group, ORDER_EVENTS) >= count, "every event is done", 60)
    assert set(rows(world)) == {f"o{n}" for n in range(count)}
    assert transformer.process.poll() is None


def test_topics_that_are_made_later_are_found(world: World, broker: RealBroker) -> None:
    """After a first start in the wrong order: everybody says what is missing, and goes on once it is there."""
    broker.remove(*all_topics())
    relay, transformer = world.start("relay"), world.start("transformer")
    order = world.order()
    wait_until(lambda: "run `millrace provision topics`" in relay.output(), "the relay names the topics")
    wait_until(lambda: "Subscribed topic not available" in transformer.output(), "the transformer names the topics")
    broker.create(dict.fromkeys(all_topics(), world.partitions))
    wait_until(lambda: world.pending() == 0, "the order is relayed")
    wait_until(lambda: rows(world) == [order], "the order's row")
    assert row(world.engine, 1).retry_count == 0


def test_a_topic_of_ours_that_goes_away_is_no_events_fault(world: World, broker: RealBroker) -> None:
    relay = world.start("relay")
    first = insert_event(world.engine, "a", "1")
    wait_until(lambda: row(world.engine, first).processed, "the first event is relayed")
    broker.remove(*EVENT_TOPICS)
    second = insert_event(world.engine, "a", "2")
    wait_until(lambda: re.search("no topic|Unknown topic", relay.output()), "the relay has noticed", 60)
    broker.create(dict.fromkeys(EVENT_TOPICS, world.partitions))
    wait_until(lambda: row(world.engine, second).processed, "the second event is relayed", 60)
    assert (row(world.engine, second).retry_count, row(world.engine, second).last_error) == (0, None)


def test_rows_wait_for_their_topic_and_letters_keep_their_value(world: World, broker: RealBroker) -> None:
    """A topic that is missing for a while makes no dead letters, and costs a dead letter nothing."""
    letters = ORDER_EVENTS + DEAD_LETTER_SUFFIX
    broker.remove(ANALYTICS_TOPIC, letters)
    world.produce(ORDER_EVENTS, [("good", encoded(event("good"))), ("bad", b"no event at all")])
    transformer = world.start("transformer", KAFKA_DELIVERY_TIMEOUT_MS="30000")
    wait_until(lambda: "rows not produced yet" in transformer.output(), "the rows wait", 60)
    broker.create({ANALYTICS_TOPIC: world.partitions})
    wait_until(lambda: rows(world) == ["good"], "the good row", 60)
    wait_until(lambda: "dead letter not stored yet" in transformer.output(), "the letter waits", 60)
    broker.create({letters: 1})
    wait_until(lambda: world.committed(world.transformer_group, ORDER_EVENTS) == 2, "both events are done", 60)
    (letter,) = world.log(letters)
    assert (letter.key(), letter.value()) == (b"bad", b"no event at all")
    assert VALUE_LEFT_OUT not in dict(consumed_headers(letter))


def test_a_session_too_short_for_the_broker_is_named(world: World) -> None:
    transformer = world.start("transformer", KAFKA_SESSION_TIMEOUT_MS="1000")
    wait_until(lambda: "Invalid session timeout" in transformer.output(), "a line about it")
    assert transformer.stop() == 0
