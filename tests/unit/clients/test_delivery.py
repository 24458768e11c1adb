"""Every message has an outcome; order within a key survives every kind of failure."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from services.clients.delivery import ConfirmedProducer, until_stopped
from services.clients.messages import BrokerAway, Fate, Outgoing
from services.observability.process import StopSignal
from tests.support.kafka_fakes import FakeProducer, raising


def out(key: str, value: str) -> Outgoing:
    return Outgoing("order.events", key.encode(), value.encode(), [])


def confirmed(*producers: FakeProducer, patience: float = 0.0, **options: Any) -> ConfirmedProducer:
    left = list(producers)
    return ConfirmedProducer({}, patience, make=lambda _: cast(Producer, left.pop(0)), **options)


def test_every_message_is_acknowledged_in_the_order_given() -> None:
    fake = FakeProducer(lambda *_: None)
    outcomes = confirmed(fake).send([out("a", "1"), out("b", "2"), out("a", "3")])
    assert [outcome.fate for outcome in outcomes] == [Fate.ACKNOWLEDGED] * 3
    assert [outcome.offset for outcome in outcomes] == [0, 1, 2]
    assert [value for _, _, value in fake.log] == [b"1", b"2", b"3"]
    assert not fake.purged


def test_a_flush_that_returns_is_no_acknowledgement() -> None:
    fake = FakeProducer(lambda _t, key, _v: FakeProducer.silent if key == b"a" else None)
    outcomes = confirmed(fake).send([out("a", "1"), out("b", "2")])
    assert [outcome.fate for outcome in outcomes] == [Fate.UNKNOWN, Fate.ACKNOWLEDGED]


def test_after_a_failure_everything_queued_is_given_up_and_the_next_send_has_a_new_producer() -> None:
    first = FakeProducer(lambda *_: KafkaError._TIMED_OUT)
    second = FakeProducer(lambda *_: None)
    producer = confirmed(first, second)
    assert producer.send([out("a", "1")])[0].fate is Fate.UNKNOWN
    assert first.purged
    assert producer.send([out("a", "1")])[0].fate is Fate.ACKNOWLEDGED
    assert second.log == [("order.events", b"a", b"1")]


def test_nothing_of_a_key_is_given_to_the_producer_behind_a_message_that_it_did_not_take() -> None:
    def answer(_topic: str, _key: bytes | None, value: bytes | None) -> int | None:
        if value == b"too large":
            raise raising(KafkaError.MSG_SIZE_TOO_LARGE)
        return None

    fakes = [FakeProducer(answer) for _ in range(3)]
    outcomes = confirmed(*fakes).send([out("a", "too large"), out("b", "1"), out("a", "2")])
    assert [outcome.fate for outcome in outcomes] == [Fate.REFUSED, Fate.ACKNOWLEDGED, Fate.UNKNOWN]
    assert [value for fake in fakes for _, _, value in fake.log] == [b"1"]


def test_of_a_batch_that_the_broker_refuses_only_the_guilty_message_stays_refused() -> None:
    def refuses(values: set[bytes]) -> FakeProducer:
        return FakeProducer(lambda _t, _k, value: KafkaError.INVALID_RECORD if value in values else None)

    whole = refuses({b"1", b"bad", b"3", b"4"})
    alone = [refuses({b"bad"}) for _ in range(4)]
    outcomes = confirmed(whole, *alone).send([out("a", "1"), out("b", "bad"), out("b", "3"), out("c", "4")])
    assert [outcome.fate for outcome in outcomes] == [
        Fate.ACKNOWLEDGED,
        Fate.REFUSED,
        Fate.UNKNOWN,  # behind a refused one of its key
        Fate.ACKNOWLEDGED,
    ]
    assert [value for fake in alone for _, _, value in fake.log] == [b"1", b"4"]


@pytest.mark.parametrize(
    "code",
    [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError.NOT_ENOUGH_REPLICAS, KafkaError._FATAL],
)
def test_a_broker_that_does_not_answer_is_nobodys_fault(code: int) -> None:
    assert confirmed(FakeProducer(lambda *_: code)).send([out("a", "1")])[0].fate is Fate.UNKNOWN


def test_a_full_queue_is_waited_for() -> None:
    room = iter([False, False, True])

    def answer(*_: object) -> None:
        if not next(room, True):
            raise BufferError

    assert confirmed(FakeProducer(answer), patience=5).send([out("a", "1")])[0].fate is Fate.ACKNOWLEDGED


def test_the_heartbeat_gives_up_what_is_outstanding() -> None:
    beats = iter([True, True, False])
    fake = FakeProducer(lambda *_: FakeProducer.silent)
    outcomes = confirmed(fake, patience=60).send([out("a", "1")], lambda: next(beats))
    assert outcomes[0].fate is Fate.UNKNOWN
    assert fake.purged
    assert next(beats, None) is None


def test_reports_are_awaited_for_a_while_after_the_stop() -> None:
    stop = StopSignal()
    heartbeat = until_stopped(stop)
    assert heartbeat()
    stop.set()
    assert heartbeat()


def test_topics_that_do_not_exist_are_named() -> None:
    producer = confirmed(FakeProducer(lambda *_: None, topics=["order.events"]))
    assert producer.missing_topics({"order.events", "nope.events"}) == {"nope.events"}


def test_topics_cannot_be_told_without_a_broker() -> None:
    class Away(FakeProducer):
        def list_topics(self, timeout: float = 0) -> Any:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    with pytest.raises(BrokerAway):
        confirmed(Away(lambda *_: None)).missing_topics({"order.events"})
