"""Clients at work at the same time: what happened is always a history of the state machine, and the views show it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from services.clients.database import write
from services.domain import locking, orders, payments, settling
from services.domain.attempts import to_payment
from services.domain.errors import DomainError
from services.domain.locking import Locked
from services.domain.model import Order, Payment
from services.domain.tables import orders as orders_table
from services.domain.tables import payments as payments_table
from tests.property.history import History
from tests.property.laboratory import Laboratory
from tests.property.strategies import MOMENTS, histories
from tests.support.action_shop import ActionShop
from tests.support.actions import Begin, Cancel, Create, Delete, Expire, GiveBack, OnOrder, Pay, Refund, Restate, Settle
from tests.support.audit import check_history
from tests.support.databases import on_mysql

T = TypeVar("T")
_AT = MOMENTS[0]
_BARRIER_SECONDS = 10
_order = _attempt = st.integers(0, 1)
_changes = st.one_of(
    st.builds(Pay, at=st.just(_AT), order=_order, accepted=st.booleans()),
    st.builds(Begin, at=st.just(_AT), order=_order),
    st.builds(Settle, at=st.just(_AT), order=_order, attempt=_attempt, accepted=st.booleans()),
    st.builds(Settle, at=st.just(_AT), order=_order, attempt=_attempt),
    st.builds(GiveBack, at=st.just(_AT), order=_order, attempt=_attempt),
    st.builds(Cancel, at=st.just(_AT), order=_order),
    st.builds(Expire, at=st.just(_AT), order=_order, age=st.just(-1)),
    st.builds(Refund, at=st.just(_AT), order=_order, restock=st.booleans()),
    st.builds(Delete, at=st.just(_AT), order=_order),
    st.builds(Restate, at=st.just(_AT), order=_order, at_least=st.integers(0, 3)),
)
_creations = st.builds(
    Create, at=st.just(_AT), user=st.just("1"), lines=st.sampled_from([(("102", 2),), (("102", 1),)])
)
_client = st.lists(st.one_of(_changes, _changes, _creations), min_size=1, max_size=5)


def _two_orders(shop: ActionShop) -> tuple[str, ...]:
    """The first is being paid."""
    shop.reset()
    for pieces in (2, 5):
        shop.do(Create(_AT, "1", (("102", 1), ("101", pieces))))
    shop.do(Begin(_AT, 0))
    return tuple(shop.order_ids)


def _at_once(shop: ActionShop, order_ids: Sequence[str], clients: Sequence[Sequence[OnOrder | Create]]) -> None:
    """Every client does its actions in a thread of its own, all begun together."""
    start = threading.Barrier(len(clients))

    def work(actions: Sequence[OnOrder | Create]) -> None:
        start.wait(_BARRIER_SECONDS)
        for action in actions:
            if isinstance(action, Create):
                shop.do(action)
            else:
                with suppress(DomainError):
                    shop.on_order(action, order_ids[action.order])

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(work, clients))


@pytest.mark.real_servers
@pytest.mark.timeout(900)
@settings(max_examples=5 if on_mysql() else 25)
@given(clients=st.lists(_client, min_size=2, max_size=7), told=histories())
def test_clients_at_once_leave_a_history_of_the_state_machine(
    lab: Laboratory, clients: list[list[OnOrder | Create]], told: History
) -> None:
    _hold(lab, clients, told)


@pytest.mark.real_servers
@pytest.mark.timeout(900)
@settings(max_examples=5 if on_mysql() else 25)
@given(clients=st.lists(_client, min_size=8, max_size=8), told=histories())
def test_eight_clients_at_once_leave_a_history_of_the_state_machine(
    lab: Laboratory, clients: list[list[OnOrder | Create]], told: History
) -> None:
    _hold(lab, clients, told)


def _hold(lab: Laboratory, clients: list[list[OnOrder | Create]], told: History) -> None:
    _at_once(lab.shop, _two_orders(lab.shop), clients)
    check_history(lab.shop)
    lab.show(told)


# ---- the deliberate bug: the state of orders and attempts is read before the lock is taken


class _ReadsBeforeTheLock:
    """Puts the bug into the domain. Both clients have read before either of them writes."""

    def __init__(self, patch: pytest.MonkeyPatch, clients: int) -> None:
        self._read = threading.Barrier(clients)
        self._before = threading.local()
        for module in (orders, payments, settling):
            patch.setattr(module, "write", self._write)
            patch.setattr(module, "lock_order", self._lock_order)
            patch.setattr(module, "advance", self._advance)
        for module in (orders, payments):
            patch.setattr(module, "in_force", self._in_force)
        patch.setattr(settling, "read_attempt", self._read_attempt)

    def _write(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        with engine.connect() as connection:
            rows = connection.execute(sa.select(orders_table)).all()
            items = locking.read_items(connection, [row.id for row in rows])
            tried = [to_payment(row) for row in connection.execute(sa.select(payments_table))]
        self._before.orders = {row.id: locking.to_order(row, items[row.id]) for row in rows}
        self._before.attempts = {attempt.id: attempt for attempt in tried}
        self._read.wait(_BARRIER_SECONDS)
        return write(engine, work)

    def _lock_order(self, connection: Connection, order_id: str) -> Locked:
        locked = locking.lock_order(connection, order_id)
        before: Order = self._before.orders[order_id]
        return replace(locked, order=replace(before, version=locked.order.version))

    def _in_force(self, _connection: Connection, order_id: str) -> Payment | None:
        tried: Iterable[Payment] = self._before.attempts.values()
        return next((a for a in tried if a.order_id == order_id and a.status in ("PENDING", "COMPLETED")), None)

    def _read_attempt(self, _connection: Connection, payment_id: str) -> Payment:
        attempt: Payment = self._before.attempts[payment_id]
        return attempt

    def _advance(self, connection: Connection, locked: Locked, changed: Order) -> Order:
        """Writes what the client changed, as an object mapper does, and tells what the client believes."""
        names = ("status", "payment_status", "payment_method", "deleted_at")
        values = {
            name: getattr(changed, name) for name in names if getattr(changed, name) != getattr(locked.order, name)
        }
        state = replace(changed, version=locked.order.version + 1, updated_at=locked.now)
        connection.execute(
            sa.update(orders_table)
            .where(orders_table.c.id == state.id)
            .values(version=state.version, updated_at=state.updated_at, **values)
        )
        return state


@pytest.mark.real_servers
@pytest.mark.parametrize(
    "clients",
    [
        [[Settle(_AT, 0, accepted=False)], [Cancel(_AT, 0)]],
        [[Settle(_AT, 0)], [Cancel(_AT, 0)]],
        [[Delete(_AT, 0)], [Settle(_AT, 0)]],
        [[Settle(_AT, 0)], [Settle(_AT, 0, accepted=False)]],
        [[Settle(_AT, 0)], [Settle(_AT, 0)]],
        [[Begin(_AT, 1)] for _ in range(8)],
        [[Begin(_AT, 1)], [Expire(_AT, 1, age=-1)]],
    ],
    ids=[
        *("refuse and cancel", "accept and cancel", "delete and accept", "accept and refuse"),
        *("the same answer twice", "eight beginnings", "begin and expire"),
    ],
)
def test_state_read_before_the_lock_is_caught(
    shop: ActionShop, clients: list[list[OnOrder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _at_once(shop, _two_orders(shop), clients)
    check_history(shop)
    order_ids = _two_orders(shop)
    with monkeypatch.context() as patch:
        _ReadsBeforeTheLock(patch, len(clients))
        _at_once(shop, order_ids, clients)
    with pytest.raises(AssertionError):
        check_history(shop)
