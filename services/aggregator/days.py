"""The day cubes: by hour and status, by product, and by day."""

import time

from services.aggregator.budget import Budget
from services.aggregator.keys import count_literals, day_literals
from services.aggregator.report import Dirty, Found, TickReport
from services.aggregator.store import Store


class DayCubes:
    """Recomputes dirty days: today and yesterday at once, of the others as many a tick as take about 0.7 s.

    So today waits for a backlog no longer than one such batch, and the backlog gets its batch in every tick.
    """

    def __init__(self, store: Store, recheck_after: tuple[float, ...]) -> None:
        self._store, self._recheck_after = store, recheck_after
        self.budget = Budget(size=500_000, least=10_000, most=20_000_000)
        self._newest_shown = 0

    def dirty(self) -> Found[str]:
        """The days to recompute, most urgent first. Read before the raw rows: a mark may be behind its sums only."""
        rows = self._store.dirty("dirty_days", self._recheck_after, zone=self._store.timezone)
        keys = (
            Dirty(day, inserted, missing, bool(recent), newest) for day, inserted, missing, _, recent, newest in rows
        )
        return Found(tuple(keys), rows[0][3] if rows else 0)

    def arrivals(self) -> tuple[object, ...]:
        """Something else than before whenever there may be more to do than `dirty` found, but for what time brings."""
        return self._store.arrivals("day_arrivals")

    def tick(self) -> TickReport:
        """Looks once and recomputes a batch. Raises what the client raises; what was not done is not marked then."""
        started = time.monotonic()
        found = self.dirty()
        recent = [day for day in found.keys if day.recent]
        others = self._fitting([day for day in found.keys if not day.recent])
        for batch in (recent, others):
            if batch:
                self._recompute(batch, found.read_ms)
        return TickReport(
            cube="days",
            dirty=len(found.keys),
            recomputed=len(recent) + len(others),
            backlog_rows=sum(abs(day.missing) for day in found.keys),
            newest_occurred_at=self._newly_shown(recent + others),
            duration=time.monotonic() - started,
        )

    def _recompute(self, batch: list[Dirty[str]], read_ms: int) -> None:
        """Appends what changed in these days, the mark last."""
        started = time.monotonic()
        literals = {
            "keys": day_literals(day.key for day in batch),
            "covered": count_literals(day.inserted for day in batch),
        }
        self._store.append("append_hours", literals, began=read_ms, zone=self._store.timezone)
        self._store.append("append_products", literals, began=read_ms)
        self._store.append("append_days", literals, began=read_ms)
        self.budget.took(sum(day.inserted for day in batch), time.monotonic() - started)

    def _fitting(self, days: list[Dirty[str]]) -> list[Dirty[str]]:
        """As many of the first days as the budget allows, at least one."""
        rows = 0
        for number, day in enumerate(days):
            rows += day.inserted
            if rows > self.budget.size and number > 0:
                return days[:number]
        return days

    def _newly_shown(self, done: list[Dirty[str]]) -> float | None:
        """Commit time of the newest event, where these days hold one newer than any shown before."""
        newest = max((day.newest_ms for day in done if day.missing), default=0)
        if newest <= self._newest_shown:
            return None
        self._newest_shown = newest
        return newest / 1000
