"""The relay's rounds against a broker that the test plays: order, poison, outage, zombie."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import KafkaError, Producer
from sqlalchemy.engine import Engine

from services.clients.delivery import ConfirmedProducer
from services.clients.lease import Lease, LeaseLost, revoke
from services.clients.messages import Outgoing
from services.clients.unread import UnreadLimit
from services.observability.process import StopSignal
from services.relay.outbox import Event, Outbox
from services.relay.produce import Produce, message_of
from services.relay.relay import LEASE, Relay
from services.settings import RelaySettings
from tests.support.databases import on_sqlite_only
from tests.support.kafka_fakes import FakeProducer, raising
from tests.support.outbox import insert_event, pending, row, rows, seconds_from_now, set_columns

pytestmark = pytest.mark.real_servers

TOPICS = ["order.events", "payment.events", "inventory.events"]
Answer = Callable[[str, bytes | None, bytes | None], int | None]


class Stage:
    """A relay with this engine whose producers answer as the test says at that moment."""

    def __init__(self, engine: Engine, lease: Lease, unread: UnreadLimit | None = None) -> None:
        self.answer: Answer = lambda *_: None
        self.producers: list[FakeProducer] = []
        self.stop = StopSignal()
        producer = ConfirmedProducer({}, 0.0, make=lambda _: cast(Producer, self._make()))
        settings = RelaySettings.model_validate({"outbox_retention": 0})
        produce = Produce(producer, unread or UnreadLimit(0, {}))
        self.relay = Relay(Outbox(engine, lease), produce, lease, settings)

    def _make(self) -> FakeProducer:
        self.producers.append(FakeProducer(lambda *message: self.answer(*message), topics=TOPICS))
        return self.producers[-1]

    def round(self) -> float:
        return self.relay.round(self.stop)

    @property
    def log(self) -> list[str]:
        """The payloads in the order the broker has them."""
        return [(value or b"").decode() for producer in self.producers for _, _, value in producer.log]


@pytest.fixture
def stage(engine: Engine, lease: Lease) -> Stage:
    return Stage(engine, lease)


def failing(values: set[str], code: int) -> Answer:
    return lambda _topic, _key, value: code if (value or b"").decode() in values else None


def test_what_is_acknowledged_is_marked(engine: Engine, stage: Stage) -> None:
    for number in range(3):
        insert_event(engine, f"o{number}", str(number))
    stage.round()
    assert stage.log == ["0", "1", "2"]
    assert pending(engine) == 0


def test_what_is_not_acknowledged_is_not_marked(engine: Engine, stage: Stage) -> None:
    made = [insert_event(engine, f"o{number}", str(number)) for number in range(3)]
    stage.answer = failing({"1"}, FakeProducer.silent)
    stage.round()
    assert [row(engine, outbox_id).processed for outbox_id in made] == [True, False, True]
    stage.answer = failing(set(), 0)
    stage.round()
    assert pending(engine) == 0


def test_after_a_failed_delivery_nothing_later_of_the_aggregate_counts_before_it(engine: Engine, stage: Stage) -> None:
    """A1 fails, A2 is acknowledged all the same: both are produced again, in order."""
    insert_event(engine, "a", "A1")
    insert_event(engine, "a", "A2")
    insert_event(engine, "b", "B1")
    stage.answer = failing({"A1"}, KafkaError._TIMED_OUT)
    stage.round()
    assert [found.processed for found in rows(engine)] == [False, False, True]
    stage.answer = failing(set(), 0)
    stage.round()
    assert stage.log[-2:] == ["A1", "A2"]
    assert pending(engine) == 0


def test_a_poison_event_holds_back_its_aggregate_alone(engine: Engine, stage: Stage) -> None:
    def answer(_topic: str, _key: bytes | None, value: bytes | None) -> int | None:
        if value == b"poison":
            raise raising(KafkaError.MSG_SIZE_TOO_LARGE)
        return None

    stage.answer = answer
    poison = insert_event(engine, "a", "poison")
    behind = insert_event(engine, "a", "A2")
    others = [insert_event(engine, f"o{number}", f"other {number}") for number in range(20)]
    stage.round()
    assert all(row(engine, outbox_id).processed for outbox_id in others)
    found = row(engine, poison)
    assert (found.processed, found.retry_count) == (False, 1)
    assert "too large" in found.last_error
    assert found.next_attempt_at is not None
    set_columns(engine, poison, next_attempt_at=seconds_from_now(60))
    stage.round()
    assert "A2" not in stage.log
    assert (row(engine, poison).retry_count, row(engine, behind).processed) == (1, False)


def test_an_attempt_after_another_waits_longer(engine: Engine, stage: Stage) -> None:
    def waits(retry_count: int) -> float:
        made = insert_event(engine, f"o{retry_count}", aggregate_type="Nonsense", retry_count=retry_count)
        stage.round()
        wait: float = (row(engine, made).next_attempt_at - seconds_from_now(0)).total_seconds()
        return wait

    assert waits(0) < 0.6 < 2 < waits(5) < 20 < 28 < waits(30) <= 60


def test_text_that_is_no_utf8_is_the_events_own_fault(engine: Engine, stage: Stage) -> None:
    """MySQL can hold what Python cannot encode; such a row must not stop the others."""
    bad = Event(1, "Order", "a", "OrderCreated", "e1", "order.events", "\ud800", None, 0)
    good = Event(2, "Order", "b", "OrderCreated", "e2", "order.events", "{}", "00-trace", 0)
    produce = Produce(ConfirmedProducer({}, 0.0, make=lambda _: cast(Producer, stage._make())), UnreadLimit(0, {}))
    produced = produce([bad, good], lambda: True)
    assert [event.id for event, _ in produced.refused] == [1]
    assert [event.id for event in produced.acknowledged] == [2]


def test_an_unknown_aggregate_type_is_refused_with_its_topic_named(engine: Engine, stage: Stage) -> None:
    made = insert_event(engine, "x", aggregate_type="Nonsense")
    insert_event(engine, "a", "good")
    stage.round()
    assert stage.log == ["good"]
    assert "nonsense.events does not exist" in row(engine, made).last_error


def test_a_topic_of_ours_that_is_missing_is_no_events_fault(
    engine: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a first start in the wrong order: an hour's refusals would hold back every order for a minute more."""
    made = insert_event(engine, "a", "A1")
    monkeypatch.setattr(__name__ + ".TOPICS", ["payment.events", "inventory.events"])
    assert stage.round() > 0
    found = row(engine, made)
    assert (found.processed, found.retry_count, found.next_attempt_at) == (False, 0, None)
    monkeypatch.undo()
    stage.relay.forget()
    stage.round()
    assert stage.log == ["A1"]


def test_a_topic_of_ours_that_went_away_meanwhile_is_no_events_fault_either(engine: Engine, stage: Stage) -> None:
    made = insert_event(engine, "a", "A1")
    stage.answer = lambda *_: KafkaError.UNKNOWN_TOPIC_OR_PART
    stage.round()
    assert (row(engine, made).processed, row(engine, made).retry_count) == (False, 0)


def test_an_outage_is_no_events_fault(engine: Engine, stage: Stage) -> None:
    made = [insert_event(engine, f"o{number}") for number in range(3)]
    stage.answer = lambda *_: KafkaError._TRANSPORT
    first, second = stage.round(), stage.round()
    assert 0 < first < second * 2.01
    for outbox_id in made:
        found = row(engine, outbox_id)
        assert (found.processed, found.retry_count, found.next_attempt_at) == (False, 0, None)
    stage.answer = failing(set(), 0)
    stage.round()
    assert pending(engine) == 0


def test_a_zombies_marks_change_no_row(engine: Engine, stage: Stage) -> None:
    """The lease is taken away while the events are on their way."""
    insert_event(engine, "a", "A1")

    def answer(*_: object) -> None:
        revoke(engine, LEASE)

    stage.answer = answer
    with pytest.raises(LeaseLost):
        stage.round()
    assert stage.log == ["A1"]
    assert pending(engine) == 1


def test_a_relay_that_lost_its_lease_steps_back_and_the_next_one_goes_on(engine: Engine, stage: Stage) -> None:
    other = Lease(engine, LEASE, "another relay", 30)
    revoke(engine, LEASE)
    assert other.acquire()
    insert_event(engine, "a", "A1")
    with pytest.raises(LeaseLost):
        stage.relay.step(stage.stop)
    assert stage.log == []
    successor = Stage(engine, other)
    successor.relay.step(successor.stop)
    assert successor.log == ["A1"]
    assert pending(engine) == 0


def test_the_other_relay_waits_and_takes_over(engine: Engine, stage: Stage) -> None:
    waiting = Lease(engine, LEASE, "another relay", 30)
    second = Stage(engine, waiting)
    insert_event(engine, "a", "A1")
    assert second.relay.step(second.stop) > 0
    assert second.log == []
    stage.stop.set()
    stage.relay.run(stage.stop)  # leaves at once and gives the lease back
    second.relay.step(second.stop)
    second.relay.step(second.stop)
    assert second.log == ["A1"]


def test_events_that_wait_for_readers_are_not_marked(engine: Engine, lease: Lease) -> None:
    class Shut(UnreadLimit):
        def admit(self, messages: object) -> list[bool]:
            assert isinstance(messages, list)
            return [message.topic != "order.events" for message in messages]

    stage = Stage(engine, lease, Shut(1, {}))
    held = insert_event(engine, "a", "held")
    free = insert_event(engine, "101", "free", "Inventory")
    stage.round()
    assert stage.log == ["free"]
    assert (row(engine, held).processed, row(engine, held).retry_count) == (False, 0)
    assert row(engine, free).processed


def test_the_message_is_as_the_contract_says(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1", '{"a": 1}', traceparent="00-abc-01", event_id="e-1")
    (event,) = Outbox(engine, Lease(engine, LEASE, "reader", 1)).waiting(1)
    assert message_of(event) == Outgoing(
        "order.events",
        b"o1",
        b'{"a": 1}',
        [
            ("eventType", b"OrderCreated"),
            ("aggregateType", b"Order"),
            ("eventId", b"e-1"),
            ("traceparent", b"00-abc-01"),
        ],
    )


def test_an_event_without_a_trace_says_so(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1")
    (event,) = Outbox(engine, Lease(engine, LEASE, "reader", 1)).waiting(1)
    assert message_of(event).headers[-1] == ("traceparent", None)


def test_a_row_held_back_by_hand_is_released_when_its_time_has_come(engine: Engine, stage: Stage) -> None:
    made = insert_event(engine, "a", "A1")
    set_columns(engine, made, next_attempt_at=seconds_from_now(60))
    stage.round()
    assert stage.log == []
    set_columns(engine, made, next_attempt_at=seconds_from_now(-1))
    stage.round()
    assert stage.log == ["A1"]


@on_sqlite_only
def test_a_payload_that_is_no_text_is_the_events_own_fault(engine: Engine, stage: Stage) -> None:
    """SQLite stores bytes in a text column when a hand puts them there."""
    made = insert_event(engine, "a", payload=b"\xff\x00")  # type: ignore[arg-type]  # the hand does
    insert_event(engine, "b", "good")
    stage.round()
    assert stage.log == ["good"]
    assert row(engine, made).retry_count == 1
