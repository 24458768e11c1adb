"""A few dead letters are stored; a flood of them is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.clients.batches import Stopped
from services.clients.dead_letters import DeadLetter, DeadLetters
from services.clients.delivery import ConfirmedProducer
from services.clients.letter_limit import LetterLimit
from services.clients.messages import Fate, Outcome, Outgoing
from tests.support.kafka_fakes import message


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def limit(most: int) -> tuple[LetterLimit, Clock]:
    clock = Clock()
    return LetterLimit(most, clock), clock


def test_so_many_within_an_hour() -> None:
    letters, clock = limit(10)
    assert letters.admits(6)
    clock.now += 3000
    assert letters.admits(4)
    clock.now += 700
    assert letters.admits(6), "the first six are an hour old"
    assert not letters.admits(1)


def test_beyond_it_none_until_the_process_is_another() -> None:
    letters, clock = limit(10)
    assert not letters.admits(11)
    clock.now += 10_000
    assert not letters.admits(1)
    assert letters.admits(0), "a batch without any goes on"


def test_there_may_be_no_limit() -> None:
    assert limit(0)[0].admits(1_000_000)


class Kept(ConfirmedProducer):
    """Acknowledges and keeps."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    def send(self, messages: Sequence[Outgoing], heartbeat: object = None) -> list[Outcome]:
        self.sent += messages
        return [Outcome(Fate.ACKNOWLEDGED)] * len(messages)


def test_at_the_limit_the_batch_waits_and_a_person_is_told() -> None:
    producer = Kept()
    letters = DeadLetters(producer, "test-limit", ".dlq", LetterLimit(2))
    bad = [DeadLetter(message(b"x", topic="rows", offset=n), "wrong") for n in range(3)]
    letters.store(bad[:2], lambda _seconds: None)
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            raise Stopped

    with capture_logs() as said, pytest.raises(Stopped):
        letters.store(bad[2:], pause)
    assert len(producer.sent) == 2
    assert len(waited) == 3
    (line,) = (entry for entry in said if entry["log_level"] == "error")
    assert "rows" in line["remedy"]
    assert "DEAD_LETTER_LIMIT" in line["remedy"]
    assert REGISTRY.get_sample_value("millrace_dead_letter_limit_reached", {"process": "test-limit"}) == 1
