"""`python -m services.sink`: the sink as a process."""

import logging
import sys
from functools import partial

from services.clients.batches import run_batches
from services.clients.clickhouse import Client, connect
from services.clients.connect import SINK_CONNECTOR, ConnectClient, sink_group
from services.clients.consumer import BatchConsumer
from services.clients.dead_letters import DeadLetters
from services.clients.delivery import ConfirmedProducer, until_stopped
from services.clients.kafka import MAX_DEAD_LETTER_BYTES, consumer_configuration, producer_configuration
from services.clients.letter_limit import LetterLimit
from services.clients.unread import GroupOffsets
from services.events import ANALYTICS_TOPIC, DEAD_LETTER_SUFFIX
from services.observability.process import StopSignal, leave_what_hangs, run
from services.settings import ClickHouseSettings, ConnectSettings, KafkaSettings, SinkSettings, load
from services.sink.insert import Insert
from services.sink.progress import Progress
from services.sink.substitute import Substitute
from services.sink.supervisor import Supervisor

PROCESS = "sink"
TABLE = "orders_analytics"


def body(stop: StopSignal) -> None:
    """Puts the sink together and lets it work: on the rows, or on the connector that works on them."""
    leave_what_hangs(stop)
    for chatty in ("urllib3.connectionpool", "clickhouse_connect"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)  # what an error means for the rows is logged by the sink
    kafka, settings, clickhouse = load(KafkaSettings), load(SinkSettings), load(ClickHouseSettings)
    producer = ConfirmedProducer(
        producer_configuration(kafka, PROCESS, MAX_DEAD_LETTER_BYTES),
        kafka.kafka_delivery_timeout_ms / 1000,
        until_stopped(stop),
    )
    letters = DeadLetters(producer, PROCESS, DEAD_LETTER_SUFFIX, LetterLimit(kafka.dead_letter_limit))
    insert = Insert(partial(_client, clickhouse), f"{clickhouse.clickhouse_database}.{TABLE}", letters)
    try:
        (_supervise if settings.sink_mode == "connect" else _load)(kafka, settings, insert, stop)
    finally:
        producer.close()


def _client(settings: ClickHouseSettings) -> Client:
    return connect(
        settings.url,
        user=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        database=settings.clickhouse_database,
    )


def _consumer(kafka: KafkaSettings, settings: SinkSettings, group: str) -> BatchConsumer:
    return BatchConsumer(
        consumer_configuration(kafka, PROCESS, group),
        (ANALYTICS_TOPIC,),
        settings.sink_batch_rows,
        settings.sink_linger,
    )


def _load(kafka: KafkaSettings, settings: SinkSettings, insert: Insert, stop: StopSignal) -> None:
    consumer = _consumer(kafka, settings, settings.sink_consumer_group_id)
    try:
        run_batches(PROCESS, consumer, insert, stop)
    finally:
        consumer.close()


def _supervise(kafka: KafkaSettings, settings: SinkSettings, insert: Insert, stop: StopSignal) -> None:
    group = sink_group(SINK_CONNECTOR)
    offsets = GroupOffsets(kafka, PROCESS, group)
    with ConnectClient.of(load(ConnectSettings), timeout=5, patience=5) as client:
        substitute = Substitute(PROCESS, partial(_consumer, kafka, settings, group), insert)
        try:
            Supervisor(client, substitute, Progress(PROCESS, offsets, ANALYTICS_TOPIC)).run(stop)
        finally:
            offsets.close()


def main() -> int:
    """Runs the sink; returns its exit code."""
    return run(PROCESS, body, lambda: load(SinkSettings).sink_metrics_port)


if __name__ == "__main__":
    sys.exit(main())
