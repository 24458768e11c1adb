"""Looks that cost little while nothing comes in, and see what does as soon as before."""

import time
from collections.abc import Callable
from typing import Final

from services.aggregator.report import TickReport
from services.aggregator.store import STATEMENT_SECONDS

BUSY_SECONDS: Final = STATEMENT_SECONDS + 10.0
"""So long after the last dirty key every look is a full one: longer than a recheck or a fence is away."""
FULL_EVERY_SECONDS: Final = 5.0
"""A full look comes at least so often."""

Arrivals = tuple[object, ...]


class Sparing:
    """A tick that first asks the cheap question, once nothing was dirty for a while.

    To find the dirty keys reads every key's count and every mark; whether rows came in since is one sum, a quarter of
    the work. Rows, and requests to recompute, change that sum, so they are found by the very look that would have found
    them without this. What comes due by the clock alone, long after, is found up to FULL_EVERY_SECONDS late.
    """

    def __init__(
        self,
        cube: str,
        tick: Callable[[], TickReport],
        arrivals: Callable[[], Arrivals],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`arrivals` answers something else whenever rows came in; it and `tick` may raise what ClickHouse does."""
        self._cube, self._tick, self._arrivals, self._clock = cube, tick, arrivals, clock
        self._busy_until = clock() + BUSY_SECONDS
        self._full_at = 0.0
        self._seen: Arrivals | None = None

    def __call__(self) -> TickReport:
        """Looks; recomputes a batch where something is dirty. After an error every look is a full one for a while."""
        began = self._clock()
        try:
            if began < self._busy_until:
                self._seen = None
                return self._full()
            arrived = self._arrivals()  # before the full look: what comes in between makes the next one differ
            if arrived == self._seen and self._clock() < self._full_at:
                return TickReport(self._cube, 0, 0, 0, None, self._clock() - began)
            self._seen = arrived
            return self._full()
        except BaseException:
            self._busy_until = self._clock() + BUSY_SECONDS
            raise

    def _full(self) -> TickReport:
        report = self._tick()
        now = self._clock()
        self._full_at = now + FULL_EVERY_SECONDS
        if report.dirty:
            self._busy_until = now + BUSY_SECONDS
        return report
