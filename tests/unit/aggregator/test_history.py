"""Random histories of orders, deliveries and kills end with every view equal to the model; broken rules do not."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from services.aggregator.core import Aggregator
from services.aggregator.days import DayCubes
from services.aggregator.keys import count_literals, day_literals
from services.aggregator.report import Dirty
from services.clients.named_sql import NamedSql, Statement
from tests.support.warehouse import Item, Order, Warehouse, order
from tests.unit.aggregator.clock import DAY_POINTS, NOON, USER_POINTS, ZONE, Clock, KillAt, Killed


class History:
    """Orders as the state machine changes them, delivered as Kafka and a sink may deliver them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.orders: list[Order] = []
        self.undelivered: list[Order] = []

    def change(self) -> None:
        """One transaction: a new order, or the next version of one."""
        chance = self.chance
        open_orders = [each for each in self.orders if not each.deleted]
        if not open_orders or chance.random() < 0.5:
            created = NOON - timedelta(minutes=chance.choice([0, 7, 70, 1500, 60_000, 90_000]))
            items = tuple(
                Item(str(chance.randrange(3)), "Cup", chance.randrange(1, 4), Decimal(chance.randrange(500)) / 100)
                for _ in range(chance.randrange(1, 4))
            )
            user = f"user {chance.randrange(4)}"
            self.orders.append(order(str(len(self.orders)), created, ZONE, items=items, user_id=user))
            self.undelivered.append(self.orders[-1])
            return
        place = self.orders.index(chance.choice(open_orders))
        if chance.random() < 0.3:
            self.orders[place] = self.orders[place].changed(deleted=True)
        else:
            status = chance.choice(["PENDING", "COMPLETED", "CANCELLED", "REFUNDED"])
            self.orders[place] = self.orders[place].changed(status=status)
        self.undelivered.append(self.orders[place])

    def deliver(self, store: Warehouse, now: int) -> None:
        """Some of what waits, out of order, some of it twice, with some of what came before."""
        self.chance.shuffle(self.undelivered)
        count = self.chance.randrange(1, len(self.undelivered) + 1)
        batch = [self.undelivered.pop() for _ in range(count)]
        if store.inserted:
            batch += self.chance.choices(store.inserted, k=self.chance.randrange(3))
        batch += self.chance.choices(batch, k=self.chance.randrange(2))
        store.insert(*batch, ingested_at=now)


def live(store: Warehouse, clock: Clock, seed: int, steps: int, make: Callable[[KillAt], Aggregator]) -> None:
    """Changes, deliveries, ticks and kills; then everything is delivered and the aggregator ticks until clean."""
    history, chance = History(random.Random(seed)), random.Random(seed + 1)
    kill = KillAt("never")
    aggregator = make(kill)
    for _ in range(steps):
        for _ in range(chance.randrange(1, 4)):
            history.change()
        if chance.random() < 0.8 and history.undelivered:
            history.deliver(store, clock.now)
        clock.pass_seconds(chance.choice([0, 1, 3, 40]))
        if chance.random() < 0.4:
            kill = KillAt(chance.choice(DAY_POINTS + USER_POINTS))
            aggregator = make(kill)
        try:
            aggregator.tick_days()
            aggregator.tick_users()
        except Killed:
            aggregator = make(KillAt("never"))
    while history.undelivered:
        history.deliver(store, clock.now)
    for _ in range(2):  # at once, and when the last recheck is due
        make(KillAt("never")).tick_until_clean(at_most=50)
        clock.pass_seconds(30)


@pytest.mark.parametrize("seed", range(3))
def test_every_history_ends_with_views_equal_to_the_model(store: Warehouse, clock: Clock, seed: int) -> None:
    live(store, clock, seed, 8, lambda kill: Aggregator(store.client, ZONE, clock=clock, crash=kill))
    assert store.views() == store.expected()


# ---- rules broken on purpose: a history in which nobody notices does not test them


class MarkFirst(DayCubes):
    """Writes the mark before the sums it speaks of."""

    def _recompute(self, batch: list[Dirty[str]], read_ms: int) -> None:
        literals = {
            "keys": day_literals(day.key for day in batch),
            "covered": count_literals(day.inserted for day in batch),
        }
        self._store.append("append_days", literals, began=read_ms)
        self._store.append("append_hours", literals, began=read_ms, zone=self._store.timezone)
        self._store.append("append_products", literals, began=read_ms)


def replaced(aggregator: Aggregator, statement: str, old: str, new: str) -> Aggregator:
    """The aggregator with a part of one statement replaced."""
    queries = dict(aggregator.days._store.queries.statements)
    text = queries[statement].text
    assert old in text
    queries[statement] = Statement(statement, queries[statement].meaning, text.replace(old, new))
    aggregator.days._store.queries = NamedSql(list(queries.values()))
    return aggregator


def marks_first(aggregator: Aggregator) -> Aggregator:
    aggregator.days = MarkFirst(aggregator.days._store, (2.0, 30.0))
    return aggregator


def ignores_versions(aggregator: Aggregator) -> Aggregator:
    return replaced(aggregator, "append_days", "FROM orders_analytics FINAL", "FROM orders_analytics")


def remembers_one_time_for_all_days(aggregator: Aggregator) -> Aggregator:
    text = aggregator.days._store.queries["dirty_days"]
    condition = text[text.index("WHERE i.inserted") : text.index("ORDER BY")]
    watermark = "WHERE i.last_ms > (SELECT max(toUnixTimestamp64Milli(began)) FROM cube_day)\n"
    return replaced(aggregator, "dirty_days", condition, watermark)


def forgets_cells_that_vanished(aggregator: Aggregator) -> Aggregator:
    return replaced(aggregator, "append_hours", "HAVING ", "HAVING count_now > 0 AND ")


def counts_an_order_for_every_line(aggregator: Aggregator) -> Aggregator:
    return replaced(aggregator, "append_products", "countIf(nth_line = 1)", "count()")


BROKEN = [
    marks_first,
    ignores_versions,
    remembers_one_time_for_all_days,
    forgets_cells_that_vanished,
    counts_an_order_for_every_line,
]


def unfortunate(store: Warehouse, clock: Clock, make: Callable[[KillAt], Aggregator]) -> None:
    """Three old days, each changed and then hit by a kill at a point of its own, half a minute after its last row."""
    line = Item(price=Decimal("0.35"))
    for number, (point, nth) in enumerate(
        [("before append_hours", 2), ("before append_products", 2), ("after append_days", 1)]
    ):
        day = NOON - timedelta(days=40 + number)
        kept = order(f"kept {number}", day, ZONE, items=(line, line))
        gone = order(f"gone {number}", day + timedelta(hours=2), ZONE)
        today = order(f"today {number}", NOON, ZONE)
        store.insert(kept, gone, today, ingested_at=clock.now)
        make(KillAt("never")).tick_until_clean(at_most=50)
        clock.pass_seconds(1)
        changes = [kept.changed(items=(line, line, line)), gone.changed(deleted=True)]
        store.insert(*changes, *([today.changed()] if nth == 2 else []), ingested_at=clock.now)
        clock.pass_seconds(31)
        with pytest.raises(Killed):
            make(KillAt(point, nth)).tick_days()
    make(KillAt("never")).tick_until_clean(at_most=50)


def test_an_unfortunate_history_ends_with_views_equal_to_the_model(store: Warehouse, clock: Clock) -> None:
    unfortunate(store, clock, lambda kill: Aggregator(store.client, ZONE, clock=clock, crash=kill))
    assert store.views() == store.expected()


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_rule_is_seen(store: Warehouse, clock: Clock, broken: Callable[[Aggregator], Aggregator]) -> None:
    unfortunate(store, clock, lambda kill: broken(Aggregator(store.client, ZONE, clock=clock, crash=kill)))
    assert store.views() != store.expected()
