"""Dead letters: what a consumer cannot use, byte for byte, with the reason and its origin in headers.

`<topic>.dlq` has the consumed key, value and headers, and the headers below beside them. A letter too large for its
topic goes without its value; the origin in the headers says where to find that.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from confluent_kafka import Message

from services.clients.backoff import Backoff
from services.clients.batches import Pause
from services.clients.delivery import ConfirmedProducer
from services.clients.letter_limit import LetterLimit
from services.clients.messages import Fate, Headers, Outgoing
from services.observability import metrics
from services.observability.logging import get_logger

REASON: Final = "millrace.error.reason"
TOPIC: Final = "millrace.error.topic"
PARTITION: Final = "millrace.error.partition"
OFFSET: Final = "millrace.error.offset"
TIME: Final = "millrace.error.time"
PROCESSOR: Final = "millrace.error.processor"
VALUE_LEFT_OUT: Final = "millrace.error.value.left.out"

_REASON_CHARACTERS: Final = 2000
_KEY_CHARACTERS: Final = 64
_AT_THE_LIMIT_SECONDS: Final = 5.0
_TOLD_AGAIN_SECONDS: Final = 60.0

log = get_logger()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A consumed message and why it cannot be used."""

    message: Message
    reason: str


class DeadLetters:
    """Puts letters into the dead letter topics of where they come from."""

    def __init__(self, producer: ConfirmedProducer, processor: str, suffix: str, limit: LetterLimit) -> None:
        self._producer, self._processor, self._suffix, self._limit = producer, processor, suffix, limit

    def store(self, letters: Sequence[DeadLetter], pause: Pause) -> None:
        """When it returns every letter is on every replica in sync. Waits as long as that takes; at the
        limit for ever, until `pause` raises.

        When the process dies in it, letters may be in their topic although their offsets are not committed: they are
        put there once more.
        """
        if not self._limit.admits(len(letters)):
            self._hold(letters, pause)
        waiting = [self._letter(letter) for letter in letters]
        backoff = Backoff()
        while waiting:
            outcomes = self._producer.send(waiting)
            left: list[Outgoing] = []
            for letter, outcome in zip(waiting, outcomes, strict=True):
                if outcome.fate is Fate.ACKNOWLEDGED:
                    metrics.DEAD_LETTERS.labels(self._processor, letter.topic).inc()
                elif outcome.fate is Fate.REFUSED and letter.value is not None:
                    left.append(_without_value(letter, outcome.reason))
                else:
                    left.append(letter)
                    log.warning("dead letter not stored yet", topic=letter.topic, error=outcome.reason)
            if len(left) == len(waiting):
                pause(backoff.failed())
            waiting = left

    def _hold(self, letters: Sequence[DeadLetter], pause: Pause) -> NoReturn:
        """Says once a minute that the messages wait."""
        metrics.DEAD_LETTER_LIMIT.labels(self._processor).set(1)
        told_at = 0.0
        while True:
            if time.monotonic() >= told_at:
                told_at = time.monotonic() + _TOLD_AGAIN_SECONDS
                log.error(
                    "too many dead letters: these and all later messages wait",
                    waiting=len(letters),
                    limit=self._limit.most,
                    why=letters[0].reason,
                    remedy=f"mend what writes {letters[0].message.topic()}, then start this process with a higher "
                    "DEAD_LETTER_LIMIT (0: none), which puts aside what is bad and goes on",
                )
            pause(_AT_THE_LIMIT_SECONDS)

    def _letter(self, letter: DeadLetter) -> Outgoing:
        message = letter.message
        topic = message.topic() or ""
        log.warning(
            "dead letter",
            topic=topic,
            partition=message.partition(),
            offset=message.offset(),
            key=_shown(message.key()),
            why=letter.reason,
        )
        told = {
            REASON: letter.reason[:_REASON_CHARACTERS],
            TOPIC: topic,
            PARTITION: str(message.partition()),
            OFFSET: str(message.offset()),
            TIME: datetime.now(UTC).isoformat(),
            PROCESSOR: self._processor,
        }
        headers = consumed_headers(message) + [(name, value.encode()) for name, value in told.items()]
        return Outgoing(topic + self._suffix, message.key(), message.value(), headers)


def _shown(key: str | bytes | None) -> str:
    text = key.decode(errors="replace") if isinstance(key, bytes) else key or ""
    return text[:_KEY_CHARACTERS]


def _without_value(letter: Outgoing, why: str) -> Outgoing:
    return letter._replace(value=None, headers=[*letter.headers, (VALUE_LEFT_OUT, why.encode())])


def consumed_headers(message: Message) -> Headers:
    """The headers of a consumed message, in their order."""
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]
