"""Producing the rows: nothing is left behind, nothing refused is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import KafkaError, Message, Producer

from services.clients.batches import Stopped
from services.clients.dead_letters import OFFSET, PARTITION, PROCESSOR, REASON, TOPIC, DeadLetters
from services.clients.delivery import ConfirmedProducer
from services.clients.letter_limit import LetterLimit
from services.clients.messages import Outgoing
from services.clients.unread import UnreadLimit
from services.events import DEAD_LETTER_SUFFIX
from services.transformer.process import Transformer
from tests.support.events import encoded, event
from tests.support.kafka_fakes import FakeProducer, message

Answer = Callable[[str, bytes | None, bytes | None], int | None]


class Stage:
    """A transformer whose broker answers as the test says at that moment."""

    def __init__(self, unread: UnreadLimit | None = None) -> None:
        self.answer: Answer = lambda *_: None
        self.log: list[tuple[str, bytes | None, bytes | None]] = []
        self.pauses: list[float] = []
        self.on_pause: Callable[[], None] = lambda: None
        producer = ConfirmedProducer({}, 0.0, make=lambda _: cast(Producer, self._make()))
        self.work = Transformer(
            producer,
            unread or UnreadLimit(0, {}),
            DeadLetters(producer, "transformer", DEAD_LETTER_SUFFIX, LetterLimit(0)),
        )

    def _make(self) -> FakeProducer:
        return FakeProducer(lambda *out: self.answer(*out), log=self.log)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.on_pause()

    def run(self, *batch: Message) -> None:
        self.work(batch, self.pause)

    def values(self, topic: str) -> list[bytes | None]:
        return [value for name, _, value in self.log if name == topic]


def test_rows_that_fail_are_produced_until_they_are_acknowledged_and_the_others_once() -> None:
    stage = Stage()
    stage.answer = lambda _topic, key, _value: KafkaError._TIMED_OUT if key == b"o2" else None

    def mend() -> None:
        if len(stage.pauses) == 2:
            stage.answer = lambda *_: None

    stage.on_pause = mend
    stage.run(*(message(encoded(event(order_id))) for order_id in ("o1", "o2", "o3")))
    assert [key for _, key, _ in stage.log] == [b"o1", b"o3", b"o2"]
    assert len(stage.pauses) == 2


def test_when_the_process_stops_the_work_is_broken_off() -> None:
    stage = Stage()
    stage.answer = lambda *_: KafkaError._TRANSPORT

    def stopped() -> None:
        raise Stopped

    stage.on_pause = stopped
    with pytest.raises(Stopped):
        stage.run(message(encoded(event())))


def test_a_poison_event_goes_to_the_dead_letters_byte_for_byte() -> None:
    stage = Stage()
    seen: list[Outgoing] = []
    original = ConfirmedProducer.send
    poison = message(
        b"\xff\x00 poison", topic="payment.events", partition=2, offset=7, key=b"\xfe", headers=[("h", b"\xfd")]
    )
    with pytest.MonkeyPatch.context() as patched:

        def spy(self: ConfirmedProducer, messages: list[Outgoing]) -> object:
            seen.extend(messages)
            return original(self, messages)

        patched.setattr(ConfirmedProducer, "send", spy)
        stage.run(poison, message(encoded(event())))
    letter = seen[-1]
    assert (letter.topic, letter.key, letter.value) == ("payment.events.dlq", b"\xfe", b"\xff\x00 poison")
    headers = dict(letter.headers)
    assert letter.headers[0] == ("h", b"\xfd")
    assert (headers[TOPIC], headers[PARTITION], headers[OFFSET]) == (b"payment.events", b"2", b"7")
    assert headers[PROCESSOR] == b"transformer"
    assert b"not an event" in (headers[REASON] or b"")
    assert len(stage.values("orders_analytics")) == 1


def test_the_work_is_not_done_before_the_dead_letter_is_acknowledged() -> None:
    stage = Stage()
    stage.answer = lambda topic, _key, _value: KafkaError._TIMED_OUT if topic.endswith(".dlq") else None

    def mend() -> None:
        stage.answer = lambda *_: None

    stage.on_pause = mend
    stage.run(message(b"poison"))
    assert len(stage.pauses) == 1
    assert stage.values("order.events.dlq") == [b"poison"]


def test_a_dead_letter_that_is_too_large_goes_without_its_value() -> None:
    stage = Stage()
    stage.answer = lambda _topic, _key, value: KafkaError.MSG_SIZE_TOO_LARGE if value == b"poison" else None
    stage.run(message(b"poison", key=b"k1"))
    assert stage.log == [("order.events.dlq", b"k1", None)]


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED])
@pytest.mark.parametrize("missing", ["orders_analytics", "order.events.dlq"])
def test_a_topic_that_is_missing_or_forbidden_is_waited_for(code: int, missing: str) -> None:
    """No row becomes a dead letter for it, and no dead letter loses its value."""
    stage = Stage()
    stage.answer = lambda topic, _key, _value: code if topic == missing else None

    def mend() -> None:
        if len(stage.pauses) == 3:
            stage.answer = lambda *_: None

    stage.on_pause = mend
    stage.run(message(encoded(event())), message(b"poison"))
    assert len(stage.values("orders_analytics")) == 1
    assert stage.values("order.events.dlq") == [b"poison"]


def test_a_row_that_the_broker_refuses_sends_its_event_to_the_dead_letters() -> None:
    stage = Stage()
    stage.answer = lambda topic, _key, _value: KafkaError.INVALID_RECORD if topic == "orders_analytics" else None
    stage.run(message(encoded(event())))
    assert stage.values("order.events.dlq") == [encoded(event())]


def test_rows_wait_while_the_sink_is_behind_and_none_is_lost() -> None:
    class Narrow(UnreadLimit):
        """Room for two rows at a time."""

        def admit(self, messages: object) -> list[bool]:
            assert isinstance(messages, list)
            return [number < 2 for number in range(len(messages))]

    stage = Stage(Narrow(1, {}))
    stage.run(*(message(encoded(event(f"o{number}"))) for number in range(5)))
    assert [key for _, key, _ in stage.log] == [f"o{number}".encode() for number in range(5)]
    assert len(stage.pauses) == 2
