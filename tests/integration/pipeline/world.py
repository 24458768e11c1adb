"""What a test of the pipeline starts, feeds, disturbs and reads."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from sqlalchemy.engine import Connection

from services.clients import clickhouse
from services.clients.clickhouse_schema import migrate_clickhouse
from services.clients.database import write
from services.domain.model import NewItem, NewOrder
from services.domain.orders import create_order
from services.domain.tables import outbox
from services.events import all_topics
from tests.support.broker import Broker, start_broker
from tests.support.clickhouse import Front, start_front
from tests.support.process import Subprocess
from tests.support.shop import copy_database, make_template

PARTITIONS = 3
READ_SECONDS = 10.0


class World:
    """One database, one broker at a time, ClickHouse when asked for, and the processes of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = copy_database(make_template(folder), folder)
        self.front: Front | None = None
        self._processes: list[Subprocess] = []
        self._numbers = itertools.count(1)
        self.start_broker()

    # ---- servers and processes

    def start_broker(self, topics: Mapping[str, int] | None = None) -> None:
        """A new, empty broker; an earlier one must have ended."""
        self.broker: Broker = start_broker(dict(topics or dict.fromkeys(all_topics(), PARTITIONS)))

    def start_clickhouse(self) -> Front:
        """ClickHouse with the project's schema, on the same data if it ran before."""
        self.front = start_front(self.folder / "front")
        migrate_clickhouse(self.clickhouse(), "UTC")
        return self.front

    def clickhouse(self) -> clickhouse.Client:
        """A writing client."""
        assert self.front is not None
        return clickhouse.connect(
            self.front.url, user="writer", password=self.front.writer_password, database="analytics"
        )

    def start(self, process: str, **settings: str) -> Subprocess:
        """`python -m services.PROCESS` on this world, with further settings."""
        environment = {
            "DATABASE_URL": f"sqlite:///{self.folder / 'shop.db'}",
            "KAFKA_BROKERS": self.broker.bootstrap,
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "KAFKA_DELIVERY_TIMEOUT_MS": "3000",
            "RELAY_METRICS_PORT": "0",
            "TRANSFORMER_METRICS_PORT": "0",
            "SINK_METRICS_PORT": "0",
            "MILLRACE_EXIT_WITH_PARENT": "1",
            "MILLRACE_DEMO_DATA": str(self.folder / "no-demo"),
            **settings,
        }
        if self.front is not None:
            environment |= {
                "CLICKHOUSE_HOST": self.front.url,
                "CLICKHOUSE_USER": "writer",
                "CLICKHOUSE_PASSWORD": self.front.writer_password,
            }
        log = self.folder / f"{process}-{next(self._numbers)}.log"
        started = Subprocess([f"services.{process}"], log, environment)
        self._processes.append(started)
        return started

    def close(self) -> None:
        """Ends everything, by force."""
        for process in self._processes:
            process.kill()
        if self.front is not None:
            self.front.kill()
        self.broker.kill()
        self.engine.dispose()

    # ---- the outbox

    def order(self, quantity: int = 1) -> str:
        """A committed order with its outbox rows; returns its id."""
        new = NewOrder("1", (NewItem("101", quantity),))
        return create_order(self.engine, ZoneInfo("UTC"), new).id

    def insert_event(self, aggregate_id: str, payload: str = "{}", aggregate_type: str = "Order") -> int:
        """A bare outbox row, as by hand; returns its id."""

        def work(connection: Connection) -> int:
            values = {
                "aggregate_id": aggregate_id,
                "aggregate_type": aggregate_type,
                "event_type": f"{aggregate_type}Created",
                "payload": payload,
            }
            inserted = connection.execute(
                sa.text(
                    "INSERT INTO outbox (aggregate_id, aggregate_type, event_type, payload)"
                    " VALUES (:aggregate_id, :aggregate_type, :event_type, :payload)"
                ),
                values,
            )
            return int(inserted.lastrowid)

        return write(self.engine, work)

    def pending(self) -> int:
        """Outbox rows not processed."""
        with self.engine.connect() as connection:
            where = outbox.c.processed == sa.false()
            return connection.scalar(sa.select(sa.func.count()).select_from(outbox).where(where)) or 0

    def row(self, outbox_id: int) -> sa.Row[Any]:
        """One outbox row."""
        with self.engine.connect() as connection:
            return connection.execute(sa.select(outbox).where(outbox.c.id == outbox_id)).one()

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

    def produce(self, topic: str, values: list[tuple[bytes, bytes]]) -> None:
        """Puts (key, value) messages into a topic."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap})
        for key, value in values:
            producer.produce(topic, value, key)
        assert producer.flush(READ_SECONDS) == 0

    def committed(self, group: str, topic: str) -> int:
        """The sum of a group's committed offsets: how many messages it has done."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": group})
        try:
            asked = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            return sum(max(answer.offset, 0) for answer in consumer.committed(asked, timeout=READ_SECONDS))
        finally:
            consumer.close()


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
