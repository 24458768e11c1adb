"""The relay's rounds: read, produce, record, rest."""

from collections.abc import Callable
from typing import Final, TypeVar

from services.clients.backoff import Backoff, exponential
from services.clients.database import unavailable
from services.clients.delivery import Heartbeat, until_stopped
from services.clients.lease import Lease, LeaseLost
from services.observability import metrics
from services.observability.logging import get_logger
from services.observability.process import StopSignal
from services.relay.leading import LEASE as LEASE
from services.relay.leading import Leading
from services.relay.outbox import Outbox, Refusal
from services.relay.pace import Pace
from services.relay.produce import Produce, Produced
from services.settings import RelaySettings

T = TypeVar("T")

_FIRST_RETRY_SECONDS: Final = 0.5
_READERS_BEHIND_SECONDS: Final = 0.05

log = get_logger()


class Relay(Leading):
    """Produces what waits in the outbox and marks what every replica has."""

    def __init__(self, outbox: Outbox, produce: Produce, lease: Lease, settings: RelaySettings) -> None:
        super().__init__(outbox, lease, settings)
        self._produce = produce
        self._pace = Pace(settings.outbox_polling_interval)
        self._broker = Backoff()

    def round(self, stop: StopSignal) -> float:
        """Reads a batch, produces it, records what became of it. Returns the seconds to rest."""
        limit = self._settings.outbox_batch_size
        events = _timed("read", lambda: self._outbox.waiting(limit))
        if not events:
            return self._pace.rest(worked=False, more=False)
        metrics.RELAY_BATCH.observe(len(events))
        produced = _timed("produce", lambda: self._produce(events, self._heartbeat(stop)))
        refused = [
            Refusal(
                event,
                reason,
                exponential(event.retry_count + 1, _FIRST_RETRY_SECONDS, self._settings.outbox_max_backoff),
            )
            for event, reason in produced.refused
        ]
        if produced.acknowledged or refused:
            _timed("record", lambda: self._outbox.record(produced.acknowledged, refused))
        self._tell(produced)
        return self._rest(produced, more=len(events) == limit)

    def _rest(self, produced: Produced, more: bool) -> float:
        if produced.away is not None:
            pause = self._broker.failed()
            log.warning("the broker does not answer", error=produced.away, again_in=round(pause, 1))
            return pause
        self._broker.succeeded()
        if produced.held_back:
            return _READERS_BEHIND_SECONDS
        return self._pace.rest(worked=True, more=more)

    @staticmethod
    def _tell(produced: Produced) -> None:
        for event in produced.acknowledged:
            metrics.OUTBOX_RELAYED.labels(event.topic).inc()
        for event, reason in produced.refused:
            metrics.OUTBOX_REFUSED.labels(event.topic).inc()
            log.warning("event refused", outbox_id=event.id, aggregate=event.aggregate_id, reason=reason)
        metrics.OUTBOX_HELD_BACK.inc(produced.held_back)

    def _heartbeat(self, stop: StopSignal) -> Heartbeat:
        """While reports are awaited: keeps the lease; False when it is lost or the process has to end."""
        goes_on = until_stopped(stop)

        def heartbeat() -> bool:
            try:
                self.keep_lease()
            except LeaseLost:
                return False  # recording finds it lost too
            except Exception as error:
                if not unavailable(error):
                    raise
                return False
            return goes_on()

        return heartbeat

    def forget(self) -> None:
        self._produce.abandon()

    def close(self) -> None:
        self._produce.close()


def _timed(step: str, work: Callable[[], T]) -> T:
    with metrics.RELAY_STEP_SECONDS.labels(step).time():
        return work()
