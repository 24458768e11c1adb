"""The events between the parts, as models, and the analytics row made from them.

Envelope: ``{eventId, eventType, aggregateType, aggregateId, version, occurredAt, data}``. Every Order and Payment
event carries the whole order in ``data.order``, so any one of them, alone and in any order, is enough: consumers
keep no state and let the highest version win.
"""

from services.events.analytics import AnalyticsRow, analytics_row
from services.events.envelope import (
    AGGREGATE_OF,
    EVENT_TYPES,
    Envelope,
    InventoryData,
    InventoryEvent,
    OrderData,
    OrderEvent,
    PaymentAttempt,
    PaymentData,
    PaymentEvent,
)
from services.events.order import OrderSnapshot, SnapshotItem
from services.events.registry import NotAnEvent, event_model, parse_order_event
from services.events.topics import ANALYTICS_TOPIC, DEAD_LETTER_SUFFIX, EVENT_TOPICS, all_topics, dead_letter_topic

__all__ = [
    "AGGREGATE_OF",
    "ANALYTICS_TOPIC",
    "DEAD_LETTER_SUFFIX",
    "EVENT_TOPICS",
    "EVENT_TYPES",
    "AnalyticsRow",
    "Envelope",
    "InventoryData",
    "InventoryEvent",
    "NotAnEvent",
    "OrderData",
    "OrderEvent",
    "OrderSnapshot",
    "PaymentAttempt",
    "PaymentData",
    "PaymentEvent",
    "SnapshotItem",
    "all_topics",
    "analytics_row",
    "dead_letter_topic",
    "event_model",
    "parse_order_event",
]
