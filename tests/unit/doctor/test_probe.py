"""The probe: when a version counts as shown, and where it is said to be when it does not arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import OperationalError

from services.doctor.check import CannotLook
from services.doctor.findings import State
from services.doctor.probe import Arrival, Probe
from services.doctor.shop import ProbeLeft, Told
from services.doctor.warehouse import Progress
from tests.unit.doctor.fakes import STACK, failures, only

TOLD = Told("o1", date(2026, 3, 1), "PENDING", deleted=False, version=3, occurred=5_000)
BEFORE = Progress(version=2, inserted=10, newest=4_000, covered=10, listed=4)
ROW = replace(BEFORE, version=3)
COUNTED = replace(ROW, inserted=11, newest=5_000)
SHOWN = replace(COUNTED, covered=11)


@dataclass
class FakeShop:
    """A shop with an order or without one; what was asked of it stands in ``done``."""

    order: Told | None = TOLD
    relays: bool = True
    cannot_delete: bool = False
    done: list[str] = field(default_factory=list)

    def newest(self) -> Told | None:
        return self.order

    def restate(self, order: Told, at_least_version: int) -> Told:
        self.done.append(f"restate above {at_least_version}")
        return order

    def place(self) -> Told:
        self.done.append("place")
        return replace(TOLD, version=1)

    def delete(self, order: Told) -> Told:
        if self.cannot_delete:
            raise ProbeLeft(f"order {order.order_id} is still there: the API answers 503")
        self.done.append("delete")
        return replace(order, version=2, deleted=True)

    def relayed(self, _order: Told) -> bool:
        return self.relays


@dataclass
class FakeClickHouse:
    """Answers the looks one after the other; the last one for ever."""

    looks: list[Progress]
    closed: bool = False

    def query(self, _sql: str, parameters: dict[str, Any]) -> FakeClickHouse:
        assert parameters == {"id": "o1", "day": "2026-03-01", "status": "PENDING"}
        self.now = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return self

    @property
    def result_rows(self) -> Sequence[tuple[int, ...]]:
        return [(self.now.version, self.now.inserted, self.now.newest, self.now.covered, self.now.listed)]

    def close(self) -> None:
        self.closed = True


class Clock:
    """Time that passes with every pause."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, _seconds: float) -> None:
        self.now += 0.5


def probe(shop: FakeShop, *looks: Progress, patience: float = 4.0) -> Probe:
    clock = Clock()
    clickhouse = FakeClickHouse(list(looks))
    return Probe(shop, lambda: clickhouse, STACK, patience, clock, clock.pause)  # type: ignore[arg-type, return-value]  # fakes


def test_a_version_is_shown_once_the_mark_covers_its_row() -> None:
    shop = FakeShop()
    finding = only(probe(shop, BEFORE, BEFORE, ROW, COUNTED, SHOWN).look())
    assert (finding.state, finding.detail) == (State.OK, "order o1 told anew showed 1.50 s after its commit")
    assert shop.done == ["restate above 2"], "above what ClickHouse has, or it would not be the newest row"


def test_a_slow_arrival_is_told_but_no_fault() -> None:
    finding = only(probe(FakeShop(), *[BEFORE] * 5, ROW, COUNTED, SHOWN, patience=10).look())
    assert finding.state is State.OK
    assert finding.detail.endswith("showed 3.00 s after its commit, slower than the 2 s promised")


@pytest.mark.parametrize(
    ("looks", "why"),
    [
        ([ROW, ROW, ROW], "the row is there, not counted yet, and what is covered is what was before"),
        ([replace(SHOWN, version=2)] * 3, "another order's row came in and is covered, ours has not"),
        ([COUNTED, COUNTED, COUNTED], "the sums lack one row"),
        ([ROW, replace(COUNTED, inserted=13, covered=11)], "others came in before the look that counts"),
        ([ROW, replace(SHOWN, listed=0)], "the view does not list it"),
    ],
)
def test_what_does_not_count_as_shown(looks: list[Progress], why: str) -> None:
    arrival = Arrival(TOLD)
    assert [arrival.includes(look) for look in looks] == [False] * len(looks), why


def test_rows_that_come_in_later_are_not_waited_for() -> None:
    arrival = Arrival(TOLD)
    looks = [ROW, COUNTED, replace(COUNTED, inserted=500, covered=11)]
    assert [arrival.includes(look) for look in looks] == [False, False, True]


def test_a_deleted_order_is_in_no_view() -> None:
    arrival = Arrival(replace(TOLD, deleted=True))
    assert [arrival.includes(replace(look, listed=0)) for look in (ROW, SHOWN)] == [False, True]


@pytest.mark.parametrize(
    ("relays", "looks", "says", "part"),
    [
        (False, [BEFORE], "it waits in the outbox", "relay"),
        (True, [BEFORE], "it went to Kafka, its row is not in ClickHouse", "transformer"),
        (True, [ROW, COUNTED], "its row is in ClickHouse, not in the sums", "aggregator"),
    ],
)
def test_what_does_not_arrive_was_last_seen_somewhere(
    relays: bool, looks: list[Progress], says: str, part: str
) -> None:
    finding = only(failures(probe(FakeShop(relays=relays), BEFORE, *looks)))
    assert finding.detail == f"order o1 told anew did not show within 4 s: {says}"
    assert f"`make restart SERVICE={part}`" in finding.remedy


def test_a_shop_without_orders_gets_one_for_the_time_being() -> None:
    shop = FakeShop(order=None)
    placed, deleted = replace(SHOWN, version=1), replace(SHOWN, version=2)
    finding = only(probe(shop, placed, placed, deleted).look())
    assert finding.detail.startswith("an order of its own showed 0.50 s after its commit")
    assert shop.done == ["place", "delete"]


def test_a_probe_order_that_stays_is_named() -> None:
    shop = FakeShop(order=None, cannot_delete=True)
    shown, left = probe(shop, replace(SHOWN, version=1)).look()
    assert shown.state is State.OK
    assert (left.subject, left.state) == ("probe order", State.FAILING)
    assert "order o1 is still there" in left.detail
    assert "DELETE /admin/orders/o1" in left.remedy


def test_a_deletion_that_does_not_show_is_a_fault() -> None:
    shop = FakeShop(order=None)
    finding = only(failures(probe(shop, replace(SHOWN, version=1))))
    assert finding.detail.startswith("its deletion did not show within 4 s")
    assert shop.done == ["place", "delete"], "also where the order itself did not show"


def test_clickhouse_away_is_not_a_stale_view() -> None:
    def away() -> Any:
        raise OperationalError("Connection refused")

    with pytest.raises(CannotLook, match="ClickHouse does not answer: Connection refused"):
        list(Probe(FakeShop(), away, STACK).look())  # type: ignore[arg-type]  # a fake


def test_the_deadline_leaves_room_for_an_order_and_its_deletion() -> None:
    assert probe(FakeShop(), BEFORE, patience=10).seconds > 20
