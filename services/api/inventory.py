"""/api/inventory: a product's stock, and setting it by hand, by an administrator who knows what they change."""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.admins import Admins
from services.api.answer_models import StockAnswer
from services.api.answers import inventory_answer, json_response
from services.api.body import parse_object, read_json
from services.api.boundary import TRACEPARENT
from services.api.described import Answers, Parameter, describe
from services.api.problems import FieldError, Problem, invalid, not_found
from services.api.requests import StockBody, identifier_in_path, validated
from services.api.routing import resource
from services.api.shop import Shop
from services.domain.model import Inventory
from services.domain.queries import find_inventory
from services.domain.stock import adjust_quantity, set_quantity

IF_MATCH: Final = Parameter(
    "If-Match",
    {"type": "string", "pattern": r'^(\*|"[1-9][0-9]{0,9}")$'},
    "The ETag of the stock as it was read: 412 when it was changed since",
)
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")
_VERSION = re.compile(r'(?<!W/)"([1-9][0-9]{0,9})"')


class Stock:
    """The resource."""

    def __init__(self, shop: Shop, admins: Admins) -> None:
        self._shop, self._admins = shop, admins

    def routes(self) -> list[Route]:
        """Its path."""
        return [resource("/api/inventory/{productId}", get=self.read, patch=self.change)]

    @describe(
        "Read a product's stock",
        tag="inventory",
        answers={200: Answers("The stock", StockAnswer, headers={"ETag": "the version, for If-Match"})},
        problems=("not-found",),
        text="What is in the house, what of it is reserved for unpaid orders, and what a new order can have.",
    )
    async def read(self, request: Request) -> Response:
        """200 with an ETag, or 404 for a product without stock."""
        product_id = identifier_in_path(request.path_params, "productId", "product")
        stock = await self._shop.do(lambda: find_inventory(self._shop.engine, product_id))
        if stock is None:
            raise not_found(f"There is no inventory of product {product_id}.")
        return _answer(stock)

    @describe(
        "Set or adjust a product's stock",
        tag="inventory",
        answers={200: Answers("The stock afterwards", StockAnswer, headers={"ETag": "the version, for If-Match"})},
        problems=("not-found", "conflict", "precondition-failed"),
        headers=(IF_MATCH,),
        body=StockBody,
        examples={"what was counted": {"quantity": 120}, "a delivery": {"adjust": 25}, "breakage": {"adjust": -1}},
        admin=True,
        text="""Either quantity or adjust. Never below what is reserved (409).

With If-Match only when nobody has changed it since it was read (412).""",
    )
    async def change(self, request: Request) -> Response:
        """The stock afterwards. Admin. 404 unknown; 412 when If-Match names other versions; 409 below the reserved."""
        engine, traceparent = self._shop.engine, request.scope[TRACEPARENT]
        async with self._admins.acting(request, "stock.change", request.path_params["productId"]) as acting:
            product_id = identifier_in_path(request.path_params, "productId", "product")
            expected = _expected(request)
            body = await read_json(request, self._shop.max_body_bytes)
            also = acting.also(details=_afterwards)

            def work() -> Inventory:
                wanted = validated(StockBody, parse_object(body))
                if len(wanted.model_fields_set) != 1:
                    raise invalid(
                        tuple(FieldError(name, "give either quantity or adjust") for name in ("quantity", "adjust"))
                    )
                if "quantity" in wanted.model_fields_set:
                    return set_quantity(engine, product_id, wanted.quantity, traceparent, expected=expected, also=also)
                return adjust_quantity(engine, product_id, wanted.adjust, traceparent, expected=expected, also=also)

            return _answer(await self._shop.do(work))


def _afterwards(stock: Inventory) -> dict[str, object]:
    return {"quantity": stock.quantity, "reserved": stock.reserved, "version": stock.version}


def _answer(stock: Inventory) -> Response:
    return json_response(inventory_answer(stock), headers={"ETag": f'"{stock.version}"'})


def _expected(request: Request) -> set[int] | None:
    """The versions of which one must be the stock's (RFC 9110, 13.1.1); None: any. Raises a 400 problem.

    A weak tag, or one that was never ours, matches nothing. An empty header is no tag: whoever sent it meant one.
    """
    sent = request.headers.getlist("if-match")
    given = ", ".join(sent)
    if not sent or given.strip() == "*":
        return None
    if not _TAGS.fullmatch(given.strip()):
        detail = 'Send If-Match with the ETag of GET, quotes included, as in If-Match: "7".'
        raise Problem(400, "malformed-request", "The request cannot be read", detail, (FieldError("If-Match", detail),))
    return {int(version) for version in _VERSION.findall(given)}
