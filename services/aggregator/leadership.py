"""One aggregator at work: the lease, kept by a loop of its own and asked by the others before every append."""

import time
from collections.abc import Callable
from typing import Final

from services.clients.backoff import Backoff
from services.clients.database import unavailable
from services.clients.lease import Lease
from services.observability import metrics
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import StopSignal

LEASE: Final = "aggregator"

log = get_logger()


class Leadership:
    """Holds the lease as long as it can be renewed; ``taken`` is called each time it was won.

    ``held`` goes by this process's monotonic clock from before the renewal was sent, so it ends no later than the
    lease does in the database, also when the database does not answer.
    """

    def __init__(self, lease: Lease, seconds: float, taken: Callable[[], None]) -> None:
        self._lease, self._seconds, self._taken = lease, seconds, taken
        self._until = 0.0

    def held(self) -> bool:
        """Whether this process may append. Safe to ask from any thread."""
        return time.monotonic() < self._until

    def keep(self, stop: StopSignal) -> None:
        """Wins and renews the lease until told to stop, then lets it go. The database may come and go meanwhile."""
        backoff = Backoff(longest=self._seconds / 3)
        while not stop.stopped:
            beat("lease", rest=self._seconds / 3)
            try:
                self.step()
                backoff.succeeded()
                pause = self._seconds / 3 if self.held() else min(1.0, self._seconds / 3)
            except Exception as error:
                if not unavailable(error):
                    raise
                pause = backoff.failed()
                log.warning("the database does not answer", error=str(error).splitlines()[0], again_in=round(pause, 1))
            metrics.AGGREGATOR_LEADING.set(self.held())
            stop.wait(pause)
        self._leave()

    def step(self) -> None:
        """Renews the lease, or tries to win it. Raises the database's errors."""
        asked = time.monotonic()
        if self._lease.token is not None:
            if self._lease.renew():
                self._until = asked + self._seconds
                return
            self._until, self._lease.token = 0.0, None
            log.warning("stepping back: the lease went to another aggregator")
        if self._lease.acquire() is not None:
            self._taken()
            self._until = asked + self._seconds
            log.info("aggregating", fencing_token=self._lease.token)

    def _leave(self) -> None:
        self._until = 0.0
        try:
            self._lease.release()
        except Exception as error:
            if not unavailable(error):
                raise
            log.warning("the lease runs out by itself: the database does not answer")
