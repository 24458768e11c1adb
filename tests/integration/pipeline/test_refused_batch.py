"""A broker that refuses a produce request: what librdkafka then does, seen through ConfirmedProducer."""

from __future__ import annotations

import ctypes

from confluent_kafka import KafkaError

from services.clients.delivery import ConfirmedProducer
from services.clients.kafka import producer_configuration
from services.clients.messages import Fate, Outgoing
from services.embedded.librdkafka import MockCluster, bundled_library
from services.settings import KafkaSettings

PRODUCE = 0  # the request's key in Kafka's protocol


def refuse_next(cluster: MockCluster, *codes: int) -> None:
    """The broker answers its next produce requests with these errors."""
    push = ctypes.CDLL(str(bundled_library())).rd_kafka_mock_push_request_errors_array
    push.argtypes = [ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)]
    push(cluster._cluster, PRODUCE, len(codes), (ctypes.c_int * len(codes))(*codes))


def cluster_and_producer() -> tuple[MockCluster, ConfirmedProducer]:
    cluster = MockCluster(bundled_library())
    cluster.create_topic("order.events", 1)
    settings = KafkaSettings(kafka_brokers=cluster.bootstrap)
    return cluster, ConfirmedProducer(producer_configuration(settings, "test"), 10)


def batch(*values: str) -> list[Outgoing]:
    return [Outgoing("order.events", value[:1].encode(), value.encode(), []) for value in values]


def test_a_refused_batch_is_sent_one_by_one_and_the_innocent_get_through() -> None:
    """The refusal is fatal to a gapless producer; a new one goes on."""
    cluster, producer = cluster_and_producer()
    refuse_next(cluster, KafkaError.MSG_SIZE_TOO_LARGE)
    outcomes = producer.send(batch("a1", "b1", "a2"))
    assert [outcome.fate for outcome in outcomes] == [Fate.ACKNOWLEDGED] * 3
    assert [outcome.offset for outcome in outcomes] == [0, 1, 2]
    producer.close()


def test_the_one_that_is_refused_alone_too_is_the_guilty_one() -> None:
    cluster, producer = cluster_and_producer()
    refuse_next(cluster, KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.MSG_SIZE_TOO_LARGE)
    outcomes = producer.send(batch("a1", "b1", "a2"))
    assert [outcome.fate for outcome in outcomes] == [Fate.REFUSED, Fate.ACKNOWLEDGED, Fate.UNKNOWN]
    assert "too large" in outcomes[0].reason
    producer.close()


def test_a_passing_fault_is_repeated_by_the_client_itself() -> None:
    cluster, producer = cluster_and_producer()
    refuse_next(cluster, KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.LEADER_NOT_AVAILABLE)
    assert [outcome.fate for outcome in producer.send(batch("a1", "a2"))] == [Fate.ACKNOWLEDGED] * 2
    producer.close()
