"""What clients of the shop and its payment provider do, as values that can be drawn and printed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.domain.model import PaymentMethod

Lines = tuple[tuple[str, int], ...]
"""Product and quantity of each line; the same product may come twice."""


@dataclass(frozen=True)
class Create:
    """A client orders, saying a price or total that is off by so much where it says any."""

    at: datetime
    user: str
    lines: Lines
    price_off: Decimal | None = None
    total_off: Decimal | None = None


@dataclass(frozen=True)
class Import:
    """An order placed and paid elsewhere, under names and prices of its own."""

    at: datetime
    user: str
    lines: Lines
    name: str = "Imported"
    price: Decimal = Decimal("0.05")


@dataclass(frozen=True)
class Pay:
    """An attempt to pay the order with this number (modulo the orders there are), and the provider's answer to it."""

    at: datetime
    order: int
    accepted: bool = True
    method: PaymentMethod = "CARD"


@dataclass(frozen=True)
class Begin:
    """An attempt to pay, about which the provider has said nothing yet."""

    at: datetime
    order: int
    method: PaymentMethod = "CARD"


@dataclass(frozen=True)
class Settle:
    """The provider says, perhaps again, or otherwise than before, what became of an attempt to pay the order.

    ``attempt`` is its number, the order's oldest being 0, modulo those there are.
    """

    at: datetime
    order: int
    attempt: int = 0
    accepted: bool = True


@dataclass(frozen=True)
class GiveBack:
    """The provider, asked to where it is owed, gives the money of an attempt back, or says why it does not."""

    at: datetime
    order: int
    attempt: int = 0
    done: bool = True


@dataclass(frozen=True)
class Cancel:
    """The client cancels."""

    at: datetime
    order: int


@dataclass(frozen=True)
class Expire:
    """The order is cancelled if it is unpaid, not being paid, and older than ``age`` seconds."""

    at: datetime
    order: int
    age: int = 0


@dataclass(frozen=True)
class Refund:
    """An administrator refunds."""

    at: datetime
    order: int
    restock: bool = False


@dataclass(frozen=True)
class Delete:
    """An administrator deletes."""

    at: datetime
    order: int


@dataclass(frozen=True)
class Restate:
    """A repair says the order's state anew, with a version above this."""

    at: datetime
    order: int
    at_least: int = 0


@dataclass(frozen=True)
class SetStock:
    """An administrator sets what is in the house."""

    at: datetime
    product: str
    quantity: int


@dataclass(frozen=True)
class AdjustStock:
    """An administrator adds or takes pieces."""

    at: datetime
    product: str
    by: int


OnAttempt = Settle | GiveBack
OnOrder = Pay | Begin | OnAttempt | Cancel | Expire | Refund | Delete | Restate
Action = Create | Import | OnOrder | SetStock | AdjustStock
