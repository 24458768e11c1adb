"""/api/payments: paying an order, its attempts, and giving its money back."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.admins import Acting, Admins
from services.api.answer_models import PaymentAnswer, PaymentPage
from services.api.answers import json_response, payment_answer
from services.api.described import Answers, describe
from services.api.idempotency import Keep
from services.api.paging import PAGE, id_cursor, limit_of, page
from services.api.posting import Post, Posting
from services.api.problems import Problem, names_nothing
from services.api.requests import PaymentBody, Query, RefundBody, identifier_in_path
from services.api.routing import resource
from services.api.shop import Shop
from services.api.workers import Workers
from services.domain.errors import NotFound
from services.domain.model import Payment
from services.domain.payments import begin_payment, refund_order
from services.domain.queries import find_order, list_payments, payments_of_order
from services.observability.logging import get_logger
from services.payments.desk import settle, settle_refund
from services.payments.provider import NoAnswer, Provider
from services.payments.sweep import GRACE_SECONDS

log = get_logger()


class Payments:
    """The resource. ``asking``: threads that wait for the provider, so that orders never wait for it."""

    def __init__(self, shop: Shop, admins: Admins, provider: Provider, asking: Workers, timeout: float) -> None:
        self._shop, self._admins = shop, admins
        self._provider, self._asking, self._timeout = provider, asking, timeout

    def routes(self) -> list[Route]:
        """Its paths."""

        def refunding(request: Request) -> AbstractAsyncContextManager[Acting]:
            return self._admins.acting(request, "order.refund", request.path_params["orderId"])

        refund = Posting(self._shop, RefundBody, self.refund, within=refunding, body_optional=True)
        return [
            resource("/api/payments", get=self.every, post=Posting(self._shop, PaymentBody, self.pay)),
            resource("/api/payments/{orderId}", get=self.of_order),
            resource("/api/payments/{orderId}/refund", post=refund),
        ]

    @describe(
        "Pay an order",
        tag="payments",
        answers={
            201: Answers("The attempt: COMPLETED, FAILED or PENDING", PaymentAnswer, headers={"Location": "its list"})
        },
        problems=("not-found", "conflict"),
        examples={
            "by card": {"orderId": "0196b1c2-7c11-7d4e-8a7b-2f4f6f1f9c10", "method": "CARD"},
            "with the amount that was shown": {"orderId": 1, "method": "WALLET", "amount": 50000.00},
        },
        text="""PENDING when the payment provider has not answered: the attempt is settled later, and can be read.

An amount that is sent has to be the order's total (422). An order that is paid, being paid or over cannot be paid
(409); one whose attempt FAILED can be paid again.""",
    )
    async def pay(self, post: Post[PaymentBody]) -> Response:
        """201, COMPLETED, FAILED or PENDING. 404 unknown order; 422 another amount; 409 unless it can be paid now.

        What goes wrong once the attempt is stored leaves it PENDING: the sweep finds out what the provider did.
        """
        wanted, engine, provider = post.body, self._shop.engine, self._provider

        def begin(keep: Keep) -> Payment:
            seconds, also = self._timeout + GRACE_SECONDS, keep.also(_begun, final=False)
            try:
                return begin_payment(
                    engine, wanted.order_id, wanted.method, provider.name, seconds, wanted.amount, also=also
                )
            except NotFound as missing:
                raise names_nothing("orderId", missing) from None

        async def work(keep: Keep) -> Response:
            attempt = payment = await self._shop.do(lambda: begin(keep))
            try:
                answer = await self._asking.run(
                    lambda: provider.charge(attempt.id, attempt.order_id, attempt.amount, attempt.method, self._timeout)
                )
                also = keep.also(_begun)
                payment = await self._shop.do(lambda: settle(engine, attempt, answer, post.traceparent, also=also))
            except Exception as error:
                _left_open("charge", attempt, error, post.request_id)
            return _begun(payment)

        return await post.in_steps(work)

    @describe(
        "Refund an order",
        tag="payments",
        answers={200: Answers("The attempt that had paid, REFUNDED", PaymentAnswer)},
        problems=("not-found", "conflict"),
        examples={"the goods stay with the customer": {}, "the goods come back": {"restock": True}},
        admin=True,
        text="""Only a COMPLETED order can be refunded, once. With restock its pieces come back into the house.

refundPending says that the provider has not confirmed yet; it goes on being asked. The body may be left out.""",
    )
    async def refund(self, post: Post[RefundBody]) -> Response:
        """The attempt that had paid, REFUNDED. Admin. 404 unknown order; 409 unless it is COMPLETED.

        The money is asked back from the provider then; where it does not answer, the sweep goes on asking.
        """
        order_id = identifier_in_path(post.path_params, "orderId", "order")
        acting: Acting = post.actor
        engine, provider = self._shop.engine, self._provider

        def decide(keep: Keep) -> Payment:
            also = keep.also(_given_back, final=False, beside=acting.also())
            seconds = self._timeout + GRACE_SECONDS
            return refund_order(engine, order_id, post.body.restock, post.traceparent, seconds=seconds, also=also)

        async def work(keep: Keep) -> Response:
            decided = payment = await self._shop.do(lambda: decide(keep))
            charge_id = decided.charge_id
            if charge_id is not None:
                try:
                    answer = await self._asking.run(
                        lambda: provider.refund(decided.id, charge_id, decided.amount, self._timeout)
                    )
                    also = keep.also(_given_back)
                    payment = await self._shop.do(lambda: settle_refund(engine, decided, answer, also=also))
                except Exception as error:
                    _left_open("refund", payment, error, post.request_id)
            return _given_back(payment)

        return await post.in_steps(work)

    @describe(
        "List an order's payments",
        tag="payments",
        answers={200: Answers("A page of attempts to pay", PaymentPage)},
        problems=("not-found",),
        query=PAGE,
        text="Every attempt, newest first. A deleted order is not found.",
    )
    async def of_order(self, request: Request) -> Response:
        """A page of the order's attempts, newest first; 404 for an unknown or deleted order."""
        order_id = identifier_in_path(request.path_params, "orderId", "order")

        def work(limit: int, before: str | None) -> list[Payment]:
            if find_order(self._shop.engine, order_id) is None:
                raise NotFound("order", order_id)
            return payments_of_order(self._shop.engine, order_id, limit, before)

        return await self._page(request, work)

    @describe(
        "List payments",
        tag="payments",
        answers={200: Answers("A page of attempts to pay", PaymentPage)},
        query=PAGE,
        text="The attempts of all orders, newest first.",
    )
    async def every(self, request: Request) -> Response:
        """A page of all orders' attempts, newest first."""
        return await self._page(request, lambda limit, before: list_payments(self._shop.engine, limit, before))

    async def _page(self, request: Request, find: Callable[[int, str | None], list[Payment]]) -> Response:
        query = Query(request.query_params)
        limit, before = limit_of(query), id_cursor(query)
        found = await self._shop.do(lambda: find(limit + 1, before))
        return json_response(page(found, limit, lambda each: (each.id,), payment_answer))


def _begun(payment: Payment) -> Response:
    return json_response(payment_answer(payment), 201, {"Location": f"/api/payments/{payment.order_id}"})


def _given_back(payment: Payment) -> Response:
    return json_response(payment_answer(payment))


def _left_open(question: str, payment: Payment, error: Exception, request_id: str) -> None:
    """The attempt stands as it was stored, whatever happened since; the log says what."""
    silent = isinstance(error, NoAnswer | Problem)
    say = log.warning if silent else log.exception
    say(
        "left to the sweep",
        question=question,
        payment_id=payment.id,
        order_id=payment.order_id,
        why=str(error),
        request_id=request_id,
    )
