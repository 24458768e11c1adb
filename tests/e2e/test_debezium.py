"""`relay: debezium` on the suite's stack: the switch there and back while orders come in, the same bytes, and faults.

Every test puts the stack into the mode it is about; the last thing here puts it back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from confluent_kafka import Consumer, Message, TopicPartition

from services.clients.connect import ConnectClient
from services.clients.database import write
from services.domain.tables import outbox
from services.events.topics import EVENT_TOPICS
from services.relay.connector import CONNECTOR
from tests.e2e.oracle import expect_everything_shown
from tests.support.outbox import insert_event, row
from tests.support.process import wait_until
from tests.support.stack.deployment import Changes
from tests.support.stack.stack import Stack
from tests.support.traffic import Traffic

RATE = 100
RELAY, DEBEZIUM = {"relay": "outbox"}, {"relay": "debezium"}
MARKED_SECONDS = 180.0
TOO_LARGE = 1_000_000


@pytest.fixture(scope="module", autouse=True)
def as_it_was(stack: Stack) -> Iterator[None]:
    """Afterwards the relay relays again, and everything is shown."""
    yield
    stack.update(RELAY)
    stack.wait_healthy()
    expect_everything_shown(stack, set())


def connect(stack: Stack) -> ConnectClient:
    """Kafka Connect's, where there is one."""
    known = stack.environment
    return ConnectClient(known["CONNECT_URL"], (known["CONNECT_USER"], known["CONNECT_PASSWORD"]))


@pytest.fixture
def debezium(stack: Stack) -> Iterator[ConnectClient]:
    """The stack in debezium mode, the connector at work."""
    stack.update(DEBEZIUM)
    stack.wait_healthy("kafka-connect", "relay")
    with connect(stack) as client:
        wait_until(lambda: client.status(CONNECTOR).running, "the connector to run", 60.0)
        yield client


def waiting(stack: Stack) -> int:
    """Outbox rows that are neither processed nor explained."""
    wait = sa.and_(outbox.c.processed == sa.false(), outbox.c.last_error.is_(None))
    with stack.mysql().connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(outbox).where(wait)) or 0


def wait_marked(stack: Stack) -> None:
    wait_until(lambda: waiting(stack) == 0, "every delivered row to be marked", MARKED_SECONDS)


# ---- the switch


def switch(stack: Stack, to: dict[str, str]) -> tuple[Changes, set[str]]:
    """Switches while orders come in; what it changed, and the orders acknowledged meanwhile."""
    with Traffic(stack.url, RATE) as traffic:
        traffic.wait_for_more(RATE)
        changes = stack.update(to)
        stack.wait_healthy()
        traffic.wait_for_more(2 * RATE)
    assert traffic.refused == 0, "orders were refused during the switch"
    return changes, traffic.acknowledged


CHANGED = {"Container database-job", "Container relay", "Container kafka-connect", "Container connectors-job"}
"""What a switch changes: not a server of the shop's, and not the sink."""


def accounts(stack: Stack) -> set[str]:
    """Whom MySQL lets in."""
    return set(as_root(stack, "SELECT User FROM mysql.user").split())


def test_switched_to_debezium_on_a_live_stack_nothing_is_lost(stack: Stack) -> None:
    assert "debezium" not in accounts(stack)
    changes, acknowledged = switch(stack, DEBEZIUM)
    assert (changes.replaced, changes.created) == (CHANGED, set())
    assert "debezium" in accounts(stack)
    with connect(stack) as client:
        assert client.status(CONNECTOR).running
    wait_marked(stack)
    expect_everything_shown(stack, acknowledged)


def test_switched_back_nothing_is_lost(stack: Stack, debezium: ConnectClient) -> None:
    changes, acknowledged = switch(stack, RELAY)
    assert (changes.replaced, changes.deleted) == (CHANGED, set())
    assert "debezium" not in accounts(stack)
    assert CONNECTOR not in debezium.connectors(), "the sink's worker reads connectors of its own"
    wait_marked(stack)
    expect_everything_shown(stack, acknowledged)


# ---- the same bytes

EVENTS: dict[str, dict[str, Any]] = {
    "unicode": {"aggregate_id": "größe-日本-😀", "payload": '{"n": "Größe 日本語 😀 \\u0000 \u2028"}'},
    "no trace": {"aggregate_id": "plain"},
    "a trace": {"aggregate_id": "traced", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    "large": {"aggregate_id": "large", "payload": '"' + "x" * 990_000 + '"'},
    "large in utf-8": {"aggregate_id": "cjk", "payload": '"' + "日" * 330_000 + '"'},
    "empty": {"aggregate_id": "empty", "payload": ""},
    "stock": {"aggregate_id": "no-such-product", "aggregate_type": "Inventory", "event_type": "StockAdjusted"},
    "payment": {"aggregate_id": "paid", "aggregate_type": "Payment", "event_type": "PaymentFailed"},
    "original's insert": {
        "aggregate_id": "by-hand",
        "payload": '{"orderId": "x", "userId": 1, "totalAmount": 5}',
    },
}


def read_everything(stack: Stack, wanted: Callable[[dict[str, list[Message]]], bool]) -> dict[str, list[Message]]:
    """The events of every topic by event id, read from the beginning until `wanted`."""
    found: dict[str, list[Message]] = {}
    consumer = Consumer({"bootstrap.servers": stack.environment["KAFKA_BROKERS"], "group.id": "compare"})
    try:
        topics = consumer.list_topics(timeout=20).topics
        consumer.assign([TopicPartition(name, part, 0) for name in EVENT_TOPICS for part in topics[name].partitions])

        def read_on() -> bool:
            for message in consumer.consume(500, 0.5):
                assert message.error() is None, message.error()
                headers = dict(message.headers() or [])
                found.setdefault(str(headers["eventId"], "utf-8"), []).append(message)  # type: ignore[arg-type]
            return wanted(found)

        wait_until(read_on, "the events in their topics", MARKED_SECONDS)
    finally:
        consumer.close()
    return found


def as_sent(message: Message) -> tuple[object, ...]:
    return message.topic(), message.partition(), message.key(), message.value(), message.headers()


def test_both_send_the_same_bytes_to_the_same_partitions(stack: Stack, debezium: ConnectClient) -> None:
    generator = random.Random(4)
    more = [{"aggregate_id": f"key-{generator.random()}", "payload": f'{{"n": {n}}}'} for n in range(60)]
    ids = [insert_event(stack.mysql(), **{"payload": "{}", **event}) for event in [*EVENTS.values(), *more]]
    wait_marked(stack)
    stack.update(RELAY)
    events = {str(row(stack.mysql(), outbox_id).event_id) for outbox_id in ids}
    again = sa.update(outbox).where(outbox.c.id.in_(ids)).values(processed=False)
    write(stack.mysql(), lambda connection: connection.execute(again))
    wait_marked(stack)
    found = read_everything(stack, lambda found: all(len(found.get(event, [])) >= 2 for event in events))
    for event in events:
        assert len({str(as_sent(message)) for message in found[event]}) == 1, [as_sent(m) for m in found[event]]
    partitions = {message.partition() for event in events for message in found[event]}
    assert len(partitions) > 1


# ---- faults


@pytest.mark.parametrize("victim", ["relay", "kafka-connect", "mysql", "kafka-local1"])
def test_a_killed_part_loses_nothing_and_what_was_delivered_is_marked(
    stack: Stack, debezium: ConnectClient, victim: str
) -> None:
    with Traffic(stack.url, RATE) as traffic:
        traffic.wait_for_more(RATE)
        stack.kill(victim)
        stack.wait_healthy(victim)
        traffic.wait_for_more(RATE)
    wait_marked(stack)
    expect_everything_shown(stack, traffic.acknowledged)


def test_a_binary_log_that_is_gone_costs_a_snapshot_and_no_event(stack: Stack, debezium: ConnectClient) -> None:
    debezium.stop(CONNECTOR)
    wait_until(lambda: not debezium.status(CONNECTOR).tasks, "the connector to stop", 30.0)
    placed = stack.api.post("/api/orders", json={"userId": 1, "items": [{"productId": 101, "quantity": 1}]})
    assert placed.status_code == 201, placed.text
    assert waiting(stack) > 0
    kept = binary_logs(stack)
    as_root(stack, "FLUSH BINARY LOGS")
    as_root(stack, "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 HOUR")
    assert not kept & binary_logs(stack)
    debezium.resume(CONNECTOR)
    wait_marked(stack)
    expect_everything_shown(stack, {placed.json()["orderId"]})


def as_root(stack: Stack, statement: str) -> str:
    """What MySQL answers its root user, without headings."""
    ask = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql --host=127.0.0.1 --user=root --skip-column-names --execute='
    return stack.run_in("mysql", "bash", "-c", f"{ask}'{statement}'")


def binary_logs(stack: Stack) -> set[str]:
    """The names of the files there are."""
    return {line.split()[0] for line in as_root(stack, "SHOW BINARY LOGS").splitlines()}


def test_an_event_that_cannot_be_sent_stops_no_other(stack: Stack, debezium: ConnectClient) -> None:
    """No topic: left out. Too large: cut off, or, where cutting does not help, the task fails and begins anew."""
    generator = random.Random(4)
    random_text = "".join(chr(generator.randint(0x4E00, 0x9FFF)) for _ in range(400_000))
    engine = stack.mysql()
    poison = [
        insert_event(engine, "nowhere", aggregate_type="Nonsense"),
        insert_event(engine, "large", "x" * (TOO_LARGE + 1)),
        insert_event(engine, "incompressible", random_text),
    ]
    try:
        placed = stack.api.post("/api/orders", json={"userId": 1, "items": [{"productId": 101, "quantity": 1}]})
        assert placed.status_code == 201, placed.text
        wait_until(lambda: waiting(stack) == 0, "the others to be delivered and marked", 300.0)
        expect_everything_shown(stack, {placed.json()["orderId"]})
        assert [row(engine, outbox_id).processed for outbox_id in poison] == [False] * 3
        assert [bool(row(engine, outbox_id).last_error) for outbox_id in poison] == [True] * 3
    finally:
        remove = sa.delete(outbox).where(outbox.c.id.in_(poison))
        write(engine, lambda connection: connection.execute(remove))


def test_who_looks_finds_the_offset_and_the_trouble(stack: Stack, debezium: ConnectClient) -> None:
    port = stack.inputs("relay")["ports"][0]["external"]
    read = partial(metric, stack, int(port))
    wait_until(lambda: read("millrace_follower_offset_file_number") >= 1, "the offset to be measured", 30.0)
    assert read("millrace_follower_offset_age_seconds") < 60
    debezium.stop(CONNECTOR)
    stopped = 'millrace_follower_trouble{kind="connector_stopped"}'
    wait_until(lambda: read(stopped) == 1, "the trouble to be measured", 30.0)
    wait_until(
        lambda: "PUT /connectors/outbox-debezium/resume" in stack.logs("relay", tail=20), "the remedy in its log"
    )
    debezium.resume(CONNECTOR)
    wait_until(lambda: read(stopped) == 0, "the trouble to be over", 60.0)


def metric(stack: Stack, port: int, name: str) -> float:
    """One sample of the relay's; -1 while there is none."""
    text = stack.api.get(f"http://127.0.0.1:{port}/metrics").text
    return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} ")), -1.0)
