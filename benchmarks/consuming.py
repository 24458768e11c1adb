"""When events can be read from Kafka, by reading them."""

import json
import threading
import time
from datetime import datetime
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_END, Consumer, TopicPartition


class Received:
    """Seconds from an event's `occurredAt` to its arrival here, for events of one type, while in the with block."""

    def __init__(self, brokers: str, topic: str, event_type: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": "benchmark",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
            }
        )
        self._topic, self._type = topic, event_type
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._read, name="received")
        self.seconds: list[float] = []

    def __enter__(self) -> Self:
        partitions = self._consumer.list_topics(self._topic, timeout=20).topics[self._topic].partitions
        self._consumer.assign([TopicPartition(self._topic, number, OFFSET_END) for number in partitions])
        # "the end" is looked up at the first fetch: what is sent before that would be missed
        for number in partitions:
            self._consumer.get_watermark_offsets(TopicPartition(self._topic, number), timeout=20)
        self._consumer.poll(1.0)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._halt.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._halt.is_set():
            message = self._consumer.poll(0.2)
            if message is None or message.error() is not None:
                continue
            now, event = time.time(), json.loads(message.value() or b"{}")
            if event.get("eventType") == self._type:
                occurred = datetime.fromisoformat(event["occurredAt"]).timestamp()
                self.seconds.append(max(0.0, now - occurred))
