"""Topic names: contracts between relay, transformer and sink."""

ORDER_EVENTS = "order.events"
PAYMENT_EVENTS = "payment.events"
INVENTORY_EVENTS = "inventory.events"
EVENT_TOPICS = (ORDER_EVENTS, PAYMENT_EVENTS, INVENTORY_EVENTS)
ANALYTICS_TOPIC = "orders_analytics"
DEAD_LETTER_SUFFIX = ".dlq"

# Of the connector outbox-debezium alone (docs/debezium.md): one partition each; the history is kept for ever.
HEARTBEAT_TOPIC = "heartbeat.outbox-debezium"
SCHEMA_HISTORY_TOPIC = "schema-history.outbox-debezium"


def dead_letter_topic(topic: str) -> str:
    """Where what cannot be processed from ``topic`` goes, with the reason in its headers."""
    return topic + DEAD_LETTER_SUFFIX


def all_topics() -> tuple[str, ...]:
    """Every topic of the pipeline, dead letters included."""
    flows = (*EVENT_TOPICS, ANALYTICS_TOPIC)
    return flows + tuple(dead_letter_topic(topic) for topic in flows)
