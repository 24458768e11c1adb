"""The pure step: events in, rows and dead letters out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import Message

from services.clients.dead_letters import DeadLetter, consumed_headers
from services.clients.messages import Headers, Outgoing
from services.events import ANALYTICS_TOPIC, NotAnEvent, analytics_row, parse_order_event


@dataclass(slots=True)
class Transformed:
    """What a batch of events becomes. ``sources`` holds the event each row was made of."""

    rows: list[Outgoing] = field(default_factory=list)
    sources: list[Message] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)


def transform(batch: Sequence[Message]) -> Transformed:
    """A row an order version, in the order of the batch; what makes no row is a dead letter.

    The events of one transaction carry the same snapshot and so make equal rows: equal ones are produced once.
    """
    result = Transformed()
    seen: set[bytes] = set()
    for message in batch:
        try:
            row = analytics_row(parse_order_event(message.value()).data.order)
            text = row.to_json()
        except (ValueError, RecursionError) as unusable:
            result.letters.append(DeadLetter(message, _one_line(unusable)))
            continue
        if text not in seen:
            seen.add(text)
            result.rows.append(Outgoing(ANALYTICS_TOPIC, row.order_id.encode(), text, _traced(message)))
            result.sources.append(message)
    return result


def _one_line(error: Exception) -> str:
    kind = "not an event" if isinstance(error, NotAnEvent) else "no analytics row"
    return f"{kind}: {' '.join(str(error).split())}"


def _traced(message: Message) -> Headers:
    return [(name, value) for name, value in consumed_headers(message) if name == "traceparent"]
