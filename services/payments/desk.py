"""What the api and the sweep both do with a provider: ask it, count what it takes, and store what it says."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from sqlalchemy.engine import Engine

from services.domain.also import Also
from services.domain.attempts import refund_done, refund_refused
from services.domain.model import Payment, PaymentMethod
from services.domain.settling import settle_accepted, settle_refused
from services.observability import metrics
from services.observability.logging import get_logger
from services.payments.provider import Accepted, NoAnswer, Provider, Refused
from services.payments.sandbox import Sandbox
from services.settings import PaymentSettings

log = get_logger()


def open_provider(settings: PaymentSettings) -> "Measured":
    """The provider of these settings. Raises OSError when its file cannot be opened."""
    return Measured(Sandbox(settings.payment_sandbox_file))


class Measured:
    """A Provider that counts how long another one takes, and how often it stays silent."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @property
    def name(self) -> str:
        """As in Provider."""
        return self._provider.name

    def charge(
        self, payment_id: str, order_id: str, amount: Decimal, method: PaymentMethod, deadline: float
    ) -> Accepted | Refused:
        """As in Provider."""
        with _counted("charge"):
            return self._provider.charge(payment_id, order_id, amount, method, deadline)

    def look_up(self, payment_id: str, deadline: float) -> Accepted | Refused | None:
        """As in Provider."""
        with _counted("look_up"):
            return self._provider.look_up(payment_id, deadline)

    def refund(self, payment_id: str, charge_id: str, amount: Decimal, deadline: float) -> Refused | None:
        """As in Provider."""
        with _counted("refund"):
            return self._provider.refund(payment_id, charge_id, amount, deadline)

    def close(self) -> None:
        """As in Provider."""
        self._provider.close()


@contextmanager
def _counted(question: str) -> Iterator[None]:
    begun = time.perf_counter()
    try:
        yield
    except NoAnswer:
        metrics.PAYMENT_UNANSWERED.labels(question).inc()
        raise
    finally:
        metrics.PAYMENT_PROVIDER_SECONDS.labels(question).observe(time.perf_counter() - begun)


def settle(
    engine: Engine,
    payment: Payment,
    answer: Accepted | Refused,
    traceparent: str | None = None,
    *,
    also: Also[Payment] | None = None,
) -> Payment:
    """Stores what became of a charge; returns the attempt with its outcome."""
    if isinstance(answer, Accepted):
        settled = settle_accepted(engine, payment, answer.charge_id, traceparent, also=also)
    else:
        settled = settle_refused(engine, payment, answer.reason, traceparent, also=also)
    metrics.PAYMENTS_SETTLED.labels(settled.status.lower()).inc()
    if settled.status == "REFUNDED":
        log.warning("money came in that the order has no use for", payment_id=payment.id, order_id=payment.order_id)
    return settled


def settle_refund(
    engine: Engine, payment: Payment, answer: Refused | None, *, also: Also[Payment] | None = None
) -> Payment:
    """Stores what the provider said about giving the money back; returns the attempt with it."""
    if answer is None:
        return refund_done(engine, payment, also=also)
    log.error("the provider does not give the money back", payment_id=payment.id, reason=answer.reason)
    return refund_refused(engine, payment, answer.reason, also=also)
