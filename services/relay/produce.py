"""The relay's middle step: a batch of events to Kafka, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.clients.delivery import ConfirmedProducer, Heartbeat
from services.clients.messages import BrokerAway, Fate, Headers, Outcome, Outgoing
from services.clients.unread import UnreadLimit
from services.events.topics import EVENT_TOPICS
from services.relay.outbox import Aggregate, Event

_OURS: Final = frozenset(EVENT_TOPICS)
"""Topics whose absence is the cluster's state and no event's fault; a wrong aggregate_type makes any other name."""


@dataclass(slots=True)
class Produced:
    """What became of a batch. An event in none of the lists stays as it is and is read again."""

    acknowledged: list[Event] = field(default_factory=list)
    refused: list[tuple[Event, str]] = field(default_factory=list)
    held_back: int = 0
    """Events that wait for the readers of their topic."""
    away: str | None = None
    """Why the broker answers nothing; no event's fault."""


class Produce:
    """Produces events in id order.

    When it returns, every acknowledged event is on every replica in sync, and so is everything of its aggregate that
    came before it in the batch. When the process dies in it, any event of the batch may be in its topic: all of them
    are still unprocessed in the outbox and are produced again.
    """

    def __init__(self, producer: ConfirmedProducer, unread: UnreadLimit) -> None:
        self._producer, self._unread = producer, unread

    def __call__(self, events: Sequence[Event], heartbeat: Heartbeat) -> Produced:
        """`heartbeat` as in ConfirmedProducer.send."""
        produced = Produced()
        try:
            missing = self._producer.missing_topics({event.topic for event in events})
            if unmade := missing & _OURS:
                return Produced(away=f"no topic {', '.join(sorted(unmade))}: run `millrace provision topics`")
            fit = _encode(events, missing, produced)
            admitted = self._unread.admit([message for _, message in fit])
        except BrokerAway as away:
            return Produced(away=str(away))
        produced.held_back = admitted.count(False)
        batch = [pair for pair, fits in zip(fit, admitted, strict=True) if fits]
        messages = [message for _, message in batch]
        outcomes = self._producer.send(messages, heartbeat)
        self._unread.sent(messages, outcomes)
        _sort_out([event for event, _ in batch], outcomes, produced)
        return produced

    def abandon(self) -> None:
        """Forgets the producer: what it sent speaks for a lease that is gone."""
        self._producer.abandon()

    def close(self) -> None:
        """Ends the connections to the brokers."""
        self._producer.close()
        self._unread.close()


def _encode(events: Sequence[Event], missing: set[str], produced: Produced) -> list[tuple[Event, Outgoing]]:
    """The messages of the events; one that cannot be made is refused and stops its aggregate."""
    fit: list[tuple[Event, Outgoing]] = []
    stopped: set[Aggregate] = set()
    for event in events:
        if event.aggregate in stopped:
            continue
        try:
            if event.topic in missing:
                raise ValueError(f"topic {event.topic} does not exist, or not for us: is its aggregate_type right?")
            fit.append((event, message_of(event)))
        except (ValueError, TypeError, AttributeError) as refused:  # a column may hold what is no text in SQLite
            produced.refused.append((event, str(refused)))
            stopped.add(event.aggregate)
    return fit


def message_of(event: Event) -> Outgoing:
    """The event as contracts say: key = aggregate id, value = payload. Raises ValueError for text that is no UTF-8."""
    headers: Headers = [
        ("eventType", event.event_type.encode()),
        ("aggregateType", event.aggregate_type.encode()),
        ("eventId", event.event_id.encode()),
        # null where there is none: Debezium's event router cannot leave it out, and both make the same bytes
        ("traceparent", None if event.traceparent is None else event.traceparent.encode()),
    ]
    return Outgoing(event.topic, event.aggregate_id.encode(), event.payload.encode(), headers)


def _sort_out(events: Sequence[Event], outcomes: Sequence[Outcome], produced: Produced) -> None:
    """What counts as relayed: of each aggregate, the acknowledged events before the first that is not.

    With idempotence, without gaps and without librdkafka's own timeout, an acknowledged event behind one that failed
    does not occur (clients/delivery.py). If it did, marking it would put it into the topic before its predecessor and
    never after: unmarked, both are produced again, in order.
    """
    stopped: set[Aggregate] = set()
    for event, outcome in zip(events, outcomes, strict=True):
        if event.aggregate in stopped:
            continue
        if outcome.fate is Fate.ACKNOWLEDGED:
            produced.acknowledged.append(event)
            continue
        stopped.add(event.aggregate)
        if outcome.fate is Fate.REFUSED or (outcome.fate is Fate.NO_TOPIC and event.topic not in _OURS):
            produced.refused.append((event, outcome.reason))
    if outcomes and not produced.acknowledged and not produced.refused:
        produced.away = outcomes[0].reason
