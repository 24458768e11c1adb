"""Kafka clients from the settings: one place for every option, each with its reason."""

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, Producer

from services.observability.logging import get_logger
from services.settings import KafkaSettings

Configuration = dict[str, Any]

MAX_MESSAGE_BYTES: Final = 1_000_000
"""Largest event or row produced; librdkafka's own default and below a broker's (1,048,588)."""

MAX_DEAD_LETTER_BYTES: Final = 1_040_000
"""A dead letter is a consumed message and its error headers, so it may be larger than what was consumed."""

# librdkafka writes a line for every refused connection, 20 a second; what it means for the work is logged by us
_LIBRDKAFKA_CRITICAL_ONLY: Final = 2
# what a person can mend, and what a process that only waits would not say otherwise
_TOLD: Final = frozenset(
    {KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._AUTHENTICATION, KafkaError._SSL}
)
_TOLD_AGAIN_SECONDS: Final = 30.0


def _complaints(settings: KafkaSettings) -> Callable[[KafkaError], None]:
    """Logs why a client has no connection, each kind of reason twice a minute at most."""
    told: dict[int, float] = {}

    def complain(error: KafkaError) -> None:
        now = time.monotonic()
        if error.code() in _TOLD and now >= told.get(error.code(), now):
            told[error.code()] = now + _TOLD_AGAIN_SECONDS
            get_logger().warning("no connection to Kafka", brokers=settings.kafka_brokers, error=error.str())

    return complain


def _common(settings: KafkaSettings, process: str) -> Configuration:
    configuration: Configuration = {
        "bootstrap.servers": settings.kafka_brokers,
        "client.id": f"{settings.kafka_client_id}-{process}",
        "security.protocol": settings.kafka_security_protocol,
        # topics are made by the stack with their partitions and replicas, never by a misspelt name
        "allow.auto.create.topics": False,
        # a topic that is made, or made anew, is found within so long; librdkafka's own interval is 5 min
        "topic.metadata.refresh.interval.ms": 10_000,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1_000,
        "log_level": _LIBRDKAFKA_CRITICAL_ONLY,
    }
    if settings.kafka_security_ca_file is not None:
        configuration["ssl.ca.location"] = str(settings.kafka_security_ca_file)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_security_sasl_password
        configuration["sasl.mechanism"] = settings.kafka_security_sasl_mechanism
        configuration["sasl.username"] = settings.kafka_security_sasl_username
        configuration["sasl.password"] = password.get_secret_value() if password else None
    return configuration


def producer_configuration(
    settings: KafkaSettings, process: str, max_message_bytes: int = MAX_MESSAGE_BYTES
) -> Configuration:
    """Idempotent, acknowledged by every replica in sync, without gaps, with Java's partitioner."""
    return {
        **_common(settings, process),
        "error_cb": _complaints(settings),
        "enable.idempotence": True,
        "acks": "all",
        "enable.gapless.guarantee": True,
        # Gapless does not cover librdkafka's own message timeout: it may drop A1 and then send A2. So there is none
        # here, and ConfirmedProducer gives up on everything that is queued at once (0: infinite).
        "delivery.timeout.ms": 0,
        "partitioner": "murmur2_random",
        "compression.type": settings.kafka_compression,
        "message.max.bytes": max_message_bytes,
        "linger.ms": 5,
    }


def consumer_configuration(settings: KafkaSettings, process: str, group: str) -> Configuration:
    """Commits by hand, and an error instead of a silent jump when an offset is not there (see BatchConsumer)."""
    return {
        **_common(settings, process),
        "error_cb": _complaints(settings),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "session.timeout.ms": settings.kafka_session_timeout_ms,
        "heartbeat.interval.ms": min(3_000, settings.kafka_session_timeout_ms // 3),
        # a producer that waits for a broker for so long is at work all the same
        "max.poll.interval.ms": max(300_000, 2 * settings.kafka_delivery_timeout_ms),
        # what is fetched ahead is memory and is fetched again after a rebalance
        "queued.max.messages.kbytes": 16_384,
        # A fetch is answered as soon as a message is there; so often is an idle one asked again, of every broker. A
        # shorter wait finds nothing sooner but the partitions of a new assignment: a fetch under way has to end first.
        "fetch.wait.max.ms": 500,
    }


def admin_configuration(settings: KafkaSettings, process: str) -> Configuration:
    """For looking at the cluster and its topics, and for making them."""
    configuration = _common(settings, process)
    del configuration["allow.auto.create.topics"]  # a consumer's
    return configuration


def make_producer(configuration: Configuration) -> Producer:
    """A producer; nothing is connected before the first use."""
    return Producer(configuration)


def make_consumer(configuration: Configuration) -> Consumer:
    """A consumer; it joins its group when it subscribes."""
    return Consumer(configuration)
