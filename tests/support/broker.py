"""A Kafka broker for tests: the embedded one in a process of its own, or the one of MILLRACE_TEST_KAFKA."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not listed for type checkers
    AdminClient,
    NewTopic,
)

from tests.support import servers
from tests.support.process import Subprocess, wait_until

_ANSWER_SECONDS = 10.0


class Broker(ABC):
    """A running broker with some empty topics."""

    bootstrap: str

    @abstractmethod
    def freeze(self) -> None:
        """Alive, but doing nothing."""

    @abstractmethod
    def thaw(self) -> None:
        """Ends `freeze`."""

    @abstractmethod
    def kill(self) -> None:
        """End it by SIGKILL."""

    @abstractmethod
    def release(self) -> None:
        """The test is done with it, in whatever state it is."""

    @abstractmethod
    def forget(self, topic: str) -> None:
        """Removes what was in a topic of one partition, as retention does."""


class EmbeddedBroker(Broker):
    """`services.embedded.broker`; everything in it is gone when it ends."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        """Start it with these topics (name to number of partitions) and wait for its address."""
        self._folder = Path(tempfile.mkdtemp(prefix="millrace-broker-"))
        self._bootstrap_file = self._folder / "bootstrap"
        arguments = ["services.embedded.broker", "--bootstrap-file", str(self._bootstrap_file)]
        arguments += ["--parent-pid", str(os.getpid())]
        for name, partitions in topics.items():
            arguments += ["--topic", f"{name}:{partitions}"]
        self.process = Subprocess(arguments, self._folder / "broker.log")
        self.bootstrap = self.process.wait_ready(self._address, "the broker")

    def _address(self) -> str:
        return self._bootstrap_file.read_text().strip() if self._bootstrap_file.exists() else ""

    def freeze(self) -> None:
        """SIGSTOP."""
        self.process.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """End it by SIGTERM and return the exit code."""
        try:
            return self.process.stop()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def release(self) -> None:
        """End it by force."""
        self.kill()

    def forget(self, topic: str) -> None:
        """It keeps 5 MiB a partition."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for _ in range(8):
            producer.produce(topic, os.urandom(900_000), b"filler")
        assert producer.flush(_ANSWER_SECONDS) == 0


class RealBroker(Broker):
    """The cluster of the run. It outlives the test; its topics are made anew by the next one."""

    def __init__(self, bootstrap: str, topics: Mapping[str, int]) -> None:
        """Removes every topic of these names and makes them, with a replica on each node."""
        self.bootstrap = bootstrap
        self.machine = servers.Machine(int(bootstrap.split(",")[0].rpartition(":")[2]))
        self.machine.start()
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
        wait_until(self._answers, "the broker's answer", 180)
        self.remove(*topics)
        self.create(topics)

    def _answers(self) -> bool:
        try:
            return bool(self._admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def remove(self, *topics: str) -> None:
        """Topics that are there are gone when it returns."""
        there = [name for name in topics if name in self._known()]
        if there:
            for done in self._admin.delete_topics(there, operation_timeout=_ANSWER_SECONDS).values():
                done.result()
        wait_until(lambda: not self._known() & set(topics), "topics to be gone")

    def create(self, topics: Mapping[str, int]) -> None:
        """New topics, each partition with a leader when it returns."""
        nodes = len(self._admin.list_topics(timeout=_ANSWER_SECONDS).brokers)
        new = [NewTopic(name, partitions, nodes) for name, partitions in topics.items()]
        for done in self._admin.create_topics(new, operation_timeout=_ANSWER_SECONDS).values() if new else ():
            done.result()
        wait_until(lambda: self._led(topics), "topics with their leaders")

    def _known(self) -> set[str]:
        return set(self._admin.list_topics(timeout=_ANSWER_SECONDS).topics)

    def _led(self, topics: Mapping[str, int]) -> bool:
        """Whether every partition has a leader that knows of it."""
        with closing(Consumer({"bootstrap.servers": self.bootstrap, "group.id": "test-look"})) as consumer:
            try:
                for name, count in topics.items():
                    for number in range(count):
                        consumer.get_watermark_offsets(TopicPartition(name, number), timeout=_ANSWER_SECONDS)
            except KafkaException:
                return False
        return True

    def freeze(self) -> None:
        """Pauses the node's container."""
        self.machine.freeze()

    def thaw(self) -> None:
        """Ends the pause."""
        self.machine.thaw()

    def kill(self) -> None:
        """SIGKILL to the node; `restart`, or the next test, has it back with all its data."""
        self.machine.kill()

    def restart(self) -> None:
        """Has it back."""
        self.machine.start()
        wait_until(self._answers, "the broker's answer", 180)

    def release(self) -> None:
        """Has it running for the next test."""
        self.machine.start()

    def forget(self, topic: str) -> None:
        """Messages as many as were there come in, and everything is removed."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(topic, b"filler", b"filler")
        assert producer.flush(_ANSWER_SECONDS) == 0
        partitions = self._admin.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic].partitions
        everything = [TopicPartition(topic, number, -1) for number in partitions]  # -1: up to the end
        for done in self._admin.delete_records(everything, operation_timeout=_ANSWER_SECONDS).values():
            done.result()


def start_broker(topics: Mapping[str, int]) -> Broker:
    """A broker with these topics (name to number of partitions), empty; the caller stops it."""
    return RealBroker(servers.KAFKA, topics) if servers.KAFKA else EmbeddedBroker(topics)
