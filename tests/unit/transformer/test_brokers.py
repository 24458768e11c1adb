"""What the transformer tells of the brokers: with a broker that answers, and without."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client import REGISTRY

from services.observability.process import StopSignal
from services.settings import KafkaSettings
from services.transformer.brokers import Cluster, admin, keep_looking, look
from tests.support.broker import EmbeddedBroker


def told(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"millrace_kafka_{name}")


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    running = EmbeddedBroker({"order.events": 6})
    yield running
    running.release()


def test_a_broker_that_is_up(broker: EmbeddedBroker) -> None:
    look(admin(KafkaSettings(kafka_brokers=broker.bootstrap), "test"))
    assert told("brokers") == 1
    assert (told("under_replicated_partitions"), told("leaderless_partitions")) == (0, 0)


def test_no_broker_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.transformer.brokers._ANSWER_SECONDS", 0.2)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        look(admin(KafkaSettings(kafka_brokers=f"127.0.0.1:{closed.getsockname()[1]}"), "test"))
    assert told("brokers") == 0


def test_replicas_out_of_sync_and_partitions_without_a_leader_are_counted() -> None:
    """As librdkafka gives them; a cluster of three that lost one is in tests/e2e."""
    whole = SimpleNamespace(replicas=[1, 2, 3], isrs=[3, 1, 2], leader=1)
    behind = SimpleNamespace(replicas=[1, 2, 3], isrs=[1, 2], leader=1)
    lost = SimpleNamespace(replicas=[3], isrs=[], leader=-1)
    topics = {"a": SimpleNamespace(partitions={0: whole, 1: behind}), "b": SimpleNamespace(partitions={0: lost})}
    answer = SimpleNamespace(brokers={1: None, 2: None}, topics=topics)
    look(cast(Cluster, SimpleNamespace(list_topics=lambda timeout: answer)))
    assert (told("brokers"), told("under_replicated_partitions"), told("leaderless_partitions")) == (2, 2, 1)


def test_it_looks_until_the_process_stops_and_says_when_it_comes_round() -> None:
    looks = list[float]()

    class Stop(StopSignal):
        def wait(self, seconds: float) -> bool:
            looks.append(seconds)
            if len(looks) == 3:
                self.set()
            return self.stopped

    answer = SimpleNamespace(brokers={}, topics={})
    keep_looking(lambda: cast(Cluster, SimpleNamespace(list_topics=lambda timeout: answer)), Stop())
    assert looks == [10, 10, 10]
    assert REGISTRY.get_sample_value("millrace_loop_due_timestamp_seconds", {"loop": "brokers"})
