"""/api/orders: placing, reading and cancelling orders."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.answers import json_response, order_answer
from services.api.idempotency import Keep
from services.api.paging import Key, limit_of, page, time_cursor
from services.api.placing import Placing
from services.api.posting import Post, Posting
from services.api.problems import FieldError, not_found
from services.api.requests import EmptyBody, OrderBody, Query, is_identifier
from services.api.routing import resource
from services.api.shop import Shop
from services.domain.errors import NotFound
from services.domain.model import Order
from services.domain.orders import cancel_order
from services.domain.placing import Asked
from services.domain.queries import find_order, find_user, orders_of_user


class Orders:
    """The resource."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._placing = shop, Placing(shop)

    def routes(self) -> list[Route]:
        """Its paths; the user's list before the single order, which would match it too."""
        return [
            resource("/api/orders", post=Posting(self._shop, OrderBody, self.create)),
            resource("/api/orders/user/{userId}", get=self.of_user),
            resource("/api/orders/{id}", get=self.read),
            resource("/api/orders/{id}/cancel", post=Posting(self._shop, EmptyBody, self.cancel, body_optional=True)),
        ]

    async def create(self, post: Post[OrderBody]) -> Response:
        """201 with Location. 404 unknown user; 422 unknown product, price or total; 409 not enough stock."""
        new = post.body.to_domain()

        async def place(keep: Keep) -> Response:
            try:
                order = await self._placing.place(Asked(new, post.traceparent, keep.also(_placed)))
            except NotFound as missing:
                error = FieldError("userId", f"there is no {missing.kind} {missing.identifier}")
                raise not_found(f"There is no {missing.kind} {missing.identifier}.", (error,)) from None
            return _placed(order)

        return await post.in_steps(place)

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

    def cancel(self, post: Post[EmptyBody]) -> Response:
        """The cancelled order. 404 unknown; 409 in any state but PENDING."""
        order_id = _order_id(post)
        return post.once(
            lambda also: cancel_order(self._shop.engine, order_id, post.traceparent, also=also),
            lambda order: json_response(order_answer(order)),
        )


def _placed(order: Order) -> Response:
    return json_response(order_answer(order), 201, {"Location": f"/api/orders/{order.id}"})


def _order_id(request: Request | Post[Any]) -> str:
    order_id: str = request.path_params["id"]
    if not is_identifier(order_id):
        raise not_found("There is no such order.")
    return order_id


def _newest_first(order: Order) -> Key:
    return (order.created_at.isoformat(), order.id)
