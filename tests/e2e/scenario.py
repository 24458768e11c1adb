"""A stack's life as its user sees it, once for the CLI and once for what stands in for it in every other test."""

from __future__ import annotations

from typing import Any, Protocol

import httpx

from tests.support.process import wait_until

_ITEMS = [{"productId": 101, "quantity": 1}]


class Ups(Protocol):
    """What the scenario needs of a stack."""

    prefix: str

    def up(self, refresh: bool = True) -> dict[str, int]:
        """Makes it so; counts by operation (create, same, update, replace, delete)."""

    def destroy(self) -> None:
        """Takes it down; its data stays."""

    def left(self) -> list[str]:
        """Kind and name of what the engine has of it."""

    def remove_by_hand(self, role: str) -> None:
        """Behind the back of the state."""

    @property
    def api(self) -> httpx.Client:
        """The API."""

    def verified(self) -> dict[str, Any] | None:
        """The verify report once everything is the same."""


def live_through(stack: Ups) -> None:
    """Up, an order to the views, up again, a container removed and healed, down."""
    first = stack.up()
    assert set(first) == {"create"}, first
    order = stack.api.post("/api/orders", json={"userId": 1, "items": _ITEMS})
    assert order.status_code == 201, order.text
    wait_until(lambda: _orders(stack) == 1, "the order to show", 60.0)
    wait_until(stack.verified, "verify to find no difference", 60.0)

    again = stack.up()
    assert set(again) == {"same"}, again

    stack.remove_by_hand("aggregator")
    healed = stack.up()
    assert (healed.pop("create"), set(healed)) == (1, {"same"}), healed

    stack.destroy()
    left = stack.left()
    assert left
    assert all(one.startswith("volume ") for one in left), left


def _orders(stack: Ups) -> int:
    return int(stack.api.get("/api/analytics/stats").raise_for_status().json()["total_orders"])
