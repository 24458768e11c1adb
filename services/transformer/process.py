"""The producing step of the transformer."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import Message

from services.clients.backoff import Backoff
from services.clients.batches import Pause
from services.clients.dead_letters import DeadLetter, DeadLetters
from services.clients.delivery import ConfirmedProducer
from services.clients.messages import BrokerAway, Fate
from services.clients.unread import UnreadLimit
from services.observability import metrics
from services.observability.logging import get_logger
from services.transformer.transform import Transformed, transform

_READERS_BEHIND_SECONDS: Final = 0.05

log = get_logger()


class Transformer:
    """The work on one batch of events."""

    def __init__(self, producer: ConfirmedProducer, unread: UnreadLimit, dead_letters: DeadLetters) -> None:
        self._producer, self._unread, self._dead_letters = producer, unread, dead_letters

    def __call__(self, batch: Sequence[Message], pause: Pause) -> None:
        """When it returns, every row and every dead letter of the batch is on every replica in sync.

        When the process dies in it, some of them are: the batch is read again and they are produced once more, which
        the version of each row makes harmless.
        """
        transformed = transform(batch)
        self._produce(transformed, pause)
        self._dead_letters.store(transformed.letters, pause)

    def _produce(self, transformed: Transformed, pause: Pause) -> None:
        backoff = Backoff()
        while transformed.rows:
            wait = 0.0
            try:
                away = self._attempt(transformed)
            except BrokerAway as error:
                away = str(error)
            if away is not None:
                wait = backoff.failed()
                log.warning("rows not produced yet", rows=len(transformed.rows), error=away, again_in=round(wait, 1))
            elif transformed.rows:
                wait = _READERS_BEHIND_SECONDS
            if wait:
                pause(wait)

    def _attempt(self, transformed: Transformed) -> str | None:
        """Produces what there is room for and keeps what is left in ``transformed``; why some failed, if so."""
        admitted = self._unread.admit(transformed.rows)
        rows = [row for row, fits in zip(transformed.rows, admitted, strict=True) if fits]
        outcomes = iter(self._producer.send(rows))
        sent = [next(outcomes) if fits else None for fits in admitted]
        self._unread.sent(rows, [outcome for outcome in sent if outcome is not None])
        left, away = Transformed(), None
        for row, source, outcome in zip(transformed.rows, transformed.sources, sent, strict=True):
            if outcome is not None and outcome.fate is Fate.ACKNOWLEDGED:
                metrics.PRODUCED_ROWS.inc()
            elif outcome is not None and outcome.fate is Fate.REFUSED:  # the row itself, not its topic
                transformed.letters.append(DeadLetter(source, f"row refused: {outcome.reason}"))
            else:
                left.rows.append(row)
                left.sources.append(source)
                away = outcome.reason if outcome is not None and away is None else away
        transformed.rows, transformed.sources = left.rows, left.sources
        return away
