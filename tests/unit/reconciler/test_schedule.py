"""When the next pass comes, and what is measured of one."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from services.observability.process import StopSignal
from services.reconciler import schedule
from services.reconciler.report import Difference, Kind, Report
from services.settings import ReconcilerSettings

SETTINGS = ReconcilerSettings(verify_interval=900, verify_in_flight=10)


class Stop(StopSignal):
    """Notes the pauses and stops after the last outcome."""

    def __init__(self, outcomes: list[Report]) -> None:
        """One pass an outcome."""
        super().__init__()
        self.outcomes, self.pauses = outcomes, list[float]()

    def take(self, _stop: StopSignal) -> Report:
        """Stands in for a pass."""
        return self.outcomes.pop(0)

    def wait(self, seconds: float) -> bool:
        """No time passes."""
        self.pauses.append(seconds)
        if not self.outcomes:
            self.set()
        return self.stopped


def test_the_next_pass_comes_as_soon_as_it_can_tell_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Usually after the interval; sooner after something in flight, and soon after a neighbour was away."""
    difference = Difference(Kind.WRONG_VIEW, "daily_sales_mv", {}, None, None)
    stop = Stop(
        [
            Report(in_flight_orders={"o"}, in_flight_cells={"c"}),
            Report(unknown="ClickHouse does not answer"),
            Report(truncated=True),
            Report(differences=[difference]),
            Report(),
        ]
    )
    monkeypatch.setattr(schedule, "run_pass", stop.take)
    schedule.run_schedule(stop, SETTINGS)
    assert stop.pauses == [10, 5, 10, 900, 900]


def test_steady_traffic_does_not_keep_it_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pass finds other orders on their way: only those of the first are waited for."""
    first, second, third = ({"a", "b"}, {"b", "c"}, {"c", "d"})
    stop = Stop([Report(in_flight_orders=orders) for orders in (first, second, third, {"e"})])
    monkeypatch.setattr(schedule, "run_pass", stop.take)
    schedule.run_schedule(stop, SETTINGS)
    assert stop.pauses == [10, 10, 900, 10]


def test_a_pass_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Differences left by kind, and what was mended."""
    left = Difference(Kind.WRONG_VIEW, "daily_sales_mv", {}, None, None)
    mended = Difference(Kind.GHOST, "orders_analytics", {"order_id": "o"}, None, {"version": 1})

    class Sources:
        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(schedule, "open_sources", Sources)
    monkeypatch.setattr(schedule, "repair", lambda *_: Report(differences=[left], mended=[mended], seconds=2))
    before = REGISTRY.get_sample_value("millrace_reconciled_mended_total", {"kind": "ghost"}) or 0
    schedule.run_pass(StopSignal())
    assert REGISTRY.get_sample_value("millrace_reconciled_differences", {"kind": "wrong_view"}) == 1
    assert REGISTRY.get_sample_value("millrace_reconciled_differences", {"kind": "missing"}) == 0
    assert REGISTRY.get_sample_value("millrace_reconciled_mended_total", {"kind": "ghost"}) == before + 1
    monkeypatch.setattr(schedule, "repair", lambda *_: Report())
    schedule.run_pass(StopSignal())
    assert REGISTRY.get_sample_value("millrace_reconciled_differences", {"kind": "wrong_view"}) == 0
