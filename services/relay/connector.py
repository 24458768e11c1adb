"""The connector outbox-debezium: how far it has come, how it is doing, and what can be done when it FAILED."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from services.clients.backoff import Backoff
from services.clients.connect import ConnectorStatus, NoSuchConnector, Offset, State
from services.observability import metrics
from services.observability.logging import get_logger
from services.relay.position import Committed
from services.relay.troubles import Trouble, Troubles

CONNECTOR: Final = "outbox-debezium"
_ANEW_EVERY: Final = 3
_CAUSE_CHARACTERS: Final = 300
_WELL_SECONDS: Final = 60.0
_GUIDE: Final = "docs/debezium.md"

log = get_logger()


class Connect(Protocol):
    """What the follower needs of services.clients.connect.ConnectClient."""

    def status(self, name: str) -> ConnectorStatus: ...
    def offsets(self, name: str) -> tuple[Offset, ...]: ...
    def restart(self, name: str, *, only_failed: bool = False) -> None: ...
    def stop(self, name: str) -> None: ...
    def reset_offsets(self, name: str) -> None: ...
    def resume(self, name: str) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class _Moved:
    """The offset seen last and when it was first seen."""

    offset: Mapping[str, Any] | None
    at: float


class Connector:
    """The connector as the follower sees it. A FAILED one is restarted, every third time anew.

    Anew means without its offset, so that it reads what is unprocessed from the table. Nothing is lost by that, because
    a row is marked only after it was delivered; what waited is sent once more. It helps where reading on can not: an
    event too large for Kafka, a log that is gone, a lost schema history.
    """

    def __init__(self, connect: Connect, troubles: Troubles, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect, self._troubles, self._clock = connect, troubles, clock
        self._moved = _Moved(None, clock())
        self._patience = Backoff(first=5, longest=300)
        self._attempts, self._repair_at, self._well_since = 0, 0.0, clock()
        self._anew = False
        metrics.FOLLOWER_OFFSET_AGE.set_function(lambda: self.offset_age)

    @property
    def offset_age(self) -> float:
        """Seconds since the committed offset was seen to move."""
        return self._clock() - self._moved.at

    def committed(self) -> Committed | None:
        """The offset that Connect has committed; None before the first. Raises ConnectError and NotAnOffset."""
        found = None
        for entry in self._offsets():
            if entry.partition.get("server") == CONNECTOR:  # its topic.prefix; others are of former configurations
                found = entry.offset
        if found != self._moved.offset:
            self._moved = _Moved(found, self._clock())
        if found is None:
            return None
        committed = Committed.of(found)
        metrics.FOLLOWER_OFFSET_FILE.set(committed.position.number)
        metrics.FOLLOWER_OFFSET_BYTES.set(committed.position.offset)
        return committed

    def _offsets(self) -> tuple[Offset, ...]:
        try:
            return self._connect.offsets(CONNECTOR)
        except NoSuchConnector:  # `works` says so
            return ()

    def works(self) -> bool:
        """Whether its task runs; what is wrong otherwise is said, and a task that FAILED is taken care of.

        Raises ConnectError when Connect does not answer.
        """
        try:
            status = self._connect.status(CONNECTOR)
        except NoSuchConnector:
            self._troubles.have(
                Trouble.CONNECTOR_MISSING,
                f"there is no connector {CONNECTOR}: events wait in the outbox",
                f"register schemas/connect/{CONNECTOR}.json (make register-connector CONNECTOR={CONNECTOR}), "
                "or set RELAY_MODE=outbox",
                grace=5,
            )
            return False
        if status.running and not self._anew:
            if self._clock() - self._well_since >= _WELL_SECONDS:  # a task that cannot go on runs for a moment too
                self._attempts = 0
                self._patience.succeeded()
            return True
        self._well_since = self._clock()
        if self._anew:
            self._begin_anew(status)
        elif status.failures:
            self._failed(status)
        elif status.state in (State.PAUSED, State.STOPPED):
            self._troubles.have(
                Trouble.CONNECTOR_STOPPED,
                f"the connector {CONNECTOR} is {status.state}: events wait in the outbox",
                f"when nobody works on it: PUT /connectors/{CONNECTOR}/resume",
            )
        return False

    def _failed(self, status: ConnectorStatus) -> None:
        cause = status.cause[:_CAUSE_CHARACTERS]
        self._troubles.have(
            Trouble.CONNECTOR_FAILED,
            f"the connector {CONNECTOR} FAILED: {cause}",
            f"it is restarted by itself, every {_ANEW_EVERY}rd time from a new snapshot; see {_GUIDE}",
        )
        if self._clock() < self._repair_at:
            return
        self._attempts += 1
        self._repair_at = self._clock() + self._patience.failed()
        self._anew = self._attempts % _ANEW_EVERY == 0
        remedy = "anew" if self._anew else "restart"
        log.warning("the connector is restarted", connector=CONNECTOR, remedy=remedy)
        metrics.FOLLOWER_RESTARTS.labels(remedy).inc()
        if self._anew:
            self._begin_anew(status)
        else:
            self._connect.restart(CONNECTOR, only_failed=True)

    def _begin_anew(self, status: ConnectorStatus) -> None:
        """The next of three steps, until all are done, whatever Connect answers in between: stop, forget, resume."""
        if status.state is not State.STOPPED or status.tasks:
            self._connect.stop(CONNECTOR)
            return
        self._connect.reset_offsets(CONNECTOR)
        self._connect.resume(CONNECTOR)
        self._anew = False

    def close(self) -> None:
        """Ends the connections to Connect."""
        self._connect.close()
