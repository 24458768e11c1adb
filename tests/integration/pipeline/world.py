"""What a test of the pipeline starts, feeds, disturbs and reads."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from sqlalchemy.engine import Engine

from services.clients import clickhouse
from services.clients.clickhouse_schema import migrate_clickhouse
from services.clients.database import write
from services.domain.model import NewItem, NewOrder
from services.domain.tables import outbox
from services.events import all_topics
from tests.support.broker import Broker, start_broker
from tests.support.clickhouse import Front, start_clickhouse
from tests.support.databases import is_locked, url_of
from tests.support.process import Subprocess, wait_until
from tests.support.shop import create_order

READ_SECONDS = 10.0
_COMING_BACK = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)
_numbers = itertools.count(1)


class World:
    """One database, one broker at a time, ClickHouse when asked for, and the processes of the test."""

    def __init__(self, folder: Path, engine: Engine, partitions: int = 3) -> None:
        self.folder, self.engine, self.partitions = folder, engine, partitions
        self.front: Front | None = None
        self._processes: list[Subprocess] = []
        # on a server that others use too, and whose groups remember members that were killed
        name = f"{os.getpid()}_{next(_numbers)}"
        self.transformer_group, self.sink_group = f"transformer_{name}", f"sink_{name}"
        self.analytics = f"pipeline_{name}"
        self.start_broker()

    # ---- servers and processes

    def start_broker(self) -> None:
        """A new, empty broker with every topic; an earlier one must have ended."""
        self.broker: Broker = start_broker(dict.fromkeys(all_topics(), self.partitions))

    def start_clickhouse(self) -> Front:
        """ClickHouse with the project's schema, on the same data if it ran before."""
        self.front = start_clickhouse(self.folder / "front", "UTC", [self.analytics])
        migrate_clickhouse(self.clickhouse(), "UTC")
        return self.front

    def clickhouse(self) -> clickhouse.Client:
        """A client for what the test does by hand."""
        assert self.front is not None
        return clickhouse.connect(
            self.front.url, user=self.front.writer, password=self.front.writer_password, database=self.analytics
        )

    def start(self, process: str, **settings: str) -> Subprocess:
        """`python -m services.PROCESS` on this world, with further settings."""
        environment = {
            "DATABASE_URL": url_of(self.engine),
            "KAFKA_BROKERS": self.broker.bootstrap,
            "KAFKA_CONSUMER_GROUP_ID": self.transformer_group,
            "SINK_CONSUMER_GROUP_ID": self.sink_group,
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "KAFKA_DELIVERY_TIMEOUT_MS": "3000",
            "RELAY_METRICS_PORT": "0",
            "TRANSFORMER_METRICS_PORT": "0",
            "SINK_METRICS_PORT": "0",
            "MILLRACE_PARENT_PID": str(os.getpid()),
            "MILLRACE_DEMO_DATA": str(self.folder / "no-demo"),
            **settings,
        }
        if self.front is not None and process == "sink":
            user, password = self.front.account(process)
            environment |= {
                "CLICKHOUSE_HOST": self.front.url,
                "CLICKHOUSE_USER": user,
                "CLICKHOUSE_PASSWORD": password,
                "CLICKHOUSE_DATABASE": self.analytics,
            }
        log = self.folder / f"{process}-{len(self._processes)}.log"
        started = Subprocess([f"services.{process}"], log, environment)
        self._processes.append(started)
        return started

    def close(self) -> None:
        """Ends everything, by force."""
        for process in self._processes:
            process.kill()
        self.broker.release()
        if self.front is not None:
            self.front.release()

    def freeze_relay(self, relay: Subprocess) -> None:
        """SIGSTOP between two transactions: a frozen holder of the lease's row, or of SQLite's one lock, stops all."""

        def frozen_without_lock() -> bool:
            freeze(relay)
            if is_locked(self.engine):
                thaw(relay)
                return False
            return True

        wait_until(frozen_without_lock, "the relay is frozen outside a transaction")

    # ---- the outbox

    def order(self, quantity: int = 1) -> str:
        """A committed order with its outbox rows; returns its id."""
        return create_order(self.engine, ZoneInfo("UTC"), NewOrder("1", (NewItem("101", quantity),))).id

    def insert_events(self, count: int, aggregates: int, size: int = 200) -> None:
        """`count` Order events, round robin over the aggregates; a payload begins with its event's number."""
        filler = "x" * size
        rows = [{"aggregate": f"a{n % aggregates}", "payload": f"{n} {filler}"} for n in range(count)]
        insert = sa.text(
            "INSERT INTO outbox (aggregate_id, aggregate_type, event_type, payload)"
            " VALUES (:aggregate, 'Order', 'OrderCreated', :payload)"
        )
        write(self.engine, lambda connection: connection.execute(insert, rows))

    def pending(self) -> int:
        """Outbox rows not processed."""
        with self.engine.connect() as connection:
            where = outbox.c.processed == sa.false()
            return connection.scalar(sa.select(sa.func.count()).select_from(outbox).where(where)) or 0

    # ---- topics

    def log(self, topic: str) -> list[Message]:
        """Everything in a topic now, partition after partition, in the order of the log."""
        consumer = Consumer(
            {"bootstrap.servers": self.broker.bootstrap, "group.id": "test-reader", "enable.auto.commit": False}
        )
        try:
            return list(_everything(consumer, topic))
        finally:
            consumer.close()

    def numbers(self, topic: str) -> dict[str, list[int]]:
        """What `insert_events` made, as the topic has it: event numbers by aggregate, first appearances only."""
        found: dict[str, dict[int, None]] = {}
        for message in self.log(topic):
            number = int((message.value() or b"").split(b" ", 1)[0])
            found.setdefault((message.key() or b"").decode(), {}).setdefault(number)
        return {aggregate: list(numbers) for aggregate, numbers in found.items()}

    def produce(self, topic: str, values: Iterable[tuple[str, bytes]]) -> None:
        """Puts (key, value) messages into a topic."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "partitioner": "murmur2_random"})
        for key, value in values:
            producer.produce(topic, value, key.encode())
        assert producer.flush(READ_SECONDS) == 0

    def size(self, topic: str) -> int:
        """How many messages a topic holds; cheap enough to be polled."""
        with contextlib.closing(
            Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "test-reader"})
        ) as consumer:
            marks = [
                consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=READ_SECONDS)
                for partition in range(self.partitions)
            ]
        return sum(high - low for low, high in marks)

    def committed(self, group: str, topic: str) -> int:
        """The sum of a group's committed offsets: how many messages it has done. 0 while a broker is coming back."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": group})
        try:
            asked = [TopicPartition(topic, partition) for partition in range(self.partitions)]
            return sum(max(answer.offset, 0) for answer in consumer.committed(asked, timeout=READ_SECONDS))
        except KafkaException as error:
            if error.args[0].code() in _COMING_BACK:
                return 0
            raise
        finally:
            consumer.close()


def freeze(process: Subprocess) -> None:
    """SIGSTOP: alive, but doing nothing."""
    process.process.send_signal(signal.SIGSTOP)


def thaw(process: Subprocess) -> None:
    """SIGCONT."""
    process.process.send_signal(signal.SIGCONT)


def _everything(consumer: Consumer, topic: str) -> Iterator[Message]:
    for partition in consumer.list_topics(topic, timeout=READ_SECONDS).topics[topic].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=READ_SECONDS)
        consumer.assign([TopicPartition(topic, partition, low)])
        position, deadline = low, time.monotonic() + READ_SECONDS
        while position < high and time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.2):
                assert message.error() is None, message.error()
                position = (message.offset() or 0) + 1
                yield message
        assert position >= high, f"{topic}[{partition}] ends at {high}, only {position} was read"
