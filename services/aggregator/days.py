"""The day cubes: by hour and status, by product, and by day."""

import time

from services.aggregator.budget import Budget
from services.aggregator.keys import count_literals, day_literals
from services.aggregator.report import Dirty, Found, TickReport
from services.aggregator.store import Store

_ROWS = Budget(size=500_000, least=100_000, most=20_000_000)


class DayCubes:
    """Recomputes dirty days: today and yesterday at once, of the others as many a tick as take about 0.7 s.

    Today never waits for a backlog longer than for one such batch, and a backlog gets one in every tick.
    """

    def __init__(self, store: Store, recheck_after: tuple[float, ...]) -> None:
        self._store, self._recheck_after = store, recheck_after
        self.budget = Budget(_ROWS.size, _ROWS.least, _ROWS.most)

    def dirty(self) -> Found[str]:
        """The days to recompute, most urgent first. Read before the raw rows: counts may only be behind sums."""
        rows = self._store.dirty("dirty_days", self._recheck_after)
        return Found(
            tuple(
                Dirty(day, inserted, missing, bool(recent), newest)
                for day, inserted, missing, _, recent, newest in rows
            ),
            rows[0][3] if rows else 0,
        )

    def tick(self) -> TickReport:
        """Looks once and recomputes a batch. Raises what the client raises; then nothing is marked that was not done."""
        started = time.monotonic()
        found = self.dirty()
        recent = [day for day in found.keys if day.recent]
        others = self._fitting([day for day in found.keys if not day.recent])
        for batch in (recent, others):
            if batch:
                self.recompute(batch, found.read_ms)
        new = [day.newest_ms for day in (*recent, *others) if day.missing]
        return TickReport(
            cube="days",
            dirty=len(found.keys),
            recomputed=len(recent) + len(others),
            backlog_rows=sum(abs(day.missing) for day in found.keys),
            newest_occurred_at=max(new) / 1000 if new else None,
            duration=time.monotonic() - started,
        )

    def recompute(self, batch: list[Dirty[str]], read_ms: int) -> None:
        """Appends what changed in these days, the mark last."""
        started = time.monotonic()
        literals = {
            "keys": day_literals(day.key for day in batch),
            "covered": count_literals(day.inserted for day in batch),
        }
        self._store.append("append_hours", literals)
        self._store.append("append_products", literals)
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
