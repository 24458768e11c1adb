"""Producing with an answer for every message: acknowledged, refused, or nobody knows.

A flush that returns is not success: the delivery report of each message is looked at.

Order. Within a partition messages reach the log in the order they were given, and none is left out before a later one:
librdkafka numbers them (idempotence) and the broker takes no number before its predecessor; a message that fails for
good makes the producer fail as a whole (`enable.gapless.guarantee`); there is no message timeout of librdkafka's,
which could drop one and send the next. Whoever gives up - after `patience` without any report - gives up on everything
queued at once, and the next send begins with a new producer. What of the old one was on its way may still arrive: a
duplicate of what is sent again, never an overtaking.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from services.clients.kafka import Configuration, make_producer
from services.clients.messages import BrokerAway, Fate, Outcome, Outgoing, outcome_of
from services.observability.heartbeat import beat
from services.observability.process import StopSignal

_SLICE_SECONDS: Final = 0.1
_AFTER_FATAL_SECONDS: Final = 1.0
_METADATA_SECONDS: Final = 2.0
_LAST_REPORTS_SECONDS: Final = 2.0

Heartbeat = Callable[[], bool]
"""Called about every 0.1 s while reports are awaited; False gives up what is outstanding."""


def until_stopped(stop: StopSignal) -> Heartbeat:
    """Goes on for 2 s after the process was told to stop: reports on their way spare duplicates."""
    told_at: list[float] = []

    def heartbeat() -> bool:
        beat()
        if stop.stopped and not told_at:
            told_at.append(time.monotonic())
        return not told_at or time.monotonic() - told_at[0] < _LAST_REPORTS_SECONDS

    return heartbeat


_BEHIND: Final = Outcome(Fate.UNKNOWN, "an earlier message of its key was not taken")


class ConfirmedProducer:
    """A producer that returns an outcome a message and is replaced after any failure."""

    def __init__(
        self,
        configuration: Configuration,
        patience: float,
        heartbeat: Heartbeat = lambda: True,
        make: Callable[[Configuration], Producer] = make_producer,
    ) -> None:
        """`patience`: seconds without any delivery report after which everything outstanding is given up."""
        self._configuration, self._patience, self._heartbeat, self._make = configuration, patience, heartbeat, make
        self._producer: Producer | None = None
        self._topics: frozenset[str] = frozenset()

    def send(self, messages: Sequence[Outgoing], heartbeat: Heartbeat | None = None) -> list[Outcome]:
        """Produces in order and returns when every message has its outcome, in the order given.

        A message behind one of its topic and key that was not taken is not sent (UNKNOWN). `heartbeat` takes the place
        of the producer's own. When the process dies in here, any of the messages may have been produced: send them
        again.
        """
        heartbeat = heartbeat or self._heartbeat
        outcomes = self._attempt(messages, heartbeat)
        if len(messages) > 1 and any(outcome.fate is Fate.REFUSED for outcome in outcomes):
            self._accuse(messages, outcomes, heartbeat)
        return outcomes

    def _accuse(self, messages: Sequence[Outgoing], outcomes: list[Outcome], heartbeat: Heartbeat) -> None:
        """A broker refuses a batch whole; sent alone, only those stay refused whose own fault it is."""
        stopped: set[tuple[str, bytes]] = set()
        goes_on = True
        for index, message in enumerate(messages):
            lane = _lane(message)
            if outcomes[index].fate is Fate.REFUSED:
                goes_on = goes_on and heartbeat()
                alone = goes_on and lane not in stopped
                outcomes[index] = self._attempt([message], heartbeat)[0] if alone else _BEHIND
            if outcomes[index].fate is not Fate.ACKNOWLEDGED and lane is not None:
                stopped.add(lane)

    def _attempt(self, messages: Sequence[Outgoing], heartbeat: Heartbeat) -> list[Outcome]:
        outcomes: list[Outcome | None] = [None] * len(messages)
        producer = self._current()
        self._give(producer, messages, outcomes)
        self._wait(producer, outcomes, heartbeat)
        if any(outcome is None or outcome.fate is not Fate.ACKNOWLEDGED for outcome in outcomes):
            self.abandon()
        return [outcome or Outcome(Fate.UNKNOWN, "no answer from the broker") for outcome in outcomes]

    def _give(self, producer: Producer, messages: Sequence[Outgoing], outcomes: list[Outcome | None]) -> None:
        stopped: set[tuple[str, bytes] | None] = set()
        for index, message in enumerate(messages):
            lane = _lane(message)
            if lane is not None and lane in stopped:
                outcomes[index] = _BEHIND
                continue
            try:
                self._produce(producer, message, partial(_report, outcomes, index))
            except KafkaException as error:
                outcomes[index] = outcome_of(error.args[0])
                stopped.add(lane)
            except (TypeError, ValueError) as error:
                outcomes[index] = Outcome(Fate.REFUSED, str(error))
                stopped.add(lane)

    def _produce(self, producer: Producer, message: Outgoing, report: Callable[[Any, Message], None]) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                producer.produce(
                    message.topic, message.value, message.key, headers=list(message.headers), on_delivery=report
                )
            except BufferError:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
                _served(producer)
            else:
                return

    def _wait(self, producer: Producer, outcomes: list[Outcome | None], heartbeat: Heartbeat) -> None:
        """Returns when every message has its report or patience, which begins anew with each one, is over."""
        missing = sum(outcome is None for outcome in outcomes)
        deadline = time.monotonic() + self._patience
        while missing:
            if not _served(producer):
                deadline = min(deadline, time.monotonic() + _AFTER_FATAL_SECONDS)
            left = sum(outcome is None for outcome in outcomes)
            if left and not heartbeat():
                return
            if left < missing:
                deadline = time.monotonic() + self._patience
            elif time.monotonic() > deadline:
                return
            missing = left

    def missing_topics(self, wanted: set[str]) -> set[str]:
        """Those of the wanted topics that the broker does not have. Raises BrokerAway."""
        if not wanted <= self._topics:
            try:
                self._topics = frozenset(self._current().list_topics(timeout=_METADATA_SECONDS).topics)
            except KafkaException as error:
                raise BrokerAway(str(error.args[0])) from None
        return wanted - self._topics

    def abandon(self) -> None:
        """Drops the producer with everything queued in it; the next use makes a new one.

        What is in flight is not purged: to a gapless producer that is a fatal error, and its fate is unknown anyway.
        """
        producer, self._producer, self._topics = self._producer, None, frozenset()
        if producer is not None:
            producer.purge(in_queue=True, in_flight=False, blocking=True)

    def close(self) -> None:
        """Ends the producer. Every `send` has returned, so nothing is outstanding."""
        self.abandon()

    def _current(self) -> Producer:
        if self._producer is None:
            self._producer = self._make(self._configuration)
        return self._producer


def _served(producer: Producer) -> bool:
    """Sends and takes reports for a moment. False after a fatal error; what it meant for a message is in its report."""
    try:
        producer.flush(_SLICE_SECONDS)
    except KafkaException:
        return False
    except BaseException:
        raise
    except:  # noqa: E722 - a fatal error from a purge is raised as a bare KafkaError, which is no BaseException
        return False
    return True


def _lane(message: Outgoing) -> tuple[str, bytes] | None:
    """What keeps its order: the messages of one topic and key."""
    return None if message.key is None else (message.topic, message.key)


def _report(outcomes: list[Outcome | None], index: int, error: KafkaError | None, message: Message) -> None:
    if error is not None:
        outcomes[index] = outcome_of(error)
    else:
        outcomes[index] = Outcome(Fate.ACKNOWLEDGED, "", message.partition() or 0, message.offset() or 0)
