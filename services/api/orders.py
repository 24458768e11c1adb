"""/api/orders: placing, reading and cancelling orders."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.answers import json_response, order_answer
from services.api.body import parse_object, read_body, read_json
from services.api.boundary import TRACEPARENT
from services.api.paging import Key, limit_of, page, time_cursor
from services.api.placing import Placing
from services.api.problems import FieldError, not_found
from services.api.requests import EmptyBody, OrderBody, Query, is_identifier, validated
from services.api.routing import resource
from services.api.shop import Shop
from services.domain.errors import NotFound
from services.domain.model import NewOrder, Order
from services.domain.orders import cancel_order
from services.domain.placing import Asked
from services.domain.queries import find_order, find_user, orders_of_user

_SMALL: Final = 16_384
"""Bytes of a body that is parsed on the event loop: a thread would cost more than the parsing."""


class Orders:
    """The resource."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._placing = shop, Placing(shop)

    def routes(self) -> list[Route]:
        """Its paths; the user's list before the single order, which would match it too."""
        return [
            resource("/api/orders", post=self.create),
            resource("/api/orders/user/{userId}", get=self.of_user),
            resource("/api/orders/{id}", get=self.read),
            resource("/api/orders/{id}/cancel", post=self.cancel),
        ]

    async def create(self, request: Request) -> Response:
        """201 with Location. 404 unknown user; 422 unknown product, price or total; 409 not enough stock."""
        body = await read_json(request, self._shop.max_body_bytes)
        new = _parsed(body) if len(body) <= _SMALL else await self._shop.do(lambda: _parsed(body))
        try:
            order = await self._placing.place(Asked(new, request.scope[TRACEPARENT]))
        except NotFound as missing:
            error = FieldError("userId", f"there is no {missing.kind} {missing.identifier}")
            raise not_found(f"There is no {missing.kind} {missing.identifier}.", (error,)) from None
        return json_response(order_answer(order), 201, {"Location": f"/api/orders/{order.id}"})

    async def read(self, request: Request) -> Response:
        """200, or 404 for an unknown or deleted order."""
        order_id = _order_id(request)
        order = await self._shop.do(lambda: find_order(self._shop.engine, order_id))
        if order is None:
            raise not_found(f"There is no order {order_id}.")
        return json_response(order_answer(order))

    async def of_user(self, request: Request) -> Response:
        """A page of the user's orders, newest first; 404 for a user who neither exists nor has orders."""
        user_id = request.path_params["userId"]
        query = Query(request.query_params)
        limit, before = limit_of(query), time_cursor(query)
        if not is_identifier(user_id):
            raise not_found("There is no such user.")

        def work() -> list[Order]:
            found = orders_of_user(self._shop.engine, user_id, limit + 1, before)
            if not found and find_user(self._shop.engine, user_id) is None:
                raise NotFound("user", user_id)
            return found

        return json_response(page(await self._shop.do(work), limit, _newest_first, order_answer))

    async def cancel(self, request: Request) -> Response:
        """The cancelled order. 404 unknown; 409 in any state but PENDING."""
        order_id = _order_id(request)
        body = await read_body(request, self._shop.max_body_bytes)
        traceparent: str = request.scope[TRACEPARENT]

        def work() -> Order:
            if body:
                validated(EmptyBody, parse_object(body))
            return cancel_order(self._shop.engine, order_id, traceparent)

        return json_response(order_answer(await self._shop.do(work)))


def _parsed(body: bytes) -> NewOrder:
    return validated(OrderBody, parse_object(body)).to_domain()


def _order_id(request: Request) -> str:
    order_id: str = request.path_params["id"]
    if not is_identifier(order_id):
        raise not_found("There is no such order.")
    return order_id


def _newest_first(order: Order) -> Key:
    return (order.created_at.isoformat(), order.id)
