"""The aggregator as one object: ticks on demand, for its loop and for tests."""

from collections.abc import Callable

from clickhouse_connect.driver.client import Client

from services.aggregator.days import DayCubes
from services.aggregator.report import TickReport
from services.aggregator.store import Store
from services.aggregator.users import UserCubes

RECHECK_AFTER = (2.0, 30.0)
"""Seconds after a key's last row at which it is recomputed once more: a row can become visible after its count."""


class Aggregator:
    """Keeps the cubes of one ClickHouse database.

    ``timezone`` is the business zone; ``clock``, ``crash`` and ``allowed`` are those of ``Store``. Days are rechecked
    at every gap of ``recheck_after`` (seconds), buckets of users, which are read less often, at the last one only.
    ``tick_days`` and ``tick_users`` may run in two threads.
    """

    def __init__(
        self,
        client: Client,
        timezone: str,
        clock: Callable[[], int] | None = None,
        crash: Callable[[str], None] = lambda _where: None,
        recheck_after: tuple[float, ...] = RECHECK_AFTER,
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = Store(client, timezone, clock, crash, allowed)
        self.days = DayCubes(self._store, recheck_after)
        self.users = UserCubes(self._store, recheck_after[-1:])

    def tick_days(self) -> TickReport:
        """Recomputes a batch of dirty days."""
        return self.days.tick()

    def tick_users(self) -> TickReport:
        """Recomputes a batch of dirty buckets of users."""
        return self.users.tick()

    def raise_fence(self) -> None:
        """Has what is recomputed about now recomputed once more, after every statement sent so far has ended.

        For a new lease, and for a connection lost in a statement: the statement may still be running.
        """
        self._store.fence_wanted = True

    def tick_until_clean(self, at_most: int = 1000) -> int:
        """Ticks until nothing is dirty by the clock; returns how often. Raises RuntimeError after ``at_most`` ticks."""
        for ticks in range(1, at_most + 1):
            if self.tick_days().dirty + self.tick_users().dirty == 0:
                return ticks
        raise RuntimeError(f"still dirty after {at_most} ticks: rows keep coming in, or the clock stands before them")
