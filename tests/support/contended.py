"""What a shop is asked at the same time, over HTTP: one order paid by many, more orders for a product than pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx

from tests.support.traffic import not_begun

PRODUCT = "107"
PIECES = 100
CLIENTS = 32


class Contended:
    """The API under many hands; each method asserts what it promises."""

    def __init__(self, url: str, admin: dict[str, str]) -> None:
        """`admin`: headers of an administrator."""
        limits = httpx.Limits(max_connections=CLIENTS)
        self._api = httpx.Client(base_url=url, timeout=60, limits=limits)
        self._admin = admin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    def all_of_it(self) -> None:
        """Everything below."""
        sold, deleted, cancelled = self.sold_out()[:3]
        self.paid_once(sold)
        self.ended_once("POST", f"/api/payments/{sold}/refund", "REFUNDED", 200)
        self.ended_once("DELETE", f"/admin/orders/{deleted}", None, 204)
        self.ended_once("POST", f"/api/orders/{cancelled}/cancel", "CANCELLED", 200)

    def sold_out(self) -> list[str]:
        """500 orders for the last 100 pieces: exactly 100 are placed. Returns their ids."""
        path = f"/api/inventory/{PRODUCT}"
        before = self._api.get(path).raise_for_status().json()
        self._set(before["reserved"] + PIECES)
        body = {"userId": 1, "items": [{"productId": PRODUCT, "quantity": 1}]}
        answers = self._at_once("POST", "/api/orders", [body] * 5 * PIECES)
        seen = _statuses(answers)
        assert seen == {201: PIECES, 409: 4 * PIECES}, (seen, answers[0].text)
        after = self._api.get(path).raise_for_status().json()
        assert (after["quantity"], after["reserved"]) == (before["reserved"] + PIECES,) * 2
        self._set(before["quantity"] + PIECES)
        return [answer.json()["id"] for answer in answers if answer.status_code == 201]

    def paid_once(self, order_id: str) -> None:
        """200 payments of one order: one attempt is made, and completed."""
        body = {"orderId": order_id, "method": "CARD"}
        answers = self._at_once("POST", "/api/payments", [body] * 200)
        seen = _statuses(answers)
        assert seen == {201: 1, 409: 199}, (seen, answers[0].text)
        attempts = self._api.get(f"/api/payments/{order_id}").raise_for_status().json()["items"]
        assert [attempt["status"] for attempt in attempts] == ["COMPLETED"]

    def ended_once(self, method: str, path: str, status: str | None, succeeds: int) -> None:
        """Sixteen times the same end of an order: the first succeeds, and no other one is a fault or another end."""
        answers = self._at_once(method, path, [None] * 16, **self._admin)
        seen = _statuses(answers)
        assert seen[succeeds] >= 1, seen
        assert set(seen) <= {succeeds, 409}, seen
        if status is not None:
            assert {answer.json()["status"] for answer in answers if answer.status_code == succeeds} == {status}

    def _set(self, quantity: int) -> None:
        stock = self._api.patch(f"/api/inventory/{PRODUCT}", json={"quantity": quantity}, headers=self._admin)
        assert stock.status_code == 200, stock.text

    def _at_once(self, method: str, path: str, bodies: Iterable[Any], **headers: str) -> list[httpx.Response]:
        def ask(body: Any) -> httpx.Response:
            """Again as long as it was not begun for want of room."""
            while True:
                answer = self._api.request(method, path, json=body, headers=headers)
                if not not_begun(answer):
                    return answer

        with ThreadPoolExecutor(CLIENTS) as clients:
            return list(clients.map(ask, bodies))


def _statuses(answers: Iterable[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)
