"""The sweep: finds out what became of payments that the provider did not answer, gives back what is owed, and cancels
unpaid orders that have expired.

Any number of processes may sweep. Each attempt is claimed by moving the time it is due before the provider is asked,
one at a time; a process that dies with one has only put it off.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Engine

from services.clients.backoff import Backoff, exponential
from services.clients.database import contended, database_now, unavailable
from services.domain.attempts import claim_due, oldest_open
from services.domain.model import Payment
from services.domain.orders import expire_order
from services.domain.queries import unpaid_orders
from services.domain.settling import unpayable_for
from services.observability import metrics
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import StopSignal
from services.payments.desk import settle, settle_refund
from services.payments.provider import Accepted, NoAnswer, Provider, Refused
from services.settings import PaymentSettings

_AT_ONCE: Final = 100
"""Attempts, and orders that expire, a round deals with at most; a full round is followed by the next at once."""
_ROUND_SECONDS: Final = 30
"""And so long at most with each of them, so that a provider that hangs does not keep orders from expiring."""
_LOOP: Final = "payments"
GRACE_SECONDS: Final = 5
"""How long after the provider's time is up its question is left to whoever asked it."""

log = get_logger()


class Sweep:
    """One process's sweep."""

    def __init__(self, engine: Engine, provider: Provider, settings: PaymentSettings) -> None:
        self._engine, self._provider, self._settings = engine, provider, settings
        self._timeout = settings.payment_timeout

    def run(self, stop: StopSignal) -> None:
        """Sweeps until told to stop. The database and the provider may come and go meanwhile."""
        backoff = Backoff(self._settings.payment_sweep_interval, self._settings.payment_max_backoff)
        while not stop.stopped:
            beat(_LOOP, within=4 * _ROUND_SECONDS)
            try:
                full = self.round(stop)
                backoff.succeeded()
                pause = 0.0 if full else self._settings.payment_sweep_interval
            except Exception as error:
                pause = backoff.failed()
                # a fault of ours must not leave every payment open until a restart
                say = log.warning if unavailable(error) else log.exception
                say("the sweep of payments failed", error=str(error).splitlines()[0], again_in=round(pause, 1))
            beat(_LOOP, rest=pause)
            stop.wait(pause)

    def round(self, stop: StopSignal | None = None) -> bool:
        """Deals with what is due now, money first; says whether there may be more. Raises the database's errors."""
        try:
            payments = self._ask_about_all(stop)
            orders = self._expire(stop)
        finally:  # it is what tells people that rounds do not get through
            metrics.PAYMENT_OLDEST_OPEN.set(oldest_open(self._engine))
        return payments or orders

    def _ask_about_all(self, stop: StopSignal | None) -> bool:
        over = _end_of_round(stop)
        for _ in range(_AT_ONCE):
            if over():
                break
            payment = claim_due(self._engine, self._wait)
            if payment is None:
                return False
            self._ask_about(payment)
        return True

    def _wait(self, tries: int) -> float:
        """Longer than a look-up and a charge take together, and longer after each try."""
        longest = self._settings.payment_max_backoff
        return 2 * self._timeout + GRACE_SECONDS + exponential(tries, self._settings.payment_sweep_interval, longest)

    def _ask_about(self, payment: Payment) -> None:
        about = {"payment_id": payment.id, "order_id": payment.order_id, "tries": payment.tries}
        try:
            if payment.provider != self._provider.name:
                log.error("a payment of a provider that is not set up waits", provider=payment.provider, **about)
            elif payment.status == "REFUNDED":
                self._give_back(payment)
            else:
                self._resolve(payment)
        except NoAnswer as silent:
            log.warning("the payment provider does not answer", why=str(silent), due_at=str(payment.due_at), **about)
        except Exception as error:
            _one_alone("a payment cannot be resolved", error, about)

    def _resolve(self, payment: Payment) -> None:
        answer = self._provider.look_up(payment.id, self._timeout) or self._never_came_in(payment)
        if answer is not None:
            settled = settle(self._engine, payment, answer)
            log.info("payment resolved", payment_id=payment.id, order_id=payment.order_id, status=settled.status)

    def _never_came_in(self, payment: Payment) -> Accepted | Refused | None:
        """Charges, while the order can still be paid. Else the charge may be on its way for some time yet."""
        ended_for = unpayable_for(self._engine, payment)
        if ended_for is None:
            return self._provider.charge(payment.id, payment.order_id, payment.amount, payment.method, self._timeout)
        if ended_for < timedelta(seconds=self._settings.payment_abandon_after):
            return None
        return Refused("the order had ended before the provider was asked")

    def _give_back(self, payment: Payment) -> None:
        if payment.charge_id is not None:
            answer = self._provider.refund(payment.id, payment.charge_id, payment.amount, self._timeout)
            settle_refund(self._engine, payment, answer)

    def _expire(self, stop: StopSignal | None) -> bool:
        if not self._settings.order_expiry:
            return False
        with self._engine.connect() as connection:
            before = database_now(connection) - timedelta(seconds=self._settings.order_expiry)
        due, over, expired = unpaid_orders(self._engine, before, _AT_ONCE), _end_of_round(stop), 0
        for order_id in due:
            if over():
                break
            expired += self._expire_one(order_id, before)
        if expired:
            log.info("unpaid orders expired", orders=expired)
        return expired > 0 and len(due) == _AT_ONCE  # those that cannot expire are due in every round

    def _expire_one(self, order_id: str, before: datetime) -> bool:
        try:
            expired = expire_order(self._engine, order_id, before)
        except Exception as error:
            _one_alone("an unpaid order cannot expire", error, {"order_id": order_id})
            return False
        metrics.ORDERS_EXPIRED.inc(expired)
        return expired


def _end_of_round(stop: StopSignal | None) -> Callable[[], bool]:
    until = time.monotonic() + _ROUND_SECONDS
    return lambda: time.monotonic() >= until or (stop is not None and stop.stopped)


def _one_alone(event: str, error: Exception, about: Mapping[str, object]) -> None:
    """Says what is wrong with one, which must not keep the others; within its ``except``. Raises what concerns all."""
    if contended(error):
        log.warning(event, error=str(error).splitlines()[0], **about)
    elif unavailable(error):
        raise error
    else:
        log.exception(event, **about)
