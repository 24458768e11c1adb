"""Orders that wait for one another are stored together, and what goes wrong stays with whom it belongs to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.api import placing
from services.api.placing import Placing
from services.api.problems import Problem
from services.api.shop import Shop
from services.api.workers import Workers
from services.clients.database import OutcomeUnknown
from services.domain.errors import InsufficientStock
from services.domain.model import NewItem, NewOrder, Order
from services.domain.placing import Asked, place_orders
from tests.support.shop import SHOP, stored


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with SHOP.open(tmp_path) as engine:
        yield engine


class Transactions:
    """place_orders held back until the test lets it go on; how many orders each transaction had."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.sizes: list[int] = []

    def __call__(self, engine: Engine, zone: ZoneInfo, asked: Sequence[Asked]) -> list[Order | Exception]:
        self.sizes.append(len(asked))
        assert self.gate.wait(20)
        return place_orders(engine, zone, asked)


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> Transactions:
    held = Transactions()
    monkeypatch.setattr(placing, "place_orders", held)
    return held


def run(engine: Engine, scenario: Callable[[Placing], Awaitable[Any]]) -> Any:
    async def inside() -> Any:
        workers = Workers("database", 4, 30)
        try:
            return await scenario(Placing(Shop(engine, ZoneInfo("UTC"), workers, 10_000)))
        finally:
            workers.close()

    return asyncio.run(inside())


def order(count: int = 1, also: Any = None, product: str = "101") -> Asked:
    return Asked(NewOrder("1", (NewItem(product, count),)), None, also)


async def settle(transactions: Transactions, started: int) -> None:
    """Until so many transactions have begun."""
    async with asyncio.timeout(20):
        while len(transactions.sizes) < started:  # noqa: ASYNC110 - it happens in a thread
            await asyncio.sleep(0.001)


async def under_way(desk: Placing, transactions: Transactions) -> list[asyncio.Future[Order]]:
    """Orders that keep the transactions busy."""
    first = [asyncio.ensure_future(desk.place(order())) for _ in range(placing.AT_ONCE)]
    await settle(transactions, 1)
    return list(first)


def test_those_that_wait_are_stored_together(engine: Engine, transactions: Transactions) -> None:
    async def scenario(desk: Placing) -> list[Order]:
        first = await under_way(desk, transactions)
        others = [asyncio.ensure_future(desk.place(order())) for _ in range(20)]
        await asyncio.sleep(0)
        transactions.gate.set()
        return await asyncio.gather(*first, *others)

    orders = run(engine, scenario)
    assert len({each.id for each in orders}) == 20 + placing.AT_ONCE == stored(engine).orders
    assert len(transactions.sizes) <= placing.AT_ONCE + 1, f"orders by transaction: {transactions.sizes}"


def test_one_that_goes_wrong_does_not_take_the_others_with_it(engine: Engine, transactions: Transactions) -> None:
    def fail(_connection: Connection, _order: Order) -> None:
        raise RuntimeError("this one alone")

    async def scenario(desk: Placing) -> list[Order | BaseException]:
        first = await under_way(desk, transactions)
        asked = [order(), order(also=fail), order(6, product="102"), order()]
        others = [asyncio.ensure_future(desk.place(each)) for each in asked]
        await asyncio.sleep(0)
        transactions.gate.set()
        await asyncio.gather(*first)
        return await asyncio.gather(*others, return_exceptions=True)

    good, broken, refused, last = run(engine, scenario)
    assert isinstance(good, Order)
    assert isinstance(last, Order)
    assert isinstance(refused, InsufficientStock)
    assert str(broken) == "this one alone"
    assert stored(engine).orders == 2 + placing.AT_ONCE


def test_an_order_nobody_can_make_an_event_of_is_no_concern_of_the_others(
    engine: Engine, transactions: Transactions
) -> None:
    """Nothing that passes validation is known to be refused; should it ever be, it is refused alone."""

    async def scenario(desk: Placing) -> list[Order | BaseException]:
        first = await under_way(desk, transactions)
        asked = [order(), Asked(NewOrder("1", (NewItem("101", 1),), None, address), None), order()]
        others = [asyncio.ensure_future(desk.place(each)) for each in asked]
        await asyncio.sleep(0)
        transactions.gate.set()
        await asyncio.gather(*first)
        return await asyncio.gather(*others, return_exceptions=True)

    address: Any = object()
    good, refused, last = run(engine, scenario)
    assert isinstance(good, Order)
    assert isinstance(last, Order)
    assert isinstance(refused, Exception)
    assert stored(engine).orders == 2 + placing.AT_ONCE


def test_what_the_database_does_not_take_is_found_one_by_one(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(engine: Engine, zone: ZoneInfo, asked: Sequence[Asked]) -> list[Order | Exception]:
        if any(each.new.items[0].quantity == 7 for each in asked):
            raise sa.exc.DataError("INSERT", {}, Exception(1406, "Data too long"))
        return place_orders(engine, zone, asked)

    monkeypatch.setattr(placing, "place_orders", refuses)

    async def scenario(desk: Placing) -> list[Order | BaseException]:
        asked = [order(7 if number == 5 else 1) for number in range(10)]
        return await asyncio.gather(*(desk.place(each) for each in asked), return_exceptions=True)

    outcomes = run(engine, scenario)
    assert [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, Order)] == [5]
    assert stored(engine).orders == 9


def test_when_nobody_knows_the_outcome_nothing_is_tried_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[int] = []

    def lost(_engine: Engine, _zone: ZoneInfo, asked: Sequence[Asked]) -> None:
        asked_for.append(len(asked))
        raise OutcomeUnknown("the database went away during a commit")

    monkeypatch.setattr(placing, "place_orders", lost)

    async def scenario(desk: Placing) -> list[Order | BaseException]:
        return await asyncio.gather(*(desk.place(order()) for _ in range(10)), return_exceptions=True)

    assert {type(outcome) for outcome in run(engine, scenario)} == {OutcomeUnknown}
    assert sum(asked_for) == 10


def test_who_has_gone_is_not_served(engine: Engine, transactions: Transactions) -> None:
    async def scenario(desk: Placing) -> None:
        first = await under_way(desk, transactions)
        gone = asyncio.ensure_future(desk.place(order()))
        await asyncio.sleep(0)
        gone.cancel()
        transactions.gate.set()
        await asyncio.gather(*first)
        with pytest.raises(asyncio.CancelledError):
            await gone
        await desk.place(order())

    run(engine, scenario)
    assert stored(engine).orders == placing.AT_ONCE + 1


def test_where_too_many_wait_the_next_is_told_to_come_back(
    engine: Engine, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "WAITING", 3)

    async def scenario(desk: Placing) -> None:
        first = await under_way(desk, transactions)
        waiting = [asyncio.ensure_future(desk.place(order())) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as full:
            await desk.place(order())
        assert (full.value.status, full.value.headers["Retry-After"]) == (503, "1")
        transactions.gate.set()
        await asyncio.gather(*first, *waiting)

    run(engine, scenario)
    assert stored(engine).orders == 3 + placing.AT_ONCE


def test_who_waits_in_vain_for_a_transaction_is_told_so(engine: Engine, transactions: Transactions) -> None:
    """The database hangs: those under way wait on, all others hear of it after the time for queueing."""

    async def scenario() -> None:
        workers = Workers("database", 4, 30, 0.5)
        desk = Placing(Shop(engine, ZoneInfo("UTC"), workers, 10_000))
        first = []
        for number in range(placing.AT_ONCE):
            first.append(asyncio.ensure_future(desk.place(order())))
            await settle(transactions, number + 1)
        with pytest.raises(Problem) as late:
            await desk.place(order())
        assert (late.value.status, late.value.headers["Retry-After"]) == (503, "1")
        transactions.gate.set()
        await asyncio.gather(*first)
        await desk.place(order())
        workers.close()

    asyncio.run(scenario())
    assert stored(engine).orders == placing.AT_ONCE + 1
