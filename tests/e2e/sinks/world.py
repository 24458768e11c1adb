"""What the tests of the sinks start, feed, disturb and read."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not listed for type checkers
    AdminClient,
    NewTopic,
)

from services.clients import clickhouse
from services.clients.clickhouse_schema import migrate_clickhouse
from services.clients.connect import SINK_CONNECTOR, ConnectClient, ConnectError
from services.clients.dead_letters import REASON, consumed_headers
from services.events.topics import ANALYTICS_TOPIC, dead_letter_topic
from services.provision.connectors import FOLDER, read_file
from services.transformer.transform import transform
from tests.e2e.sinks.program import FAULTS, FAULTS_PORT
from tests.support.events import encoded, event
from tests.support.kafka_fakes import message
from tests.support.process import Subprocess, wait_until
from tests.support.stack.stack import Stack

Sink = Literal["connect", "python"]
LETTERS = dead_letter_topic(ANALYTICS_TOPIC)
SECONDS = 120.0
_numbers = itertools.count(1)


def row(order_id: str, **changes: Any) -> bytes:
    """A row of the analytics topic, changed as asked."""
    (made,) = transform([message(encoded(event(order_id)))]).rows
    return json.dumps({**json.loads(made.value or b""), **changes}).encode()


class World:
    """The servers, and one sink at a time."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.environment = stack.environment
        self.connect = ConnectClient(
            self.environment["CONNECT_URL"], (self.environment["CONNECT_USER"], self.environment["CONNECT_PASSWORD"])
        )
        self._folder = folder
        self._faults = httpx.Client(base_url=self.environment["CLICKHOUSE_HOST"], timeout=30)
        with closing(self._clickhouse()) as admin:
            migrate_clickhouse(admin, "UTC")
        kafka = AdminClient({"bootstrap.servers": self.environment["KAFKA_BROKERS"]})
        topics = [NewTopic(name, 2, 1) for name in (ANALYTICS_TOPIC, LETTERS)]
        for made in kafka.create_topics(topics).values():
            made.result()

    def close(self) -> None:
        """Ends the connections."""
        self.connect.close()
        self._faults.close()

    def _clickhouse(self) -> clickhouse.Client:
        known = self.environment
        password = known["CLICKHOUSE_ADMIN_PASSWORD"]
        return clickhouse.connect(known["CLICKHOUSE_DIRECT"], user="admin", password=password, database="analytics")

    # ---- the sinks

    def register(self, **changes: str) -> None:
        """The connector as the project declares it, but behind the proxy."""
        declared = read_file(FOLDER, SINK_CONNECTOR)
        behind = {"hostname": FAULTS, "port": str(FAULTS_PORT)}
        self.connect.put_config(SINK_CONNECTOR, {**declared, **behind, **changes})
        wait_until(self.connector_runs, "the connector to run", SECONDS)

    def connector_runs(self) -> bool:
        """Whether it and its task do."""
        try:
            return self.connect.status(SINK_CONNECTOR).running
        except ConnectError:
            return False

    @contextmanager
    def sink(self, which: Sink, **settings: str) -> Iterator[Subprocess]:
        """`python -m services.sink` of that mode."""
        environment = {
            **{
                name: value
                for name, value in self.environment.items()
                if not name.endswith(("DIRECT", "ADMIN_PASSWORD"))
            },
            "SINK_MODE": which,
            "SINK_METRICS_PORT": "0",
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "MILLRACE_PARENT_PID": str(os.getpid()),
            "MILLRACE_DEMO_DATA": str(self._folder / "no-demo"),
            **settings,
        }
        process = Subprocess(["services.sink"], self._folder / f"sink-{next(_numbers)}.log", environment)
        try:
            yield process
        finally:
            if process.process.poll() is None:
                process.stop()  # with what it has done committed, or the next test would meet it again
            print(process.output())

    # ---- faults

    @contextmanager
    def fault(self, **fault: Any) -> Iterator[None]:
        """Within it ClickHouse answers so; see tests/support/fault_server.py."""
        self._faults.put("/faults", json=fault).raise_for_status()
        try:
            yield
        finally:
            self._faults.delete("/faults").raise_for_status()

    def met(self) -> int:
        """How often the fault of now was met."""
        return int(self._faults.get("/faults").json()["count"])

    # ---- rows

    def produce(self, rows: Mapping[str, bytes]) -> None:
        """Puts rows into the topic by their key, in one batch a partition."""
        producer = Producer({"bootstrap.servers": self.environment["KAFKA_BROKERS"], "linger.ms": 50})
        for key, value in rows.items():
            producer.produce(ANALYTICS_TOPIC, value, key.encode())
        assert producer.flush(30) == 0

    def stored(self, name: str) -> set[str]:
        """The orders in ClickHouse whose id begins so."""
        with closing(self._clickhouse()) as admin:
            asked = "SELECT DISTINCT order_id FROM orders_analytics WHERE startsWith(order_id, {name:String})"
            return {str(found[0]) for found in admin.query(asked, parameters={"name": name}).result_rows}

    def letters(self, name: str) -> dict[str, list[str]]:
        """The reasons in the dead letters whose key begins so, by key."""
        found: dict[str, list[str]] = {}
        configuration = {"bootstrap.servers": self.environment["KAFKA_BROKERS"], "group.id": "test-reader"}
        with closing(Consumer({**configuration, "enable.auto.commit": False})) as consumer:
            for partition in (0, 1):
                low, high = consumer.get_watermark_offsets(TopicPartition(LETTERS, partition), timeout=30)
                consumer.assign([TopicPartition(LETTERS, partition, low)])
                position, deadline = low, time.monotonic() + 30
                while position < high and time.monotonic() < deadline:
                    for letter in consumer.consume(1000, 0.2):
                        position = (letter.offset() or 0) + 1
                        key = (letter.key() or b"").decode()
                        if key.startswith(name):
                            reason = dict(consumed_headers(letter))[REASON] or b""
                            found.setdefault(key, []).append(reason.decode())
                assert position >= high, "the dead letters could not be read"
        return found
