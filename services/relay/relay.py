"""The relay's rounds: hold the lease, read, produce, record, rest."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from services.clients.backoff import Backoff, exponential
from services.clients.database import unavailable
from services.clients.delivery import Heartbeat, until_stopped
from services.clients.lease import Lease, LeaseLost
from services.observability import metrics
from services.observability.logging import get_logger
from services.observability.process import StopSignal
from services.relay.outbox import Outbox, Refusal
from services.relay.pace import Pace
from services.relay.produce import Produce, Produced
from services.settings import RelaySettings

T = TypeVar("T")

LEASE: Final = "relay"
_FIRST_RETRY_SECONDS: Final = 0.5
_READERS_BEHIND_SECONDS: Final = 0.05
_PURGE_EVERY, _PURGE_ON = 60.0, 0.2
_BACKLOG_EVERY: Final = 5.0

log = get_logger()


class Relay:
    """One relay. Several may run; the one with the lease works, the others wait to take over."""

    def __init__(self, outbox: Outbox, produce: Produce, lease: Lease, settings: RelaySettings) -> None:
        self._outbox, self._produce, self._lease, self._settings = outbox, produce, lease, settings
        self._pace = Pace(settings.outbox_polling_interval)
        self._broker, self._database = Backoff(), Backoff()
        self._renew_at = self._purge_at = self._backlog_at = 0.0

    def run(self, stop: StopSignal) -> None:
        """Works until told to stop. Broker and database may come and go meanwhile."""
        while not stop.stopped:
            try:
                pause = self.step(stop)
                self._database.succeeded()
            except LeaseLost as lost:
                log.warning("stepping back", reason=str(lost))
                self._step_back()
                pause = 0.0
            except Exception as error:
                if not unavailable(error):
                    raise
                pause = self._database.failed()
                log.warning("the database does not answer", error=str(error).splitlines()[0], again_in=round(pause, 1))
            stop.wait(pause)
        self._leave()

    def step(self, stop: StopSignal) -> float:
        """Takes the lease or does one round. Returns the seconds to rest. Raises LeaseLost or the database's errors."""
        if self._lease.token is None:
            return self._wait_for_lease()
        self._keep_lease()
        pause = self.round(stop)
        self._housekeeping()
        return pause

    def _wait_for_lease(self) -> float:
        if self._lease.acquire() is None:
            return min(1.0, self._settings.relay_lease_seconds / 3)
        self._renewed()
        metrics.RELAY_LEADING.set(1)
        log.info("relaying", fencing_token=self._lease.token)
        return 0.0

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
                self._keep_lease()
            except LeaseLost:
                return False  # recording finds it lost too
            except Exception as error:
                if not unavailable(error):
                    raise
                return False
            return goes_on()

        return heartbeat

    def _keep_lease(self) -> None:
        if time.monotonic() < self._renew_at:
            return
        if not self._lease.renew():
            raise LeaseLost(f"the lease {LEASE} went to another relay")
        self._renewed()

    def _renewed(self) -> None:
        self._renew_at = time.monotonic() + self._settings.relay_lease_seconds / 3

    def _housekeeping(self) -> None:
        now = time.monotonic()
        if now >= self._backlog_at:
            self._backlog_at = now + _BACKLOG_EVERY
            backlog = self._outbox.backlog()
            metrics.OUTBOX_BACKLOG.set(backlog.rows)
            metrics.OUTBOX_OLDEST.set(backlog.oldest_age)
        if self._settings.outbox_retention and now >= self._purge_at:
            deleted = self._outbox.purge(self._settings.outbox_retention)
            self._purge_at = now + (_PURGE_ON if deleted else _PURGE_EVERY)
            metrics.OUTBOX_PURGED.inc(deleted)

    def _step_back(self) -> None:
        self._lease.token = None
        self._produce.abandon()
        metrics.RELAY_LEADING.set(0)

    def _leave(self) -> None:
        try:
            self._lease.release()
        except Exception as error:
            if not unavailable(error):
                raise
            log.warning("the lease runs out by itself: the database does not answer")
        self._produce.close()


def _timed(step: str, work: Callable[[], T]) -> T:
    with metrics.RELAY_STEP_SECONDS.labels(step).time():
        return work()
