"""The order state machine in plain Python: what every action must lead to, and the events that must tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.support.action_shop import ARTICLES, USERS
from tests.support.actions import (
    Action,
    AdjustStock,
    Begin,
    Cancel,
    Create,
    Delete,
    Expire,
    GiveBack,
    Import,
    OnAttempt,
    OnOrder,
    Pay,
    Refund,
    Restate,
    SetStock,
    Settle,
)
from tests.support.payments import CLOSED, NO_MONEY, PROVIDER_SECONDS
from tests.support.states import ModelAttempt, ModelOrder, Outcome, Stock, Told


@dataclass
class ModelShop:
    """The whole shop."""

    zone: ZoneInfo
    orders: list[ModelOrder] = field(default_factory=list)
    stock: dict[str, Stock] = field(default_factory=lambda: {p: Stock(a.stock) for p, a in ARTICLES.items()})
    attempts: list[list[ModelAttempt]] = field(default_factory=list)
    """By order, oldest first."""

    def do(self, action: Action) -> Outcome:
        """Does it."""
        match action:
            case Create():
                return self._create(action)
            case Import():
                return self._import(action)
            case SetStock(product=product, quantity=quantity):
                return self._set_stock(product, quantity)
            case AdjustStock(product=product, by=by):
                return self._set_stock(product, self.stock[product].quantity + by)
            case _ if not self.orders:
                return Outcome("nothing")
            case _:
                return self._on_order(action, self.orders[action.order % len(self.orders)])

    def _create(self, action: Create) -> Outcome:
        if action.user not in USERS:
            return Outcome("NotFound")
        if any(product not in ARTICLES for product, _ in action.lines) or action.price_off or action.total_off:
            return Outcome("Invalid")
        lines = tuple((p, ARTICLES[p].name, quantity, ARTICLES[p].price) for p, quantity in action.lines)
        order = ModelOrder(
            len(self.orders), action.user, lines, action.at.astimezone(self.zone).date(), action.at, action.at
        )
        free = {product: self.stock[product].quantity - self.stock[product].reserved for product in order.pieces}
        if any(free[product] < wanted for product, wanted in order.pieces.items()):
            return Outcome("InsufficientStock")
        self._add(order)
        return self._told("OrderCreated", order, self._move(order, "StockReserved", reserved=1))

    def _import(self, action: Import) -> Outcome:
        lines = tuple((product, action.name, quantity, action.price) for product, quantity in action.lines)
        day = action.at.astimezone(self.zone).date()
        noon = datetime.combine(day, time(12), self.zone).astimezone(UTC)
        order = ModelOrder(
            len(self.orders), action.user, lines, day, noon, action.at, "COMPLETED", "COMPLETED", payment_method="CARD"
        )
        self._add(order, ModelAttempt(0, "CARD", "COMPLETED"))
        return self._told("OrderCompleted", order)

    def _on_order(self, action: OnOrder, order: ModelOrder) -> Outcome:
        now = max(action.at, order.updated_at)
        deleted, pending = order.deleted_at is not None, order.status == "PENDING"
        match action:
            case Restate(at_least=at_least):
                version = max(order.version, at_least) + 1
                return self._told("OrderRestated", self._become(replace(order, version=version, updated_at=now)))
            case Delete():
                return Outcome("nothing") if deleted else self._delete(order, now)
            case Expire(age=age):
                unpaid = pending and not deleted and not self._has_attempt(order, "PENDING")
                due = unpaid and order.created_at < action.at - timedelta(seconds=age)
                return self._cancel(order, now) if due else Outcome("nothing")
            case Settle() | GiveBack():
                return self._on_attempt(order, action, now)
            case _ if deleted:
                return Outcome("NotFound")
            case Cancel():
                return self._cancel(order, now) if pending else Outcome("Conflict")
            case Begin(method=method):
                return self._begin(order, method, now)
            case Pay(at=at, method=method, accepted=accepted):
                begun = self._begin(order, method, now)
                settle = Settle(at, order.number, -1, accepted)
                return begun if begun.answer != "done" else self._on_attempt(order, settle, now)
            case Refund(restock=restock):
                return self._refund(order, restock, now) if order.status == "COMPLETED" else Outcome("Conflict")

    def _add(self, order: ModelOrder, *attempts: ModelAttempt) -> None:
        self.orders.append(order)
        self.attempts.append(list(attempts))

    def _has_attempt(self, order: ModelOrder, *statuses: str) -> bool:
        return any(attempt.status in statuses for attempt in self.attempts[order.number])

    def _begin(self, order: ModelOrder, method: str, now: datetime) -> Outcome:
        if order.status != "PENDING" or self._has_attempt(order, "PENDING", "COMPLETED"):
            return Outcome("Conflict")
        of_order = self.attempts[order.number]
        of_order.append(ModelAttempt(len(of_order), method, due_at=now + timedelta(seconds=PROVIDER_SECONDS)))
        return Outcome("done")

    def _on_attempt(self, order: ModelOrder, action: OnAttempt, now: datetime) -> Outcome:
        of_order = self.attempts[order.number]
        if not of_order:
            return Outcome("nothing")
        attempt = of_order[action.attempt % len(of_order)]
        payable = order.status == "PENDING" and order.deleted_at is None
        match action:
            case Settle(accepted=False) if attempt.status == "PENDING":
                failed = replace(attempt, status="FAILED", due_at=None, failure=NO_MONEY.reason)
                return self._tell(order, failed, "PaymentFailed", now) if payable else self._keep(order, failed)
            case Settle(accepted=True) if attempt.status == "PENDING" and payable:
                paid = replace(attempt, status="COMPLETED", charged=True, due_at=None)
                return self._tell(order, paid, "PaymentCompleted", now, "COMPLETED")
            case Settle(accepted=True) if attempt.status in ("PENDING", "FAILED"):  # the order has no use for it
                owed = replace(attempt, status="REFUNDED", charged=True, due_at=now, failure=None)
                return self._tell(order, owed, "PaymentRefunded", now)
            case GiveBack(done=True) if attempt.status == "REFUNDED" and attempt.due_at is not None:
                return self._keep(order, replace(attempt, due_at=None, failure=None))
            case GiveBack(done=False) if attempt.status == "REFUNDED" and attempt.due_at is not None:
                return self._keep(order, replace(attempt, failure=CLOSED.reason))
        return Outcome("nothing")

    def _keep(self, order: ModelOrder, attempt: ModelAttempt) -> Outcome:
        self.attempts[order.number][attempt.number] = attempt
        return Outcome("done")

    def _tell(
        self, order: ModelOrder, attempt: ModelAttempt, event_type: str, now: datetime, becomes: str | None = None
    ) -> Outcome:
        """The order shows the attempt that paid it; one that was never paid, the latest that has an outcome."""
        self._keep(order, attempt)
        if becomes or order.status in ("PENDING", "CANCELLED"):
            order = replace(order, payment_status=attempt.status, payment_method=attempt.method)
        order = self._next(replace(order, status=becomes or order.status), now)
        told = Outcome("done", (Told(event_type, order.number, order.version, order, attempt),))
        if becomes == "COMPLETED":
            moved = self._move(order, "StockDeducted", quantity=-1, reserved=-1)
            return self._told("OrderCompleted", order, (*told.events, *moved))
        return self._told("OrderRefunded", order, told.events) if becomes == "REFUNDED" else told

    def _cancel(self, order: ModelOrder, now: datetime) -> Outcome:
        order = self._next(replace(order, status="CANCELLED"), now)
        return self._told("OrderCancelled", order, self._move(order, "StockReleased", reserved=-1))

    def _delete(self, order: ModelOrder, now: datetime) -> Outcome:
        order = self._next(replace(order, deleted_at=now), now)
        moved = self._move(order, "StockReleased", reserved=-1) if order.status == "PENDING" else ()
        return self._told("OrderDeleted", order, moved)

    def _refund(self, order: ModelOrder, restock: bool, now: datetime) -> Outcome:
        paid = next(attempt for attempt in self.attempts[order.number] if attempt.status == "COMPLETED")
        refunded = replace(paid, status="REFUNDED", due_at=now if paid.charged else None)
        told = self._tell(order, refunded, "PaymentRefunded", now, "REFUNDED")
        moved = self._move(order, "StockAdjusted", quantity=1) if restock else ()
        return replace(told, events=(*told.events, *moved))

    def _set_stock(self, product: str, quantity: int) -> Outcome:
        before = self.stock[product]
        if quantity < 0:
            return Outcome("Invalid")
        if quantity < before.reserved:
            return Outcome("Conflict")
        after = self.stock[product] = replace(before, quantity=quantity, version=before.version + 1)
        return Outcome("done", (Told("StockAdjusted", product, after.version, after),))

    def _next(self, order: ModelOrder, now: datetime) -> ModelOrder:
        return self._become(replace(order, version=order.version + 1, updated_at=now))

    def _become(self, order: ModelOrder) -> ModelOrder:
        self.orders[order.number] = order
        return order

    def _move(self, order: ModelOrder, event_type: str, quantity: int = 0, reserved: int = 0) -> tuple[Told, ...]:
        told = []
        for product, pieces in order.pieces.items():
            if product in self.stock:  # an imported order may name what was never stocked
                before = self.stock[product]
                after = Stock(
                    before.quantity + quantity * pieces, before.reserved + reserved * pieces, before.version + 1
                )
                self.stock[product] = after
                told.append(Told(event_type, product, after.version, after))
        return tuple(told)

    @staticmethod
    def _told(event_type: str, order: ModelOrder, others: tuple[Told, ...] = ()) -> Outcome:
        return Outcome("done", (Told(event_type, order.number, order.version, order), *others))
