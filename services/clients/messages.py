"""Messages to produce, and what became of them."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from confluent_kafka import KafkaError

Headers = list[tuple[str, bytes | None]]

# The broker says no to the message; sending it again changes nothing.
_REFUSALS: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    }
)
# The broker says no to the topic, whatever the message; once it is made, or allowed, the same message is taken.
_NO_WAY: Final = frozenset(
    {
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)


class BrokerAway(Exception):
    """No broker answers; nothing is known about what was asked. Try again later."""


class Outgoing(NamedTuple):
    """A message to produce."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size(self) -> int:
        """Bytes it takes in the log, uncompressed: what it holds, and no less than its share of the framing."""
        held = sum(len(name) + len(value or b"") + 4 for name, value in self.headers)
        return len(self.topic) + len(self.key or b"") + len(self.value or b"") + held + 90


class Fate(Enum):
    """What became of a message."""

    ACKNOWLEDGED = "acknowledged"
    """Every replica in sync has it."""
    REFUSED = "refused"
    """It cannot be produced as it is; sending it again changes nothing."""
    NO_TOPIC = "no topic"
    """Its topic is not there, or not for us, which is not the message's fault. Send it again when that is mended."""
    UNKNOWN = "unknown"
    """Not sent, or sent without an answer: it may or may not be in the log. Send it again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One message's fate: where it is in the log if it was acknowledged, else why it is not."""

    fate: Fate
    reason: str = ""
    partition: int = -1
    offset: int = -1


def outcome_of(error: KafkaError) -> Outcome:
    """What an error in a delivery report, or of `produce`, says about its message."""
    if error.code() in _REFUSALS:
        return Outcome(Fate.REFUSED, error.str())
    return Outcome(Fate.NO_TOPIC if error.code() in _NO_WAY else Fate.UNKNOWN, error.str())
