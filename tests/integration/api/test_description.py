"""The whole description by schemathesis, against the API as a process, with and without credentials.

A seeded sample by default; `make fuzz-api CASES=20000` is the whole (MILLRACE_TEST_CASES).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.clients.clickhouse import connect
from services.clients.clickhouse_schema import migrate_clickhouse
from services.domain.tables import inventory
from tests.integration.api.running import RunningApi
from tests.support.clickhouse import Front, start_front
from tests.support.databases import url_of
from tests.support.fuzz import Fuzz, Known, report
from tests.support.shop import ADMIN, SHOP

CASES = int(os.environ.get("MILLRACE_TEST_CASES", "1000"))
ENOUGH = 2_000_000_000
LEAST_SUCCESSES = 0.01


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = start_front(tmp_path_factory.mktemp("clickhouse"), "UTC")
    client = connect(front.url, user="writer", password=front.writer_password, database="analytics")
    migrate_clickhouse(client, "UTC")
    client.close()
    yield front
    front.stop()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with SHOP.open(tmp_path_factory.mktemp("shop")) as engine:
        with engine.begin() as connection:
            connection.execute(sa.update(inventory).values(quantity=ENOUGH))
        yield engine


@pytest.fixture(scope="module")
def api(engine: Engine, front: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    analytics = {
        "CLICKHOUSE_HOST": front.url,
        "CLICKHOUSE_PASSWORD": front.writer_password,
        "CLICKHOUSE_READER_USER": "reader",
        "CLICKHOUSE_READER_PASSWORD": front.reader_password,
    }
    folder: Path = tmp_path_factory.mktemp("api")
    running = RunningApi(url_of(engine), folder, **analytics)
    yield running
    running.process.stop()


def place(link: str) -> str:
    order = {"userId": "1", "items": [{"productId": "101", "quantity": 1}]}
    placed = httpx.post(f"{link}api/orders", json=order, timeout=30)
    assert placed.status_code == 201, placed.text
    return str(placed.json()["id"])


def known(link: str) -> Known:
    """Things of the shop; an order that is to be changed is a new one."""

    def thing(operation: str) -> str:
        return "1" if "User" in operation else "101" if "Product" in operation else place(link)

    def order(chance: random.Random) -> dict[str, Any]:
        products = chance.sample(["101", "102", "103", 101], chance.randint(1, 3))
        items = [{"productId": product, "quantity": chance.randint(1, 9)} for product in products]
        return {"userId": chance.choice(["1", "2", 1]), "items": items}

    def to_pay(operation: str) -> str:
        wanted = place(link)
        if "Refund" in operation:
            paid = httpx.post(f"{link}api/payments", json={"orderId": wanted, "method": "CARD"}, timeout=30)
            assert paid.json()["status"] == "COMPLETED", paid.text
        return wanted

    def payment(chance: random.Random) -> dict[str, Any]:
        return {"orderId": place(link), "method": chance.choice(["CARD", "BANK_TRANSFER", "WALLET", "CASH"])}

    return Known(
        path={
            "id": thing,
            "orderId": to_pay,
            "userId": lambda _operation: "1",
            # what is set at random is not what the orders here are placed of
            "productId": lambda operation: "103" if "patch" in operation else "101",
            "slug": lambda _operation: "validation",
        },
        fields={"userId": lambda: "1", "productId": lambda: "101", "orderId": lambda: place(link)},
        body={
            "postOrders": order,
            "postPayments": payment,
            "patchInventoryProductId": lambda chance: {"adjust": chance.randint(1, 9)},
        },
    )


@pytest.mark.timeout(300 + CASES)
def test_the_description_holds_for_any_request(api: RunningApi) -> None:
    fuzz = Fuzz(api.link, ADMIN, known(api.link))
    tallies = fuzz.run(CASES)
    print(report(tallies))
    assert set(tallies) == {operation.label for operation in fuzz.operations()}
    poor = {label: tally for label, tally in tallies.items() if tally.successes < LEAST_SUCCESSES * tally.cases}
    assert poor == {}, report(tallies)
    assert "Traceback" not in api.process.output()
