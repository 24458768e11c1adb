"""The embedded broker: topics as asked for, a round trip, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from services.embedded import librdkafka
from services.embedded.broker import TopicSpec, parse_topic
from services.embedded.lifetime import StartError
from tests.support.broker import Broker, EmbeddedBroker
from tests.support.process import PROJECT, STOP_SECONDS, expect_end_with_parent, wait_until

TOPICS = {"order.events": 6, "order.events.dlq": 1, "many": 24}
ATTEMPT_SECONDS = 1.0


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    running = EmbeddedBroker(TOPICS)
    yield running
    running.stop()


def producer(broker: Broker) -> Producer:
    return Producer(
        {
            "bootstrap.servers": broker.bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "log_level": 0,
        }
    )


def test_topics_have_the_partitions_asked_for(broker: Broker) -> None:
    metadata = producer(broker).list_topics(timeout=10)
    assert {name: len(topic.partitions) for name, topic in metadata.topics.items()} == TOPICS


def test_what_is_produced_is_consumed_and_commits_hold(broker: Broker) -> None:
    sending = producer(broker)
    delivered: list[tuple[int, int]] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        assert error is None
        delivered.append((message.partition() or 0, message.offset() or 0))

    for number in range(100):
        sending.produce(
            "order.events", f"value {number}", f"key {number}", on_delivery=on_delivery, headers={"n": b"1"}
        )
    assert sending.flush(10) == 0
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "enable.auto.commit": False, "log_level": 0})
    consumer.subscribe(["order.events"])
    received: list[Message] = []

    def poll() -> bool:
        message = consumer.poll(ATTEMPT_SECONDS)
        if message is not None and message.error() is None:
            received.append(message)
        return len(received) == 100

    wait_until(poll, "all messages")
    assert {(message.key(), message.value()) for message in received} == {
        (f"key {number}".encode(), f"value {number}".encode()) for number in range(100)
    }
    assert {(message.partition(), message.offset()) for message in received} == set(delivered)
    assert received[0].headers() == [("n", b"1")]
    consumer.commit(asynchronous=False)
    partitions = [TopicPartition("order.events", number) for number in range(TOPICS["order.events"])]
    committed = {each.partition: each.offset for each in consumer.committed(partitions, timeout=10)}
    consumer.close()
    for partition in range(TOPICS["order.events"]):
        count = sum(1 for where, _ in delivered if where == partition)
        assert committed[partition] == count


# Partitions of Java's murmur2 (org.apache.kafka.common.utils.Utils.murmur2, sign bit cleared, modulo 24).
JAVA_PARTITIONS = {
    "21": (-973932308 & 0x7FFFFFFF) % 24,
    "foobar": (-790332482 & 0x7FFFFFFF) % 24,
    "a-little-bit-long-string": (-985981536 & 0x7FFFFFFF) % 24,
    "a-little-bit-longer-string": (-1486304829 & 0x7FFFFFFF) % 24,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": (-58897971 & 0x7FFFFFFF) % 24,
}


def test_keys_go_where_javas_clients_send_them(broker: Broker) -> None:
    """The hashes are those of Kafka's own UtilsTest.testMurmur2."""
    sending = producer(broker)
    landed: dict[str, int | None] = {}

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        assert error is None
        landed[(message.key() or b"").decode()] = message.partition()

    for key in JAVA_PARTITIONS:
        sending.produce("many", b"", key, on_delivery=on_delivery)
    assert sending.flush(10) == 0
    assert landed == JAVA_PARTITIONS


def test_sigterm_ends_it_and_takes_its_address_away(tmp_path: Path) -> None:
    address = tmp_path / "deep" / "bootstrap"
    command = [sys.executable, "-m", "services.embedded.broker", "--bootstrap-file", str(address), "--topic", "t:1"]
    with subprocess.Popen(command, cwd=PROJECT) as process:
        wait_until(address.exists, "the address")
        assert address.read_text().startswith("127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    assert list(address.parent.iterdir()) == []


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    address = tmp_path / "bootstrap"
    expect_end_with_parent(["services.embedded.broker", "--bootstrap-file", str(address)], address.exists)


@pytest.mark.parametrize("text", ["", "t", "t:", ":1", "t:0", "t:-1", "t:x", "t:1.5", "t:²"])
def test_a_topic_is_a_name_and_a_number(text: str) -> None:
    command = [sys.executable, "-m", "services.embedded.broker", "--bootstrap-file", os.devnull, "--topic", text]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "NAME:PARTITIONS" in ended.stderr.splitlines()[-1]


def test_a_name_may_have_colons() -> None:
    assert parse_topic("a:b:3") == TopicSpec("a:b", 3)


def wheel(folder: Path, library: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A confluent_kafka package that is only files, with its library where a platform's wheel has it."""
    package = folder / "confluent_kafka"
    package.mkdir()
    (package / "__init__.py").touch()
    path = folder / library
    path.parent.mkdir(exist_ok=True)
    path.write_text("not a library")
    monkeypatch.setattr(sys, "path", [str(folder)])
    monkeypatch.delitem(sys.modules, "confluent_kafka")
    return path


@pytest.mark.parametrize(
    "library", ["confluent_kafka.libs/librdkafka-0cb94173.so.1", "confluent_kafka/.dylibs/librdkafka.1.dylib"]
)
def test_the_library_is_found_in_wheels_of_both_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    path = wheel(tmp_path, library, monkeypatch)
    assert librdkafka.bundled_library() == path
    with pytest.raises(StartError, match="cannot be used as librdkafka"):
        librdkafka.MockCluster(path)


def test_a_wheel_without_the_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, "confluent_kafka/other.so", monkeypatch)
    with pytest.raises(StartError, match="install confluent-kafka from its wheel"):
        librdkafka.bundled_library()


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "confluent_kafka")
    with pytest.raises(StartError, match="not installed"):
        librdkafka.bundled_library()
