"""What is asked of a payment provider. It is another company's system: it may be slow, silent, or say things twice.

``payment_id`` is the provider's idempotency key: whatever was asked under it before, a charge is made once, and the
outcome is the same to whoever asks again. ``deadline`` is how many seconds the caller waits; whoever has no answer by
then raises NoAnswer, which says nothing about what the provider did or is going to do.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from services.domain.model import PaymentMethod


class NoAnswer(Exception):
    """The provider did not say what it did: it was away, too slow, or its answer was lost."""


@dataclass(frozen=True)
class Accepted:
    """The money is taken. ``charge_id``, up to 64 characters, is the provider's name for that."""

    charge_id: str


@dataclass(frozen=True)
class Refused:
    """Nothing was done, and under this key nothing will be. ``reason`` may be shown to the customer."""

    reason: str


class Provider(Protocol):
    """One provider, asked by several threads at once and never within a database transaction."""

    @property
    def name(self) -> str:
        """Kept with every payment; up to 32 characters."""

    def charge(
        self, payment_id: str, order_id: str, amount: Decimal, method: PaymentMethod, deadline: float
    ) -> Accepted | Refused:
        """Takes the money. Raises NoAnswer."""

    def look_up(self, payment_id: str, deadline: float) -> Accepted | Refused | None:
        """What became of a charge; None where the provider knows of none under this key. Raises NoAnswer."""

    def refund(self, payment_id: str, charge_id: str, amount: Decimal, deadline: float) -> Refused | None:
        """Gives the whole charge back, once, however often it is asked to; None: done. Raises NoAnswer."""

    def close(self) -> None:
        """Ends connections, and whoever still waits for an answer."""
