"""An event nobody can use goes to the dead letters, byte for byte and with the reason; the rest goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from services.clients.dead_letters import PROCESSOR, REASON, TOPIC, consumed_headers
from services.events.topics import ORDER_EVENTS, dead_letter_topic
from tests.e2e.oracle import expect_everything_shown
from tests.support.outbox import insert_event, row
from tests.support.process import wait_until
from tests.support.stack.stack import Stack

POISON = {
    "not-json": "{this is no JSON",
    "not-an-event": '{"orderId": "by-hand", "userId": 1, "totalAmount": 50000, "status": "PENDING"}',
}


@contextlib.contextmanager
def letters(stack: Stack, topic: str) -> Iterator[Consumer]:
    """A reader of everything in a topic, of all its partitions."""
    consumer = Consumer(
        {"bootstrap.servers": stack.environment["KAFKA_BROKERS"], "group.id": "test", "enable.auto.commit": False}
    )
    try:
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        yield consumer
    finally:
        consumer.close()


def find(consumer: Consumer, key: str) -> Message | None:
    message = consumer.poll(0.2)
    return message if message is not None and message.error() is None and message.key() == key.encode() else None


@pytest.mark.parametrize("name", sorted(POISON))
def test_poison_gets_a_letter_with_its_reason_and_orders_pass_it(stack: Stack, name: str) -> None:
    written = insert_event(stack.mysql(), name, POISON[name])
    placed = stack.api.post("/api/orders", json={"userId": 3, "items": [{"productId": 102, "quantity": 1}]})
    assert placed.status_code == 201, placed.text
    with letters(stack, dead_letter_topic(ORDER_EVENTS)) as consumer:
        letter = wait_until(lambda: find(consumer, name), "the dead letter", 60.0)
    assert letter is not None
    assert letter.value() == POISON[name].encode()
    headers = dict(consumed_headers(letter))
    assert headers[TOPIC] == ORDER_EVENTS.encode()
    assert headers[PROCESSOR] == b"transformer"
    assert headers[REASON]
    assert row(stack.mysql(), written).processed, "the relay did its part: the event was sent"
    expect_everything_shown(stack, {placed.json()["orderId"]})
