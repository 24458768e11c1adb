"""/admin: what only the bearer of an admin token may do. X-Admin-Id says who acts, never whether they may."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.admins import Admins
from services.api.boundary import TRACEPARENT
from services.api.described import Answers, describe
from services.api.requests import identifier_in_path
from services.api.routing import resource
from services.api.shop import Shop
from services.domain.admin_actions import Outcome
from services.domain.orders import delete_order


class Admin:
    """The resource."""

    def __init__(self, shop: Shop, admins: Admins) -> None:
        self._shop, self._admins = shop, admins

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
        traceparent: str = request.scope[TRACEPARENT]
        async with self._admins.acting(request, "order.delete", request.path_params["id"]) as acting:
            order_id = identifier_in_path(request.path_params, "id", "order")
            also = acting.also(_outcome)
            await self._shop.do(lambda: delete_order(self._shop.engine, order_id, traceparent, also=also))
        return Response(status_code=204)


def _outcome(deleted: bool) -> Outcome:
    return "done" if deleted else "unchanged"
