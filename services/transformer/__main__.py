"""`python -m services.transformer`: the transformer as a process."""

import sys
from threading import Thread

from services.clients.batches import run_batches
from services.clients.consumer import BatchConsumer
from services.clients.dead_letters import DeadLetters
from services.clients.delivery import ConfirmedProducer, until_stopped
from services.clients.kafka import MAX_DEAD_LETTER_BYTES, consumer_configuration, producer_configuration
from services.clients.letter_limit import LetterLimit
from services.clients.unread import GroupOffsets, UnreadLimit
from services.events import ANALYTICS_TOPIC, DEAD_LETTER_SUFFIX
from services.events.topics import ORDER_EVENTS, PAYMENT_EVENTS
from services.observability.process import StopSignal, leave_what_hangs, run
from services.settings import KafkaSettings, SinkSettings, TransformerSettings, load
from services.transformer.brokers import admin, keep_looking
from services.transformer.process import Transformer

PROCESS = "transformer"


def body(stop: StopSignal) -> None:
    """Puts the transformer together and lets it work."""
    leave_what_hangs(stop)
    kafka, settings = load(KafkaSettings), load(TransformerSettings)
    producer = ConfirmedProducer(
        producer_configuration(kafka, PROCESS, MAX_DEAD_LETTER_BYTES),
        kafka.kafka_delivery_timeout_ms / 1000,
        until_stopped(stop),
    )
    sink = GroupOffsets(kafka, PROCESS, load(SinkSettings).sink_consumer_group_id)
    unread = UnreadLimit(kafka.kafka_max_unread_bytes, {ANALYTICS_TOPIC: sink})
    letters = DeadLetters(producer, PROCESS, DEAD_LETTER_SUFFIX, LetterLimit(kafka.dead_letter_limit))
    work = Transformer(producer, unread, letters)
    consumer = BatchConsumer(
        consumer_configuration(kafka, PROCESS, settings.kafka_consumer_group_id),
        (ORDER_EVENTS, PAYMENT_EVENTS),
        settings.transformer_batch_size,
        settings.transformer_linger,
    )
    Thread(target=keep_looking, args=(lambda: admin(kafka, PROCESS), stop), name="brokers", daemon=True).start()
    try:
        run_batches(PROCESS, consumer, work, stop)
    finally:
        consumer.close()
        producer.close()
        unread.close()


def main() -> int:
    """Runs the transformer; returns its exit code."""
    return run(PROCESS, body, lambda: load(TransformerSettings).transformer_metrics_port)


if __name__ == "__main__":
    sys.exit(main())
