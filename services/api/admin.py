"""/admin: what only the bearer of an admin token may do. X-Admin-Id says who acts, never whether they may."""

import hmac
import re
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.boundary import REQUEST_ID, TRACEPARENT
from services.api.described import Answers, describe
from services.api.problems import FieldError, Problem, not_found
from services.api.requests import is_identifier
from services.api.routing import resource
from services.api.shop import Shop
from services.domain.orders import delete_order
from services.observability.logging import get_logger

_ADMIN_ID = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,126}[\x21-\x7e])?")

log = get_logger()


class Credential:
    """The admin token, kept as a digest so that a comparison takes the same time for every wrong token."""

    def __init__(self, token: str | None) -> None:
        """``token`` None: no admin request is ever let through."""
        self._digest = sha256(token.encode()).digest() if token else None

    def require(self, request: Request) -> None:
        """Raises a 401 problem unless the request bears the token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = sha256(token.strip().encode()).digest()
        known = self._digest is not None and hmac.compare_digest(given, self._digest)
        if scheme.lower() != "bearer" or not known:
            challenge = 'Bearer realm="millrace"' + (', error="invalid_token"' if token else "")
            detail = "Send the header Authorization: Bearer TOKEN with an admin token."
            raise Problem(401, "unauthorized", "Unauthorized", detail, headers={"WWW-Authenticate": challenge})


class Admin:
    """The resource."""

    def __init__(self, shop: Shop, credential: Credential) -> None:
        self._shop, self._credential = shop, credential

    def routes(self) -> list[Route]:
        """Its paths."""
        return [resource("/admin/orders/{id}", delete=self.delete)]

    @describe(
        "Delete an order",
        tag="administration",
        answers={204: Answers("The order is deleted, now or before")},
        problems=("not-found",),
        admin=True,
        text="Whatever its state; the stock of a PENDING one is free again. It leaves every list and every figure.",
    )
    async def delete(self, request: Request) -> Response:
        """204, also when the order was deleted already. 401 credential; 400 no X-Admin-Id; 404 unknown."""
        self._credential.require(request)
        admin_id = _admin_id(request)
        order_id: str = request.path_params["id"]
        if not is_identifier(order_id):
            raise not_found("There is no such order.")
        traceparent: str = request.scope[TRACEPARENT]
        deleted = await self._shop.do(lambda: delete_order(self._shop.engine, order_id, traceparent))
        if deleted:
            log.info("order deleted", order_id=order_id, admin_id=admin_id, request_id=request.scope[REQUEST_ID])
        return Response(status_code=204)


def _admin_id(request: Request) -> str:
    admin_id: str = request.headers.get("x-admin-id", "")
    if not _ADMIN_ID.fullmatch(admin_id):
        detail = "Send the header X-Admin-Id with the acting person's id: 1 to 128 printable characters."
        error = FieldError("X-Admin-Id", "is required" if not admin_id else "must be 1 to 128 printable characters")
        raise Problem(400, "admin-id-missing", "Who acts is not named", detail, (error,))
    return admin_id
