"""Runs a history through the pipeline's own code and holds every view to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import Engine

from services.aggregator.core import RECHECK_AFTER, Aggregator
from services.aggregator.report import TickReport
from services.events import AnalyticsRow, analytics_row, parse_order_event
from tests.property.analytics import Analytics, Variant
from tests.property.history import History, Insert, Late, Repeat, Stage, Step, Tick
from tests.support.action_shop import ActionShop
from tests.support.clickhouse import Front
from tests.support.model import model_views, stored_orders

ZONE = "Europe/Berlin"
START_MS = 1_798_758_010_000
"""Where ClickHouse's clock begins: ten seconds into 2027 in Berlin. The year's last day is recent, October is not."""
_SETTLED_MS = 1000 * int(RECHECK_AFTER[-1] + 1)
_TICKS_AT_MOST = 5
_PAYLOADS = "SELECT payload FROM outbox WHERE topic IN ('order.events', 'payment.events') ORDER BY id"


class ViewsDiffer(AssertionError):
    """A view shows what the model does not, or the other way round; or a cube never comes clean."""


def transformed(engine: Engine) -> list[AnalyticsRow]:
    """The transformer's answer to every order and payment event of the outbox, in its order."""
    with engine.connect() as connection:
        payloads = connection.exec_driver_sql(_PAYLOADS).scalars().all()
    return [analytics_row(parse_order_event(payload.encode()).data.order) for payload in payloads]


class Laboratory:
    """A shop and an analytics database, both emptied before every history."""

    def __init__(self, shop: ActionShop, analytics: Analytics, variant: Variant) -> None:
        self.shop, self._analytics, self._variant = shop, analytics, variant

    def check(self, history: History) -> None:
        """Lives the history. Raises ViewsDiffer unless every view then equals the model."""
        with ThreadPoolExecutor(1) as beside:
            emptied = beside.submit(self._analytics.empty)
            self.shop.reset()
            for action in history.actions:
                self.shop.do(action)
            emptied.result()
        self._show(history)

    def show(self, history: History) -> None:
        """The same of what the shop has done already; only the history's stages are used."""
        self._analytics.empty()
        self._show(history)

    def _show(self, history: History) -> None:
        run = _Run(self._analytics, [self._variant.row(row) for row in transformed(self.shop.engine)])
        for stage in history.stages:
            run.stage(stage)
        run.finish(history.backwards, history.settle)
        self._compare()

    def _compare(self) -> None:
        """Raises ViewsDiffer, naming the rows, where views and model do not agree."""
        today, shown = self._analytics.views()
        expected = model_views(stored_orders(self.shop.engine), ZONE, today)
        assert shown.keys() == expected.keys()
        faults = [
            f"{view}: shown {[row for row in shown[view] if row not in expected[view]]},"
            f" expected {[row for row in expected[view] if row not in shown[view]]}"
            for view in expected
            if shown[view] != expected[view]
        ]
        if faults:
            raise ViewsDiffer("\n".join(faults))


class _Killed(Exception):
    """The aggregator's process ended here."""


class _Run:
    """One delivery under way."""

    def __init__(self, analytics: Analytics, rows: Sequence[AnalyticsRow]) -> None:
        self._analytics, self._rows = analytics, rows
        self._now = self._latest = START_MS
        self._missing = set(range(len(rows)))
        self._inserts: list[list[AnalyticsRow]] = []
        self._late: list[tuple[list[AnalyticsRow], int]] = []
        self._was_late = False
        self._crash: int | None = None
        self._start()

    def _start(self) -> None:
        self._aggregator: Aggregator = self._analytics.aggregator(lambda: self._now, self._crash_point)

    def _crash_point(self, _where: str) -> None:
        if self._crash is not None:
            if self._crash == 0:
                raise _Killed
            self._crash -= 1

    def stage(self, stage: Stage) -> None:
        """Does one stage."""
        match stage:
            case Insert(events=events) if self._rows:
                self._insert(self._pick(events))
            case Repeat(insert=number) if self._inserts:
                self._insert(self._inserts[number % len(self._inserts)])
            case Late(events=events) if self._rows:
                self._count(self._pick(events))
            case Tick():
                self._tick(stage)
            case Step(seconds=seconds):
                self._appear()
                self._now += seconds * 1000
                self._latest = max(self._latest, self._now)
            case _:
                pass

    def _pick(self, events: Sequence[int]) -> list[AnalyticsRow]:
        numbers = [number % len(self._rows) for number in events]
        self._missing.difference_update(numbers)
        return [self._rows[number] for number in numbers]

    def _insert(self, rows: list[AnalyticsRow]) -> None:
        self._inserts.append(rows)
        self._analytics.insert(rows, self._now)

    def _count(self, rows: list[AnalyticsRow]) -> None:
        self._was_late = True
        self._late.append((rows, self._now))
        self._analytics.count(rows, self._now)

    def _appear(self) -> None:
        for rows, stamped in self._late:
            self._analytics.insert_uncounted(rows, stamped)
        self._late.clear()

    def _tick(self, tick: Tick) -> None:
        self._crash = tick.crash
        try:
            if tick.cubes == "days":
                self._aggregator.tick_days()
            else:
                self._aggregator.tick_users()
        except _Killed:
            self._start()
        self._crash = None

    def finish(self, backwards: bool, settle: bool) -> None:
        """Delivers what is missing, then ticks until the cubes are clean."""
        if self._missing:
            self._insert([self._rows[number] for number in sorted(self._missing, reverse=backwards)])
        self._appear()
        if settle or self._was_late:
            self._now = self._latest + _SETTLED_MS
            self._aggregators_work(self._until_clean)
        else:  # nothing was late, so one look at each cube must do, whatever the clock says
            self._aggregators_work(self._once)

    def _aggregators_work(self, work: Callable[[Callable[[], TickReport]], None]) -> None:
        self._analytics.together(
            lambda: work(self._aggregator.tick_days),
            lambda: work(self._aggregator.tick_users),
        )

    def _once(self, tick: Callable[[], TickReport]) -> None:
        left = tick().remaining
        if left:
            raise ViewsDiffer(f"{left} keys left for another tick, few as they are")

    def _until_clean(self, tick: Callable[[], TickReport]) -> None:
        for _ in range(_TICKS_AT_MOST):
            if tick().dirty == 0:
                return
        raise ViewsDiffer(f"still dirty after {_TICKS_AT_MOST} ticks with nothing new")


@contextmanager
def laboratory(front: Front, shop: ActionShop, folder: Path, variant: Variant | None = None) -> Iterator[Laboratory]:
    """A laboratory on a database of its own, gone afterwards; ``folder`` takes the altered schema of a variant."""
    chosen = variant or Variant()
    analytics = Analytics(front, ZONE, folder, chosen)
    try:
        yield Laboratory(shop, analytics, chosen)
    finally:
        analytics.drop()
