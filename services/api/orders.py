"""/api/orders: placing, reading and cancelling orders."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.answer_models import OrderAnswer, OrderPage
from services.api.answers import json_response, order_answer
from services.api.described import Answers, describe
from services.api.idempotency import Keep
from services.api.paging import PAGE, Key, limit_of, page, time_cursor
from services.api.placing import Placing
from services.api.posting import Post, Posting
from services.api.problems import names_nothing, not_found
from services.api.requests import EmptyBody, OrderBody, Query, identifier_in_path
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

    @describe(
        "Place an order",
        tag="orders",
        answers={
            201: Answers("The order, PENDING, its stock reserved", OrderAnswer, headers={"Location": "its path"}),
        },
        problems=("not-found", "insufficient-stock"),
        examples={
            "two of one product": {"userId": 1, "items": [{"productId": 101, "quantity": 2}]},
            "with the price and total that were shown": {
                "userId": "1",
                "items": [{"productId": "101", "quantity": 2, "price": 25000}],
                "totalAmount": 50000.00,
                "status": "PENDING",
                "shippingAddress": "1 Mill Lane",
            },
        },
        text="""Reserves the stock of every line; the price of a line is the catalogue's.

A price or total that is sent has to be the catalogue's (422), the user has to exist (404), and so many pieces have to
be free (409).""",
    )
    async def create(self, post: Post[OrderBody]) -> Response:
        """201 with Location. 404 unknown user; 422 unknown product, price or total; 409 not enough stock."""
        new = post.body.to_domain()

        async def place(keep: Keep) -> Response:
            try:
                order = await self._placing.place(Asked(new, post.traceparent, keep.also(_placed)))
            except NotFound as missing:
                raise names_nothing("userId", missing) from None
            return _placed(order)

        return await post.in_steps(place)

    @describe(
        "Read an order",
        tag="orders",
        answers={200: Answers("The order", OrderAnswer)},
        problems=("not-found",),
        text="A deleted order is not found.",
    )
    async def read(self, request: Request) -> Response:
        """200, or 404 for an unknown or deleted order."""
        order_id = identifier_in_path(request.path_params, "id", "order")
        order = await self._shop.do(lambda: find_order(self._shop.engine, order_id))
        if order is None:
            raise not_found(f"There is no order {order_id}.")
        return json_response(order_answer(order))

    @describe(
        "List a user's orders",
        tag="orders",
        answers={200: Answers("A page of orders", OrderPage)},
        problems=("not-found",),
        query=PAGE,
        text="Newest first. A user without orders has an empty page.",
    )
    async def of_user(self, request: Request) -> Response:
        """A page of the user's orders, newest first; 404 for a user who neither exists nor has orders."""
        query = Query(request.query_params)
        limit, before = limit_of(query), time_cursor(query)
        user_id = identifier_in_path(request.path_params, "userId", "user")

        def work() -> list[Order]:
            found = orders_of_user(self._shop.engine, user_id, limit + 1, before)
            if not found and find_user(self._shop.engine, user_id) is None:
                raise NotFound("user", user_id)
            return found

        return json_response(page(await self._shop.do(work), limit, _newest_first, order_answer))

    @describe(
        "Cancel an order",
        tag="orders",
        answers={200: Answers("The order, CANCELLED, its stock free again", OrderAnswer)},
        problems=("not-found", "conflict"),
        examples={"nothing to say": {}},
        text="Only a PENDING order can be cancelled. The body may be left out.",
    )
    def cancel(self, post: Post[EmptyBody]) -> Response:
        """The cancelled order. 404 unknown; 409 in any state but PENDING."""
        order_id = identifier_in_path(post.path_params, "id", "order")
        return post.once(
            lambda also: cancel_order(self._shop.engine, order_id, post.traceparent, also=also),
            lambda order: json_response(order_answer(order)),
        )


def _placed(order: Order) -> Response:
    return json_response(order_answer(order), 201, {"Location": f"/api/orders/{order.id}"})


def _newest_first(order: Order) -> Key:
    return (order.created_at.isoformat(), order.id)
