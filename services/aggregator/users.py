"""The user cubes: sales by user, and users with sales by bucket."""

import time

from services.aggregator.budget import TARGET_SECONDS, Budget
from services.aggregator.keys import BUCKETS, bucket_literals, buckets_listed, buckets_within, count_literals
from services.aggregator.report import Dirty, Found, TickReport
from services.aggregator.store import Store

LISTED_AT_MOST = 400
"""Up to so many dirty buckets are read one by one; above, reading a contiguous span is faster than seeking each."""


class UserCubes:
    """Recomputes dirty buckets: all of them where they are few, else contiguous spans of buckets, in rotation."""

    def __init__(self, store: Store, recheck_after: tuple[float, ...]) -> None:
        self._store, self._recheck_after = store, recheck_after
        self.span = Budget(size=4_096, least=256, most=BUCKETS)
        self._next = 0

    def dirty(self) -> Found[int]:
        """The buckets to recompute, longest waiting first. Read before the raw rows."""
        rows = self._store.dirty("dirty_buckets", self._recheck_after)
        return Found(
            tuple(Dirty(bucket, inserted, missing, False, 0) for bucket, inserted, missing, *_ in rows),
            rows[0][3] if rows else 0,
        )

    def arrivals(self) -> tuple[object, ...]:
        """Something else than before whenever there may be more to do than `dirty` found, but for what time brings."""
        return self._store.arrivals("bucket_arrivals")

    def tick(self) -> TickReport:
        """Looks once and recomputes for about 0.7 s. Raises what the client raises, with nothing marked undone."""
        started = time.monotonic()
        found = self.dirty()
        recomputed = 0
        if 0 < len(found.keys) <= LISTED_AT_MOST:
            self._recompute(buckets_listed(bucket.key for bucket in found.keys), found.keys, found.read_ms)
            recomputed = len(found.keys)
        elif found.keys:
            recomputed = self._spans(found, started)
        return TickReport(
            cube="users",
            dirty=len(found.keys),
            recomputed=recomputed,
            backlog_rows=sum(abs(bucket.missing) for bucket in found.keys),
            newest_occurred_at=None,
            duration=time.monotonic() - started,
        )

    def _spans(self, found: Found[int], started: float) -> int:
        """Span after span from where the last tick stopped, until the time is up or all are done."""
        left, done = {bucket.key: bucket for bucket in found.keys}, 0
        while left and (done == 0 or time.monotonic() - started < TARGET_SECONDS):
            first = min((key for key in left if key >= self._next), default=min(left))
            last = min(first + self.span.size, BUCKETS) - 1
            within = tuple(left.pop(key) for key in sorted(left) if first <= key <= last)
            began = time.monotonic()
            self._recompute(buckets_within(first, last), within, found.read_ms)
            self.span.took(last - first + 1, time.monotonic() - began)
            self._next = (last + 1) % BUCKETS
            done += len(within)
        return done

    def _recompute(self, condition: str, marked: tuple[Dirty[int], ...], read_ms: int) -> None:
        literals = {
            "buckets": condition,
            "keys": bucket_literals(bucket.key for bucket in marked),
            "covered": count_literals(bucket.inserted for bucket in marked),
        }
        self._store.append("append_users", literals, began=read_ms)
        self._store.append("append_buckets", literals, began=read_ms)
