"""An order as both sides of the comparison describe it, and the sums over many of them."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NamedTuple


class Digest(NamedTuple):
    """Sums over orders that do not depend on their order: how many, for how many cents, and of hash numbers."""

    orders: int
    cents: int
    hash: int


NOTHING = Digest(0, 0, 0)


class Item(NamedTuple):
    """One line of an order; ``cents`` is the price of one piece."""

    product_id: str
    product_name: str
    quantity: int
    cents: int


@dataclass(frozen=True, slots=True)
class OrderState:
    """What the digest covers. ``created_at`` is ``YYYY-MM-DD hh:mm:ss.ffffff`` UTC, items are sorted, "" is none."""

    order_id: str
    order_date: date
    version: int
    user_id: str
    created_at: str
    cents: int
    status: str
    payment_status: str
    payment_method: str
    items: tuple[Item, ...]
    deleted: bool

    def facts(self) -> dict[str, Any]:
        """For people and JSON: amounts as text with two places, items as dictionaries, dates as text."""
        told = asdict(self)
        told["order_date"] = self.order_date.isoformat()
        told["total_amount"] = amount(told.pop("cents"))
        told["items"] = [_line(line) for line in self.items]
        return told


def _line(item: Item) -> dict[str, Any]:
    told = item._asdict()
    told["price"] = amount(told.pop("cents"))
    return told


def amount(cents: int) -> str:
    """Cents as an amount with two places."""
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100}.{cents % 100:02}"
