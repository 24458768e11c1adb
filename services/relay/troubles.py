"""What keeps the follower from marking: said when it has lasted, again every minute, and when it is over."""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from services.observability import metrics
from services.observability.logging import get_logger

_AGAIN_SECONDS: Final = 60.0

log = get_logger()


class Trouble(StrEnum):
    """A kind of trouble; the metric's label."""

    CONNECT_AWAY = "connect_away"
    CONNECTOR_MISSING = "connector_missing"
    CONNECTOR_FAILED = "connector_failed"
    CONNECTOR_STOPPED = "connector_stopped"
    NO_OFFSET = "no_offset"
    SNAPSHOT = "snapshot"
    STUCK = "stuck"
    ANOTHER_LOG = "another_log"
    PURGED = "purged"


class Troubles:
    """At most one trouble at a time: the one that explains why nothing is marked now."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._now: Trouble | None = None
        self._since = self._say_at = 0.0
        self._said = False

    @property
    def now(self) -> Trouble | None:
        """The trouble there is."""
        return self._now

    def have(self, trouble: Trouble, line: str, remedy: str, grace: float = 0) -> None:
        """It is there (still or newly); said once it has lasted for `grace` seconds."""
        if trouble is not self._now:
            self._end()
            self._now, self._since, self._said = trouble, self._clock(), False
            self._say_at = self._since + grace
            metrics.FOLLOWER_TROUBLE.labels(trouble).set(1)
        if self._clock() >= self._say_at:
            self._said, self._say_at = True, self._clock() + _AGAIN_SECONDS
            log.warning(line, trouble=str(trouble), remedy=remedy)

    def over(self) -> None:
        """There is none."""
        if self._said:
            log.info("following again", after=str(self._now), seconds=round(self._clock() - self._since))
        self._end()

    def _end(self) -> None:
        if self._now is not None:
            metrics.FOLLOWER_TROUBLE.labels(self._now).set(0)
        self._now, self._said = None, False
