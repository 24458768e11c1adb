"""What keeps a process that watches a connector from its work: said when it has lasted, again every minute, and when
it is over."""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Generic, TypeVar

from prometheus_client import Gauge

from services.observability.logging import get_logger

_AGAIN_SECONDS: Final = 60.0

log = get_logger()
Kind = TypeVar("Kind", bound=StrEnum)


class Troubles(Generic[Kind]):
    """At most one trouble at a time: the one that explains why the work stands still now."""

    def __init__(self, gauge: Gauge, again: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``gauge`` is 1 for the kind there is; ``again``: what the log says when it is over."""
        self._gauge, self._again, self._clock = gauge, again, clock
        self._now: Kind | None = None
        self._since = self._say_at = 0.0
        self._said = False

    @property
    def now(self) -> Kind | None:
        """The trouble there is."""
        return self._now

    def have(self, trouble: Kind, line: str, remedy: str, grace: float = 0) -> None:
        """It is there (still or newly); said once it has lasted for `grace` seconds."""
        if trouble is not self._now:
            self._end()
            self._now, self._since, self._said = trouble, self._clock(), False
            self._say_at = self._since + grace
            self._gauge.labels(trouble).set(1)
        if self._clock() >= self._say_at:
            self._said, self._say_at = True, self._clock() + _AGAIN_SECONDS
            log.warning(line, trouble=str(trouble), remedy=remedy)

    def over(self) -> None:
        """There is none."""
        if self._said:
            log.info(self._again, after=str(self._now), seconds=round(self._clock() - self._since))
        self._end()

    def _end(self) -> None:
        if self._now is not None:
            self._gauge.labels(self._now).set(0)
        self._now, self._said = None, False
