"""Unpaid orders expire, and one that cannot keeps neither another nor a payment from the sweep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pymysql
import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY
from sqlalchemy.engine import Engine

from services.domain.orders import cancel_order, delete_order, expire_order
from services.domain.payments import begin_payment
from services.domain.queries import unpaid_orders
from services.domain.tables import inventory, orders
from services.observability import metrics
from services.payments.provider import Accepted, Refused
from tests.support.payments import (
    SACHET,
    ScriptedProvider,
    make_due,
    make_older,
    order_by_hand,
    order_of,
    state,
    status_of,
)
from tests.support.shop import events, stored
from tests.unit.payments.sweeping import begun, only, sweep_of

pytestmark = pytest.mark.real_servers


def aged(engine: Engine, seconds: float, amount: str = "1.00") -> str:
    order_id = order_of(engine, amount).id
    with engine.begin() as connection:
        connection.execute(
            sa.update(orders)
            .where(orders.c.id == order_id)
            .values(created_at=datetime.now(UTC) - timedelta(seconds=seconds))
        )
    return order_id


def test_unpaid_orders_expire_and_give_their_stock_back(engine: Engine) -> None:
    free = [row[:3] for row in stored(engine).stock]
    old, young = aged(engine, 700), aged(engine, 60)
    kept = [row[:3] for row in stored(engine).stock]
    sweep_of(engine, ScriptedProvider()).round()
    assert [status_of(engine, each) for each in (old, young)] == ["PENDING", "PENDING"], "expiry is off by default"
    assert [row[:3] for row in stored(engine).stock] == kept != free

    sweep_of(engine, ScriptedProvider(), order_expiry=600).round()
    assert [status_of(engine, each) for each in (old, young)] == ["CANCELLED", "PENDING"]
    assert [row.aggregate_id for row in events(engine, "OrderCancelled")] == [old]
    cancel_order(engine, young)
    assert [row[:3] for row in stored(engine).stock] == free


def test_an_order_does_not_expire_while_it_is_being_paid(engine: Engine) -> None:
    order_id = aged(engine, 700)
    begin_payment(engine, order_id, "CARD", "scripted", 3600)
    sweep = sweep_of(engine, ScriptedProvider(known=Refused("no")), order_expiry=600)
    sweep.round()
    assert status_of(engine, order_id) == "PENDING"
    now = datetime.now(UTC)
    assert unpaid_orders(engine, now, 10) == [], "they would fill every batch while a provider is away"
    assert expire_order(engine, order_id, now) is False, "a payment may begin after the order was found"
    make_due(engine)
    sweep.round()  # which hears that it is refused
    sweep.round()
    assert status_of(engine, order_id) == "CANCELLED"


def test_orders_made_by_hand_and_deleted_ones_keep_no_other_from_expiring(engine: Engine) -> None:
    deleted = aged(engine, 900)
    delete_order(engine, deleted)
    by_hand = order_by_hand(engine)
    old = aged(engine, 700)
    sweep_of(engine, ScriptedProvider(), order_expiry=600).round()
    assert [row.aggregate_id for row in events(engine, "OrderCancelled")] == [old]
    assert state(engine, by_hand).status == "PENDING"


def oldest_open_shown() -> float | None:
    return REGISTRY.get_sample_value("millrace_payment_oldest_open_seconds")


def test_an_order_that_cannot_expire_keeps_neither_the_others_nor_the_payments(engine: Engine) -> None:
    stuck, other, payment = aged(engine, 900, "2.00"), aged(engine, 700, "0.50"), begun(engine)
    with engine.begin() as connection:  # less is reserved than the first would release
        connection.execute(sa.update(inventory).where(inventory.c.product_id == SACHET).values(reserved=39))
    metrics.PAYMENT_OLDEST_OPEN.set(-1)
    assert sweep_of(engine, ScriptedProvider(known=Accepted("c")), order_expiry=600).round() is False
    assert [status_of(engine, each) for each in (stuck, other)] == ["PENDING", "CANCELLED"]
    assert only(engine, payment.order_id).status == "COMPLETED"
    assert oldest_open_shown() == 0


@pytest.mark.parametrize("code", [1205, 1213])
def test_an_order_whose_row_others_keep_is_left_to_a_later_round(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    kept, other = aged(engine, 900), aged(engine, 700)

    def expire(engine: Engine, order_id: str, before: datetime) -> bool:
        if order_id == kept:
            raise sa.exc.OperationalError("UPDATE", {}, pymysql.err.OperationalError(code, "as it says"))
        return expire_order(engine, order_id, before)

    sweep = sweep_of(engine, ScriptedProvider(), order_expiry=600)
    with monkeypatch.context() as patch:
        patch.setattr("services.payments.sweep.expire_order", expire)
        sweep.round()
    assert [status_of(engine, each) for each in (kept, other)] == ["PENDING", "CANCELLED"]
    sweep.round()
    assert status_of(engine, kept) == "CANCELLED"


def test_a_database_that_goes_away_ends_the_round_after_the_payments(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(engine, 700)
    payment, faulty = begun(engine), begun(engine, name="elsewhere")
    make_older(engine, faulty.id)

    def away(*_arguments: object) -> bool:
        raise sa.exc.TimeoutError("the pool is empty")

    monkeypatch.setattr("services.payments.sweep.expire_order", away)
    metrics.PAYMENT_OLDEST_OPEN.set(-1)
    with pytest.raises(sa.exc.TimeoutError):
        sweep_of(engine, ScriptedProvider(known=Accepted("c")), order_expiry=600).round()
    assert only(engine, payment.order_id).status == "COMPLETED"
    assert (oldest_open_shown() or 0) > timedelta(days=365).total_seconds()


def test_orders_that_cannot_expire_do_not_make_one_round_follow_the_other_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.payments.sweep._AT_ONCE", 2)
    sweep = sweep_of(engine, ScriptedProvider(), order_expiry=600)
    for seconds in (900, 800, 700, 700):
        aged(engine, seconds)
    assert [sweep.round(), sweep.round(), sweep.round()] == [True, True, False]

    def faulty(*_arguments: object) -> bool:
        raise RuntimeError("a fault")

    monkeypatch.setattr("services.payments.sweep.expire_order", faulty)
    for seconds in (900, 800):
        aged(engine, seconds)
    assert sweep.round() is False
