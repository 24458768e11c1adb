"""Requests with a key, and what became of them."""

from __future__ import annotations

import httpx
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.domain.tables import idempotency_keys
from tests.support.shop import AppClient

ORDER = {"userId": "1", "items": [{"productId": "101", "quantity": 1}]}
KEY = {"Idempotency-Key": "order-of-the-morning"}


def lease_runs_out(engine: Engine) -> None:
    """Every claim's time passes."""
    with engine.begin() as connection:
        connection.execute(sa.update(idempotency_keys).values(claimed_until=idempotency_keys.c.created_at))


def kept(engine: Engine) -> int:
    """How many keys there are."""
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(idempotency_keys)) or 0


def slug(answer: httpx.Response) -> str:
    """The problem's type."""
    return str(answer.json()["type"]).removeprefix("/problems/")


def again(first: httpx.Response, second: httpx.Response) -> None:
    """Raises AssertionError unless the second answer is the first one, said again."""
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    own = {"x-request-id", "idempotency-replayed"}
    assert {n: v for n, v in second.headers.items() if n not in own} == {
        n: v for n, v in first.headers.items() if n not in own
    }


def placed(api: AppClient, pieces: int = 1) -> str:
    """The id of a new order of so many pieces of 25000.00."""
    order = {**ORDER, "items": [{"productId": "101", "quantity": pieces}]}
    return str(api.post("/api/orders", order).json()["id"])


def paid(api: AppClient) -> str:
    """The id of a new order that is paid."""
    order = placed(api)
    assert api.post("/api/payments", {"orderId": order, "method": "CARD"}).json()["status"] == "COMPLETED"
    return order
