"""kill -9 of the API between storing a payment and its outcome: the next API finds out, and nobody is charged twice."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import Engine

from services.domain.orders import cancel_order
from services.payments.sandbox import Sandbox
from tests.integration.api.running import RunningApi
from tests.support.databases import url_of
from tests.support.payments import PAYMENT_SHOP, attempts, make_due, order_of, status_of
from tests.support.process import wait_until
from tests.support.shop import ADMIN, events

pytestmark = pytest.mark.real_servers

HANGS, ARRIVES_LATE, REFUND_LOST = "0.80", "0.65", "0.35"
FOREVER = "25"


def start(engine: Engine, folder: Path, **more: str) -> RunningApi:
    own = {
        "PAYMENT_SANDBOX_FILE": str(folder / "book.db"),
        "PAYMENT_SWEEP_INTERVAL": "0.05",
        "PAYMENT_TIMEOUT": FOREVER,
    }
    return RunningApi(url_of(engine), folder, **(own | more))


def post(api: RunningApi, path: str, body: object) -> None:
    with suppress(httpx.TransportError):
        httpx.post(f"{api.link}{path}", json=body, headers=ADMIN, timeout=60)


def pay_and_kill(api: RunningApi, book: Sandbox, order_id: str) -> None:
    """Dies with the charge made, its answer on its way, and the attempt stored."""
    body = {"orderId": order_id, "method": "CARD"}
    client = threading.Thread(target=post, args=(api, "api/payments", body))
    client.start()
    wait_until(lambda: book.counts(order_id) == (1, 0), "the charge")
    api.process.kill()
    client.join(30)


@pytest.mark.parametrize("cancelled", [False, True], ids=["still wanted", "cancelled meanwhile"])
def test_a_charge_made_before_the_crash_is_found_by_the_next_api(tmp_path: Path, cancelled: bool) -> None:
    book = Sandbox(tmp_path / "book.db")
    with PAYMENT_SHOP.open(tmp_path) as engine:
        order = order_of(engine, HANGS)
        pay_and_kill(start(engine, tmp_path), book, order.id)
        assert [each.status for each in attempts(engine, order.id)] == ["PENDING"]
        if cancelled:
            cancel_order(engine, order.id)
        make_due(engine)

        api = start(engine, tmp_path / "next", PAYMENT_SANDBOX_FILE=str(tmp_path / "book.db"))
        expected = ("REFUNDED", "CANCELLED", (1, 1)) if cancelled else ("COMPLETED", "COMPLETED", (1, 0))
        wait_until(
            lambda: (
                (attempts(engine, order.id)[0].status, status_of(engine, order.id), book.counts(order.id)) == expected
            ),
            "the payment's outcome",
        )
        wait_until(lambda: attempts(engine, order.id)[0].due_at is None, "the end of it")
        assert api.process.stop() == 0
        assert book.counts(order.id) == expected[2]
        assert len(events(engine, "PaymentRefunded" if cancelled else "PaymentCompleted")) == 1


def test_a_charge_that_never_arrived_is_asked_for_by_the_next_api(tmp_path: Path) -> None:
    book = Sandbox(tmp_path / "book.db")
    with PAYMENT_SHOP.open(tmp_path) as engine:
        order = order_of(engine, ARRIVES_LATE)
        api = start(engine, tmp_path)
        post(api, "api/payments", {"orderId": order.id, "method": "CARD"})
        api.process.kill()
        assert ([each.status for each in attempts(engine, order.id)], book.counts(order.id)) == (["PENDING"], (0, 0))
        make_due(engine)

        api = start(engine, tmp_path / "next", PAYMENT_SANDBOX_FILE=str(tmp_path / "book.db"))
        wait_until(lambda: status_of(engine, order.id) == "COMPLETED", "the payment's outcome")
        assert api.process.stop() == 0
        assert book.counts(order.id) == (1, 0)


def test_a_refund_decided_before_the_crash_is_made_by_the_next_api(tmp_path: Path) -> None:
    book = Sandbox(tmp_path / "book.db")
    with PAYMENT_SHOP.open(tmp_path) as engine:
        order = order_of(engine, REFUND_LOST)
        api = start(engine, tmp_path)
        post(api, "api/payments", {"orderId": order.id, "method": "CARD"})
        post(api, f"api/payments/{order.id}/refund", {})
        api.process.kill()
        assert ([each.status for each in attempts(engine, order.id)], book.counts(order.id)) == (["REFUNDED"], (1, 0))
        make_due(engine)

        api = start(engine, tmp_path / "next", PAYMENT_SANDBOX_FILE=str(tmp_path / "book.db"))
        wait_until(lambda: book.counts(order.id) == (1, 1), "the refund")
        wait_until(lambda: attempts(engine, order.id)[0].due_at is None, "its confirmation")
        assert api.process.stop() == 0
        assert len(events(engine, "PaymentRefunded")) == 1


def test_unpaid_orders_expire_in_a_running_api(tmp_path: Path) -> None:
    with PAYMENT_SHOP.open(tmp_path) as engine:
        orders = [order_of(engine).id for _ in range(5)]
        api = start(engine, tmp_path, ORDER_EXPIRY="0.1")
        wait_until(lambda: {status_of(engine, each) for each in orders} == {"CANCELLED"}, "the orders' expiry")
        assert api.process.stop() == 0
        assert len(events(engine, "OrderCancelled")) == 5


def test_a_book_that_cannot_be_opened_is_one_line_that_names_the_setting(tmp_path: Path) -> None:
    with PAYMENT_SHOP.open(tmp_path) as engine, pytest.raises(AssertionError) as ended:
        start(engine, tmp_path, PAYMENT_SANDBOX_FILE=str(tmp_path / "nowhere" / "book.db"))
    assert "ended with 2" in str(ended.value)
    assert "set PAYMENT_SANDBOX_FILE" in str(ended.value).splitlines()[-1]
    assert "Traceback" not in str(ended.value)
