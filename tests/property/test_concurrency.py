"""Clients at work at the same time: what happened is always a history of the state machine, and the views show it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
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
from services.domain.errors import DomainError
from services.domain.locking import Locked
from services.domain.model import Order
from services.domain.tables import orders as orders_table
from tests.property.history import History
from tests.property.laboratory import Laboratory
from tests.property.strategies import MOMENTS, histories
from tests.support.actions import ActionShop, Cancel, Create, Delete, OnOrder, Pay, Refund, Restate
from tests.support.audit import check_history
from tests.support.databases import on_mysql

T = TypeVar("T")
_AT = MOMENTS[0]
_BARRIER_SECONDS = 10
_order = st.integers(0, 1)
_changes = st.one_of(
    st.builds(Pay, at=st.just(_AT), order=_order, accepted=st.booleans()),
    st.builds(Cancel, at=st.just(_AT), order=_order),
    st.builds(Refund, at=st.just(_AT), order=_order, restock=st.booleans()),
    st.builds(Delete, at=st.just(_AT), order=_order),
    st.builds(Restate, at=st.just(_AT), order=_order, at_least=st.integers(0, 3)),
)
_creations = st.builds(
    Create, at=st.just(_AT), user=st.just("1"), lines=st.sampled_from([(("102", 2),), (("102", 1),)])
)
_client = st.lists(st.one_of(_changes, _changes, _creations), min_size=1, max_size=5)


def _two_orders(shop: ActionShop) -> tuple[str, ...]:
    shop.reset()
    for pieces in (2, 5):
        shop.do(Create(_AT, "1", (("102", 1), ("101", pieces))))
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
@settings(max_examples=12 if on_mysql() else 60)
@given(clients=st.lists(_client, min_size=2, max_size=4), told=histories())
def test_clients_at_once_leave_a_history_of_the_state_machine(
    lab: Laboratory, clients: list[list[OnOrder | Create]], told: History
) -> None:
    _at_once(lab.shop, _two_orders(lab.shop), clients)
    check_history(lab.shop)
    lab.show(told)


# ---- the deliberate bug: the state is read before the lock is taken


class _ReadsBeforeTheLock:
    """Puts the bug into the domain. Both clients have read before either of them writes."""

    def __init__(self, patch: pytest.MonkeyPatch, clients: int) -> None:
        self._read = threading.Barrier(clients)
        self._before = threading.local()
        for module in (orders, payments, settling):
            patch.setattr(module, "write", self._write)
            patch.setattr(module, "lock_order", self._lock_order)
            patch.setattr(module, "advance", self._advance)

    def _write(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        with engine.connect() as connection:
            rows = connection.execute(sa.select(orders_table)).all()
            items = locking.read_items(connection, [row.id for row in rows])
        self._before.orders = {row.id: locking.to_order(row, items[row.id]) for row in rows}
        self._read.wait(_BARRIER_SECONDS)
        return write(engine, work)

    def _lock_order(self, connection: Connection, order_id: str) -> Locked:
        locked = locking.lock_order(connection, order_id)
        before: Order = self._before.orders[order_id]
        return replace(locked, order=replace(before, version=locked.order.version))

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
        [[Pay(_AT, 0, accepted=False)], [Cancel(_AT, 0)]],
        [[Pay(_AT, 0)], [Cancel(_AT, 0)]],
        [[Delete(_AT, 0)], [Pay(_AT, 0)]],
    ],
    ids=["refuse and cancel", "pay and cancel", "delete and pay"],
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
