"""The sink of SINK_MODE=connect: watches the connector that loads ClickHouse, and has it back when it FAILED.

The connector ends at the first error that it does not call passing, among them a full disk, a refused login, and a row
that does not fit (errors.tolerance=none in its configuration; with `all` it would put everything that it held into the
dead letters). So what FAILED is found within seconds, the sink takes its place until all that waited is in ClickHouse
or, the rows that are themselves wrong, in the dead letters (substitute.py), and then restarts it: what ended it lies
behind it. One that FAILED again and again is restarted with growing pauses, and the sink loads rows meanwhile.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

from services.clients.backoff import Backoff
from services.clients.connect import (
    SINK_CONNECTOR,
    ConnectError,
    ConnectorStatus,
    NoSuchConnector,
    State,
)
from services.clients.consumer import MessagesLost
from services.observability import metrics
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import StopSignal
from services.observability.troubles import Troubles
from services.sink.progress import Progress

_LOOK_SECONDS: Final = 2.0
_WELL_SECONDS: Final = 60.0
_STARTING_SECONDS: Final = 10.0
_REGISTERING_SECONDS: Final = 30.0
_LONGEST_PAUSE: Final = 60.0

log = get_logger()


class Trouble(StrEnum):
    """A kind of trouble; the metric's label."""

    CONNECT_AWAY = "connect_away"
    CONNECTOR_MISSING = "connector_missing"
    CONNECTOR_FAILED = "connector_failed"
    CONNECTOR_STOPPED = "connector_stopped"
    CONNECTOR_UNASSIGNED = "connector_unassigned"


class Connect(Protocol):
    """What is needed of services.clients.connect.ConnectClient."""

    def status(self, name: str) -> ConnectorStatus: ...
    def restart(self, name: str, *, only_failed: bool = False) -> None: ...


class Stands(Protocol):
    """What is needed of services.sink.substitute.Substitute."""

    def turn(self, least: float, stop: StopSignal) -> bool: ...


class Supervisor:
    """Looks at the connector every two seconds."""

    def __init__(
        self,
        connect: Connect,
        substitute: Stands,
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect, self._substitute, self._progress, self._clock = connect, substitute, progress, clock
        self._troubles: Troubles[Trouble] = Troubles(metrics.SINK_TROUBLE, "the connector works again", clock)
        self._away, self._pauses = Backoff(), Backoff(first=1, longest=_LONGEST_PAUSE)
        self._well_since: float | None = None
        self._restarted_at: float | None = None

    @property
    def trouble(self) -> Trouble | None:
        """What keeps the connector from its work now."""
        return self._troubles.now

    def run(self, stop: StopSignal) -> None:
        """Until told to stop."""
        while not stop.stopped:
            beat()
            rest = self.look(stop)
            beat(rest=rest)
            stop.wait(rest)

    def look(self, stop: StopSignal) -> float:
        """Looks once, and mends what it can. Returns the seconds to rest."""
        self._progress.look()
        try:
            pause = self._look(stop)
        except ConnectError as away:
            self._troubles.have(
                Trouble.CONNECT_AWAY,
                f"it cannot be seen whether rows are loaded: {away}",
                "bring Kafka Connect and the brokers behind it back, or correct CONNECT_URL",
                grace=_STARTING_SECONDS,
            )
            return self._away.failed()
        self._away.succeeded()
        return pause

    def _look(self, stop: StopSignal) -> float:
        try:
            status = self._connect.status(SINK_CONNECTOR)
        except NoSuchConnector:
            self._troubles.have(
                Trouble.CONNECTOR_MISSING,
                f"there is no connector {SINK_CONNECTOR}: rows wait in their topic",
                f"register schemas/connect/{SINK_CONNECTOR}.json (make register-connector CONNECTOR={SINK_CONNECTOR}), "
                "or set SINK_MODE=python",
                grace=_REGISTERING_SECONDS,
            )
            return _LOOK_SECONDS
        if status.running:
            self._works()
            return _LOOK_SECONDS
        self._well_since = None
        if status.failures:
            return self._failed(status, stop)
        if status.state in (State.PAUSED, State.STOPPED):
            self._troubles.have(
                Trouble.CONNECTOR_STOPPED,
                f"the connector {SINK_CONNECTOR} is {status.state}: rows wait in their topic",
                f"when nobody works on it: PUT /connectors/{SINK_CONNECTOR}/resume",
            )
        else:
            self._troubles.have(
                Trouble.CONNECTOR_UNASSIGNED,
                f"the connector {SINK_CONNECTOR} has no running task: rows wait in their topic",
                "the worker's log says what it waits for",
                grace=_STARTING_SECONDS,
            )
        return _LOOK_SECONDS

    def _works(self) -> None:
        self._restarted_at = None
        self._troubles.over()
        if self._well_since is None:
            self._well_since = self._clock()
        elif self._clock() - self._well_since >= _WELL_SECONDS:  # a task that cannot go on runs for a moment too
            self._pauses.succeeded()

    def _failed(self, status: ConnectorStatus, stop: StopSignal) -> float:
        if self._restarted_at is not None and self._clock() - self._restarted_at < _LOOK_SECONDS:
            return _LOOK_SECONDS  # it may be what it was before the restart
        self._troubles.have(
            Trouble.CONNECTOR_FAILED,
            f"the connector {SINK_CONNECTOR} FAILED: {status.cause}",
            "nothing: the sink loads the rows and restarts it; when it lasts, docs/failures.md",
        )
        try:
            done = self._substitute.turn(self._pauses.failed(), stop)
        except MessagesLost as lost:  # the connector goes on with the oldest that is left
            log.error(str(lost))
            done = False
        if stop.stopped:
            return 0
        log.info("the connector is restarted", connector=SINK_CONNECTOR, all_rows_done=done)
        self._connect.restart(SINK_CONNECTOR, only_failed=True)
        metrics.SINK_RESTARTS.inc()
        self._restarted_at = self._clock()
        return _LOOK_SECONDS
