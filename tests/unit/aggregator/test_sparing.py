"""While nothing comes in little is asked, and what comes in is found by the very next look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from services.aggregator.core import Aggregator
from services.aggregator.report import TickReport
from services.aggregator.sparing import BUSY_SECONDS, FULL_EVERY_SECONDS, Sparing
from services.clients.clickhouse import ClickHouseError
from services.clients.recompute import request_buckets, request_days, request_everything, request_users
from tests.support.warehouse import Warehouse
from tests.unit.aggregator.sample import some_orders

EVERY = 0.25


@dataclass
class Shop:
    """What a tick and the question before it find, by a clock that only `look` moves."""

    now: float = 1000.0
    rows: int = 7
    dirty: int = 0
    full: int = 0
    asked: int = 0
    broken: bool = False
    meanwhile: Callable[[], None] = field(default=lambda: None)
    sparing: Sparing = field(init=False)

    def __post_init__(self) -> None:
        self.sparing = Sparing("days", self.tick, self.arrivals, lambda: self.now)

    def tick(self) -> TickReport:
        if self.broken:
            raise ClickHouseError("away")
        self.full += 1
        found, self.dirty = self.dirty, 0
        self.meanwhile()
        return TickReport("days", found, found, 0, None, 0.0)

    def arrivals(self) -> tuple[object, ...]:
        if self.broken:
            raise ClickHouseError("away")
        self.asked += 1
        return (self.rows,)

    def comes_in(self) -> None:
        self.rows += 1
        self.dirty += 1

    def look(self, seconds: float = 0.0) -> int:
        """Looks for so long at the loop's pace, once at least; how many of the looks were full ones."""
        before, until = self.full, self.now + seconds
        while True:
            self.now += EVERY
            self.sparing()
            if self.now >= until:
                return self.full - before


@pytest.fixture
def shop() -> Shop:
    """At rest long enough for its looks to be spared."""
    shop = Shop()
    shop.look(BUSY_SECONDS + FULL_EVERY_SECONDS)
    return shop


def test_at_rest_one_look_in_twenty_is_a_full_one(shop: Shop) -> None:
    assert shop.look(60) <= 60 / FULL_EVERY_SECONDS + 1
    assert shop.look(FULL_EVERY_SECONDS + EVERY) >= 1


def test_the_first_row_after_a_rest_is_found_by_the_next_look(shop: Shop) -> None:
    shop.comes_in()
    assert shop.look() == 1
    assert shop.dirty == 0


def test_a_row_that_comes_in_behind_a_full_look_is_found_by_the_next(shop: Shop) -> None:
    shop.rows += 1  # what changes the answer and leaves nothing dirty
    shop.meanwhile = shop.comes_in
    assert shop.look() == 1
    assert shop.dirty == 1
    shop.meanwhile = lambda: None
    assert shop.look() == 1
    assert shop.dirty == 0


def test_after_something_was_dirty_every_look_is_full_until_all_rechecks_are_through(shop: Shop) -> None:
    shop.comes_in()
    shop.look()
    asked = shop.asked
    assert shop.look(BUSY_SECONDS - EVERY) == (BUSY_SECONDS - EVERY) / EVERY
    assert shop.asked == asked, "nobody asks when a full look comes anyway"
    assert shop.look(20) <= 20 / FULL_EVERY_SECONDS + 2


def test_a_new_aggregator_looks_fully() -> None:
    shop = Shop()
    assert shop.look(BUSY_SECONDS - EVERY) == (BUSY_SECONDS - EVERY) / EVERY


def test_after_an_error_it_looks_fully_for_the_fence(shop: Shop) -> None:
    shop.broken = True
    with pytest.raises(ClickHouseError):
        shop.look()
    shop.broken = False
    assert shop.look(BUSY_SECONDS - EVERY) == (BUSY_SECONDS - EVERY) / EVERY


def test_a_look_that_was_spared_reports_that_nothing_is_dirty(shop: Shop) -> None:
    while shop.look():
        pass
    report = shop.sparing()
    assert (report.cube, report.dirty, report.recomputed, report.remaining) == ("days", 0, 0, 0)


def test_the_question_is_answered_differently_after_every_row_and_request(
    store: Warehouse, aggregator: Aggregator
) -> None:
    def answers() -> tuple[object, object]:
        return aggregator.days.arrivals(), aggregator.users.arrivals()

    first, second, *_ = some_orders()
    empty = answers()
    store.insert(first)
    one = answers()
    assert all(before != after for before, after in zip(empty, one, strict=True))
    aggregator.tick_until_clean()
    assert answers() == one, "what the aggregator writes is no arrival"
    store.insert(first)  # a redelivery counts too
    twice = answers()
    assert all(before != after for before, after in zip(one, twice, strict=True))
    request_days(store.client, [second.order_date])
    assert answers()[0] != twice[0]
    request_users(store.client, [second.user_id])
    asked = answers()
    assert asked[1] != twice[1]
    request_buckets(store.client, [7])
    assert answers()[1] != asked[1]
    last = answers()
    request_everything(store.client)
    assert all(before != after for before, after in zip(last, answers(), strict=True))
