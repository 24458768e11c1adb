"""/api/products and /api/users: the catalogue, in pages by id."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.engine import Engine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.answer_models import ProductAnswer, ProductPage, UserAnswer, UserPage
from services.api.answers import json_response, product_answer, user_answer
from services.api.described import Answers, describe
from services.api.paging import PAGE, id_cursor, limit_of, page
from services.api.problems import not_found
from services.api.requests import Query, identifier_in_path
from services.api.routing import Handler, resource
from services.api.shop import Shop
from services.domain.model import Product, User
from services.domain.queries import find_product, find_user, list_products, list_users

T = TypeVar("T", Product, User)


_PRODUCTS = describe(
    "List the products",
    tag="catalogue",
    answers={200: Answers("A page of products", ProductPage)},
    query=PAGE,
    text="By id, byte by byte.",
)
_PRODUCT = describe(
    "Read a product",
    tag="catalogue",
    answers={200: Answers("The product", ProductAnswer)},
    problems=("not-found",),
    text="Its price is what a new order costs.",
)
_USERS = describe(
    "List the users",
    tag="catalogue",
    answers={200: Answers("A page of users", UserPage)},
    query=PAGE,
    text="By id, byte by byte.",
)
_USER = describe(
    "Read a user",
    tag="catalogue",
    answers={200: Answers("The user", UserAnswer)},
    problems=("not-found",),
    text="Whoever an order is for.",
)


def catalogue_routes(shop: Shop) -> list[Route]:
    """Lists and single entries."""
    return [
        resource("/api/products", get=_PRODUCTS(_list(shop, list_products, product_answer))),
        resource("/api/products/{id}", get=_PRODUCT(_one(shop, "product", find_product, product_answer))),
        resource("/api/users", get=_USERS(_list(shop, list_users, user_answer))),
        resource("/api/users/{id}", get=_USER(_one(shop, "user", find_user, user_answer))),
    ]


def _list(
    shop: Shop, listed: Callable[[Engine, int, str | None], list[T]], answer: Callable[[T], dict[str, Any]]
) -> Handler:
    async def handler(request: Request) -> Response:
        query = Query(request.query_params)
        limit, after = limit_of(query), id_cursor(query)
        found = await shop.do(lambda: listed(shop.engine, limit + 1, after))
        return json_response(page(found, limit, lambda each: (each.id,), answer))

    return handler


def _one(
    shop: Shop, kind: str, find: Callable[[Engine, str], T | None], answer: Callable[[T], dict[str, Any]]
) -> Handler:
    async def handler(request: Request) -> Response:
        identifier = identifier_in_path(request.path_params, "id", kind)
        found = await shop.do(lambda: find(shop.engine, identifier))
        if found is None:
            raise not_found(f"There is no such {kind}.")
        return json_response(answer(found))

    return handler
