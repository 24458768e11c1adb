"""A provider that moves no money: it accepts every charge but those whose amount asks for trouble (docs/payments.md).

It keeps a book of what it was asked and did, as a provider does, so that asking again gets the first outcome, and a
test can count charges. The book is in memory, or in a SQLite file that outlives the process and may be shared by
several. It is no part of the shop's database: what happens in one must not hold up, or share a fate with, the other.
"""

import math
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from services.domain.model import PaymentMethod
from services.payments.provider import Accepted, NoAnswer, Refused

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS charges (
    payment_id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL,
    amount TEXT NOT NULL,
    method TEXT NOT NULL,
    asked INTEGER NOT NULL DEFAULT 1,
    charge_id TEXT,
    refusal TEXT,
    looked_up INTEGER NOT NULL DEFAULT 0,
    refund_asked INTEGER NOT NULL DEFAULT 0,
    refunded INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID
"""
_ASK: Final = (
    "INSERT INTO charges (payment_id, order_id, amount, method) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (payment_id) DO UPDATE SET asked = asked + 1"
)
_DECIDE: Final = (
    "UPDATE charges SET charge_id = ?, refusal = ? WHERE payment_id = ? AND charge_id IS NULL AND refusal IS NULL"
)
_READ: Final = "SELECT asked, charge_id, refusal, looked_up, amount, refund_asked FROM charges WHERE payment_id = ?"
_LOOK_UP: Final = "UPDATE charges SET looked_up = looked_up + 1 WHERE payment_id = ?"
_ASK_REFUND: Final = "UPDATE charges SET refund_asked = refund_asked + 1 WHERE payment_id = ?"
_REFUND: Final = "UPDATE charges SET refunded = 1 WHERE payment_id = ? AND charge_id IS NOT NULL"
_COUNT: Final = "SELECT count(charge_id), coalesce(sum(refunded), 0) FROM charges WHERE order_id = ?"
_BUSY_SECONDS: Final = 5


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with a charge: the first time it is asked for, unless it says otherwise."""

    refusal: str | None = None
    seconds: float = 0
    """How long an answer takes, each time."""
    arrives: bool = True
    answered: bool = True
    twice: bool = False
    """The charge comes to the provider twice over."""
    silent_look_ups: int = 0
    refund_arrives: bool = True
    refund_answered: bool = True


TROUBLES: Final[Mapping[Decimal, Trouble]] = {
    Decimal("0.35"): Trouble(refund_arrives=False),
    Decimal("0.40"): Trouble(refund_answered=False),
    Decimal("0.50"): Trouble(refusal="insufficient funds"),
    Decimal("0.55"): Trouble(refusal="the card has expired"),
    Decimal("0.60"): Trouble(seconds=1),
    Decimal("0.65"): Trouble(arrives=False),
    Decimal("0.70"): Trouble(answered=False),
    Decimal("0.75"): Trouble(refusal="insufficient funds", answered=False),
    Decimal("0.80"): Trouble(seconds=math.inf),
    Decimal("0.85"): Trouble(answered=False, silent_look_ups=2),
    Decimal("0.90"): Trouble(twice=True),
}
"""By the amount charged. Multiples of 0.05 below 1.00: the demo's catalogue has a product of that price."""


@dataclass(frozen=True)
class Entry:
    """What the book says of one payment; the counts are of questions so far."""

    asked: int
    charge_id: str | None
    refusal: str | None
    looked_up: int
    amount: Decimal
    refund_asked: int

    @property
    def trouble(self) -> Trouble:
        """What goes wrong with it."""
        return TROUBLES.get(self.amount, Trouble())

    @property
    def outcome(self) -> Accepted | Refused | None:
        """What was decided about the charge, if it ever came in."""
        if self.charge_id is not None:
            return Accepted(self.charge_id)
        return None if self.refusal is None else Refused(self.refusal)


class Sandbox:
    """The Provider. ``file``: where the book is kept; None: in memory, as long as the process lives."""

    def __init__(self, file: Path | None = None) -> None:
        """Opens the book. Raises OSError when the file cannot be opened."""
        self._lock = threading.Lock()
        self._closed = threading.Event()
        try:
            self._book = sqlite3.connect(
                ":memory:" if file is None else file, _BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._book.execute("PRAGMA journal_mode = WAL")
            self._book.execute("PRAGMA synchronous = OFF")  # survives the process's end, which is what is tried out
            self._book.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise OSError(f"the sandbox provider's book {file} cannot be opened: {error}") from None

    @property
    def name(self) -> str:
        """As in Provider."""
        return "sandbox"

    def charge(
        self, payment_id: str, order_id: str, amount: Decimal, method: PaymentMethod, deadline: float
    ) -> Accepted | Refused:
        """As in Provider."""
        trouble = TROUBLES.get(amount, Trouble())
        for _ in range(2 if trouble.twice else 1):
            entry = self._asked(payment_id, order_id, amount, method, trouble)
        self._take(trouble.seconds, deadline)
        if entry.outcome is None or (entry.asked == 1 and not trouble.answered):
            raise NoAnswer("the sandbox does not answer charges of this amount at once")
        return entry.outcome

    def look_up(self, payment_id: str, deadline: float) -> Accepted | Refused | None:
        """As in Provider."""
        entry = self._noted(_LOOK_UP, payment_id)
        if entry is None:
            return None
        if entry.looked_up <= entry.trouble.silent_look_ups:
            raise NoAnswer("the sandbox does not answer so soon what became of charges of this amount")
        return entry.outcome

    def refund(self, payment_id: str, charge_id: str, amount: Decimal, deadline: float) -> Refused | None:
        """As in Provider. A charge that the book does not know was made by a process that kept its own: done."""
        entry = self._noted(_ASK_REFUND, payment_id)
        trouble = TROUBLES.get(amount, Trouble())
        first = entry is not None and entry.refund_asked == 1
        if first and not trouble.refund_arrives:
            raise NoAnswer("the sandbox does not get the first request for a refund of this amount")
        self._noted(_REFUND, payment_id)
        if first and not trouble.refund_answered:
            raise NoAnswer("the sandbox does not answer the first request for a refund of this amount")
        return None

    def counts(self, order_id: str) -> tuple[int, int]:
        """How many charges were made for an order, and how many of them were given back."""
        with self._lock:
            made, refunded = self._book.execute(_COUNT, (order_id,)).fetchone()
        return made, refunded

    def close(self) -> None:
        """As in Provider."""
        self._closed.set()
        with self._lock:
            self._book.close()

    def _asked(self, payment_id: str, order_id: str, amount: Decimal, method: PaymentMethod, trouble: Trouble) -> Entry:
        with self._lock:
            self._book.execute("BEGIN IMMEDIATE")
            with self._book:
                self._book.execute(_ASK, (payment_id, order_id, str(amount), method))
                entry = self._read(payment_id)
                if trouble.arrives or entry.asked > 1:
                    charge_id = None if trouble.refusal else f"sandbox-{payment_id}"
                    self._book.execute(_DECIDE, (charge_id, trouble.refusal, payment_id))
                    entry = self._read(payment_id)
                return entry

    def _noted(self, statement: str, payment_id: str) -> Entry | None:
        with self._lock:
            known = self._book.execute(statement, (payment_id,)).rowcount
            return self._read(payment_id) if known else None

    def _read(self, payment_id: str) -> Entry:
        asked, charge_id, refusal, looked_up, amount, refund_asked = self._book.execute(_READ, (payment_id,)).fetchone()
        return Entry(asked, charge_id, refusal, looked_up, Decimal(amount), refund_asked)

    def _take(self, seconds: float, deadline: float) -> None:
        """Lets so much time pass, up to the deadline. Raises NoAnswer when it is not enough, or the sandbox closes."""
        if seconds and (self._closed.wait(min(seconds, deadline)) or seconds > deadline):
            raise NoAnswer("the sandbox takes its time for charges of this amount")
