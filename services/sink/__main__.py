"""`python -m services.sink`: the sink as a process."""

import logging
import sys

from services.clients.batches import run_batches
from services.clients.clickhouse import Client, connect
from services.clients.consumer import BatchConsumer
from services.clients.dead_letters import DeadLetters
from services.clients.delivery import ConfirmedProducer, until_stopped
from services.clients.kafka import MAX_DEAD_LETTER_BYTES, consumer_configuration, producer_configuration
from services.events import ANALYTICS_TOPIC, DEAD_LETTER_SUFFIX
from services.observability.process import StopSignal, leave_what_hangs, run
from services.settings import ClickHouseSettings, KafkaSettings, SinkSettings, load
from services.sink.insert import Insert

PROCESS = "sink"
TABLE = "orders_analytics"


def body(stop: StopSignal) -> None:
    """Puts the sink together and lets it work."""
    leave_what_hangs(stop)
    for chatty in ("urllib3.connectionpool", "clickhouse_connect"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)  # what an error means for the rows is logged by the sink
    kafka, settings, clickhouse = load(KafkaSettings), load(SinkSettings), load(ClickHouseSettings)
    producer = ConfirmedProducer(
        producer_configuration(kafka, PROCESS, MAX_DEAD_LETTER_BYTES),
        kafka.kafka_delivery_timeout_ms / 1000,
        until_stopped(stop),
    )

    def client() -> Client:
        return connect(
            clickhouse.url,
            user=clickhouse.clickhouse_user,
            password=clickhouse.clickhouse_password.get_secret_value(),
            database=clickhouse.clickhouse_database,
        )

    table = f"{clickhouse.clickhouse_database}.{TABLE}"
    consumer = BatchConsumer(
        consumer_configuration(kafka, PROCESS, settings.sink_consumer_group_id),
        (ANALYTICS_TOPIC,),
        settings.sink_batch_rows,
        settings.sink_linger,
    )
    try:
        run_batches(PROCESS, consumer, Insert(client, table, DeadLetters(producer, PROCESS, DEAD_LETTER_SUFFIX)), stop)
    finally:
        consumer.close()
        producer.close()


def main() -> int:
    """Runs the sink; returns its exit code."""
    return run(PROCESS, body, lambda: load(SinkSettings).sink_metrics_port)


if __name__ == "__main__":
    sys.exit(main())
