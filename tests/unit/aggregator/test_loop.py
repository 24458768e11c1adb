"""The loop keeps its pace, waits ClickHouse out, and works only while the lease is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from services.aggregator.core import Aggregator
from services.aggregator.leadership import Leadership
from services.aggregator.loop import Cadence, export, keep_ticking, run
from services.aggregator.report import TickReport
from services.aggregator.store import NotAllowed
from services.clients.clickhouse import ClickHouseError
from services.clients.lease import Lease
from services.observability.process import StopSignal
from tests.support.process import wait_until


@dataclass
class Stop(StopSignal):
    """Notes the pauses instead of waiting them out, and stops after so many."""

    after: int
    pauses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        if len(self.pauses) >= self.after:
            self.set()
        return self.stopped


def report(dirty: int = 0, recomputed: int = 0, duration: float = 0.0) -> TickReport:
    return TickReport("days", dirty, recomputed, 0, None, duration)


@dataclass
class Ticks:
    """Answers or raises what it was given, one after another."""

    outcomes: Iterator[TickReport | Exception]
    fences: int = 0

    def __call__(self) -> TickReport:
        outcome = next(self.outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def raise_fence(self) -> None:
        self.fences += 1


def tick(stop: Stop, *outcomes: TickReport | Exception, held: Callable[[], bool] = lambda: True) -> Ticks:
    ticks = Ticks(iter(outcomes))
    keep_ticking("days", ticks, 0.25, held, ticks.raise_fence, stop)
    return ticks


def test_looks_come_at_an_even_pace() -> None:
    stop = Stop(after=2)
    tick(stop, report(duration=0.05), report(duration=0.1))
    assert stop.pauses == pytest.approx([0.2, 0.15])


def test_a_long_look_is_followed_by_a_rest_half_as_long_up_to_a_second() -> None:
    stop = Stop(after=2)
    tick(stop, report(duration=0.6), report(duration=30))
    assert stop.pauses == pytest.approx([0.3, 1])


def test_what_is_left_is_done_at_once() -> None:
    stop = Stop(after=2)
    tick(stop, report(dirty=9, recomputed=3), report())
    assert stop.pauses == [0, 0.25]


def test_clickhouse_away_is_waited_out_longer_each_time() -> None:
    stop = Stop(after=5)
    away: list[TickReport | Exception] = [ClickHouseError("away"), ConnectionError("refused"), TimeoutError("silent")]
    ticks = tick(stop, *away, report(duration=0.25), ClickHouseError("away"))
    first, second, third, _, again = stop.pauses
    assert 0.1 <= first <= 0.2 <= second <= 0.4 <= third <= 0.8
    assert again <= 0.2, "a success in between starts anew"
    assert ticks.fences == 4, "a statement that was sent may still be running"


def test_a_fault_of_the_program_is_not_waited_out() -> None:
    with pytest.raises(ZeroDivisionError):
        tick(Stop(after=9), ZeroDivisionError())


def test_nothing_is_looked_at_without_the_lease() -> None:
    stop = Stop(after=4)
    answers = iter([False, False, True, False, False])
    ticks = tick(stop, report(), held=lambda: next(answers))
    assert next(ticks.outcomes, None) is None
    assert len(stop.pauses) == 4


def test_a_lease_lost_in_a_recompute_ends_the_recompute_only() -> None:
    stop = Stop(after=1)
    ticks = tick(stop, NotAllowed("append_hours"), report())
    assert next(ticks.outcomes, None) is None
    assert ticks.fences == 0


def test_a_tick_is_exported() -> None:
    def sample(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    shown = sample("millrace_freshness_seconds_count")
    recomputed = sample("millrace_aggregator_recomputed_total", cube="days")
    export(TickReport("days", dirty=5, recomputed=3, backlog_rows=70, newest_occurred_at=1.0, duration=0.5))
    export(report())
    assert sample("millrace_freshness_seconds_count") == shown + 1, "only what showed something new"
    assert sample("millrace_aggregator_recomputed_total", cube="days") == recomputed + 3
    export(TickReport("days", dirty=5, recomputed=3, backlog_rows=70, newest_occurred_at=None, duration=0.5))
    assert sample("millrace_aggregator_dirty", cube="days") == 2
    assert sample("millrace_aggregator_backlog_rows", cube="days") == 70


# ---- the lease


@dataclass
class FakeLease:
    """A lease whose answers a test sets; the true one has its own tests."""

    free: bool = True
    away: bool = False
    token: int | None = None
    tokens: int = 0
    released: int = 0

    def acquire(self) -> int | None:
        self._answer()
        if self.free:
            self.tokens += 1
            self.token = self.tokens
        return self.token

    def renew(self) -> bool:
        self._answer()
        return self.free

    def release(self) -> None:
        self._answer()
        self.released += 1

    def _answer(self) -> None:
        if self.away:
            raise sa.exc.OperationalError("SELECT", None, ConnectionError("away"), connection_invalidated=True)


def leadership(lease: FakeLease, seconds: float = 60) -> tuple[Leadership, list[int | None]]:
    taken: list[int | None] = []
    typed: Lease = lease  # type: ignore[assignment]  # what Leadership uses of a Lease, and no more
    return Leadership(typed, seconds, lambda: taken.append(lease.token)), taken


def test_the_lease_is_won_once_and_then_renewed() -> None:
    leader, taken = leadership(FakeLease())
    assert not leader.held()
    for _ in range(3):
        leader.step()
        assert leader.held()
    assert taken == [1]


def test_a_lease_that_went_to_another_is_given_up_and_won_again_later() -> None:
    lease = FakeLease()
    leader, taken = leadership(lease)
    leader.step()
    lease.free = False
    leader.step()
    assert not leader.held()
    lease.free = True
    leader.step()
    assert leader.held()
    assert taken == [1, 2], "a fence is raised each time"


def test_a_lease_that_cannot_be_renewed_is_not_held_for_longer_than_it_was_given() -> None:
    lease = FakeLease()
    leader, _ = leadership(lease, seconds=0.05)
    leader.step()
    lease.away = True
    with pytest.raises(sa.exc.OperationalError):
        leader.step()
    wait_until(lambda: not leader.held(), "the end of the lease", seconds=5)


def test_a_database_that_is_away_is_waited_out_and_the_lease_released_at_the_end() -> None:
    lease = FakeLease(away=True)
    leader, _ = leadership(lease)

    class ComesBack(Stop):
        def wait(self, seconds: float) -> bool:
            lease.away = len(self.pauses) < 2
            return super().wait(seconds)

    leader.keep(ComesBack(after=5))
    assert lease.tokens == 1
    assert lease.released == 1
    assert not leader.held()


def test_whatever_dies_ends_the_process() -> None:
    class Dying(FakeLease):
        def acquire(self) -> int | None:
            raise ZeroDivisionError

    leader, _ = leadership(Dying())
    aggregator = Aggregator(None, "UTC")  # type: ignore[arg-type]  # never asked: nothing holds the lease
    stop = StopSignal()
    with pytest.raises(ZeroDivisionError):
        run(aggregator, Cadence(days=0.1, users=0.1), leader, stop)
    assert stop.stopped
