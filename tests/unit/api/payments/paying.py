"""Paying and refunding over HTTP, with a provider of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Engine

from services.api.app import create_app
from services.payments.provider import Provider
from services.payments.sweep import Sweep
from services.settings import ApiSettings, PaymentSettings
from tests.support.payments import make_due
from tests.support.shop import ADMIN, ADMIN_TOKEN, AppClient, Call
from tests.unit.api.conftest import FakeReader

QUICK = PaymentSettings.model_validate({"payment_timeout": 0.2})


@contextmanager
def shop_with(engine: Engine, provider: Provider, payments: PaymentSettings = QUICK) -> Iterator[AppClient]:
    settings = ApiSettings.model_validate({"millrace_admin_token": ADMIN_TOKEN, "api_queue_seconds": 30})
    client = AppClient(create_app(engine, "UTC", FakeReader(), settings, payments, provider))
    try:
        yield client
    finally:
        client.close()


def pay(api: AppClient, order_id: str, **more: Any) -> Any:
    return api.post("/api/payments", {"orderId": order_id, "method": "CARD", **more})


def refund(api: AppClient, order_id: str, body: Any = None) -> Any:
    return api.call(Call("POST", f"/api/payments/{order_id}/refund", body, headers=ADMIN))


def sweep(engine: Engine, provider: Provider) -> None:
    make_due(engine)
    Sweep(engine, provider, QUICK).round()
