"""What a relay of either mode does around its rounds: hold the lease, wait for the database, purge, measure."""

import time
from abc import ABC, abstractmethod
from typing import Final

from services.clients.backoff import Backoff
from services.clients.database import unavailable
from services.clients.lease import Lease, LeaseLost
from services.observability import metrics
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import StopSignal
from services.relay.outbox import Outbox
from services.settings import RelaySettings

LEASE: Final = "relay"
_PURGE_EVERY, _PURGE_ON = 60.0, 0.2
_BACKLOG_EVERY: Final = 5.0

log = get_logger()


class Leading(ABC):
    """One of several; the one with the lease does its rounds, the others wait to take over."""

    def __init__(self, outbox: Outbox, lease: Lease, settings: RelaySettings) -> None:
        self._outbox, self._lease, self._settings = outbox, lease, settings
        self._database = Backoff()
        self._renew_at = self._purge_at = self._backlog_at = 0.0

    @abstractmethod
    def round(self, stop: StopSignal) -> float:
        """One round of work. Returns the seconds to rest. Raises LeaseLost or the database's errors."""

    @abstractmethod
    def forget(self) -> None:
        """Drops what is under way: it was begun under a lease that is gone."""

    @abstractmethod
    def close(self) -> None:
        """Ends the connections."""

    def run(self, stop: StopSignal) -> None:
        """Works until told to stop. Neighbours may come and go meanwhile."""
        while not stop.stopped:
            beat()
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
            beat(rest=pause)
            stop.wait(pause)
        self._leave()

    def step(self, stop: StopSignal) -> float:
        """Takes the lease or does one round. Returns the seconds to rest. Raises LeaseLost or the database's errors."""
        if self._lease.token is None:
            return self._wait_for_lease()
        self.keep_lease()
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

    def keep_lease(self) -> None:
        """Renews the lease when a third of its time is over. Raises LeaseLost."""
        beat()  # long work calls this between its parts
        if time.monotonic() >= self._renew_at:
            self.renew_lease()

    def renew_lease(self) -> None:
        """Renews the lease now. Raises LeaseLost."""
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
        self.forget()
        for gauge in (metrics.RELAY_LEADING, metrics.OUTBOX_BACKLOG, metrics.OUTBOX_OLDEST):
            gauge.set(0)  # what waits is for the relay that leads now to tell

    def _leave(self) -> None:
        try:
            self._lease.release()
        except Exception as error:
            if not unavailable(error):
                raise
            log.warning("the lease runs out by itself: the database does not answer")
        self.close()
