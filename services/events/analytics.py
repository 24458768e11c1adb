"""The analytics row: a pure function of the order's snapshot, so the events of one transaction make equal rows.

ClickHouse coerces in silence (an absent amount is 0, 30 February is 2 March), so what does not fit the table is
refused here: a row that this module returns is stored exactly as it says, and meets every CHECK of the table.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from services.events.order import MoneyText, OrderSnapshot, OrderStatus, PaymentMethod, PaymentStatus

_FIRST_DAY, _LAST_DAY = date(1970, 1, 2), date(2149, 6, 5)
_EPOCH, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2150, 1, 1, tzinfo=UTC)
_EVENT_OF_STATUS = {"PENDING": "CREATED", "COMPLETED": "COMPLETED", "CANCELLED": "CANCELLED", "REFUNDED": "REFUNDED"}


def _clickhouse_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


Moment = Annotated[AwareDatetime, PlainSerializer(_clickhouse_time, return_type=str, when_used="json")]
Quantity = Annotated[int, Field(ge=1, lt=2**32)]


class AnalyticsRow(BaseModel):
    """One row of ``analytics.orders_analytics``; JSON names are the column names, items are parallel arrays."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="forbid")

    order_id: Annotated[str, Field(min_length=1)]
    user_id: Annotated[str, Field(min_length=1)]
    order_date: Annotated[date, Field(ge=_FIRST_DAY, le=_LAST_DAY)]
    created_at: Moment
    total_amount: MoneyText
    items_count: Quantity
    status: OrderStatus
    payment_method: PaymentMethod | Literal[""]
    payment_status: PaymentStatus | Literal[""]
    product_ids: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(alias="items.product_id")]
    product_names: Annotated[tuple[str, ...], Field(alias="items.product_name")]
    quantities: Annotated[tuple[Quantity, ...], Field(alias="items.quantity")]
    prices: Annotated[tuple[MoneyText, ...], Field(alias="items.price")]
    event_type: Literal["CREATED", "COMPLETED", "CANCELLED", "REFUNDED", "DELETED"]
    deleted_at: Moment | None
    is_deleted: Annotated[int, Field(ge=0, le=1)]
    version: Annotated[int, Field(ge=1, lt=2**63)]
    occurred_at: Moment

    @model_validator(mode="after")
    def _adds_up(self) -> "AnalyticsRow":
        if len({len(self.product_ids), len(self.product_names), len(self.quantities), len(self.prices)}) != 1:
            raise ValueError("the item arrays differ in length")
        if self.items_count != len(self.product_ids):
            raise ValueError(f"items_count is {self.items_count}, and there are {len(self.product_ids)} items")
        total = sum((p * q for p, q in zip(self.prices, self.quantities, strict=True)), Decimal(0))
        if total != self.total_amount:
            raise ValueError(f"the items add up to {total:.2f}, the order says {self.total_amount:.2f}")
        moments = {"created_at": self.created_at, "occurred_at": self.occurred_at, "deleted_at": self.deleted_at}
        for name, moment in moments.items():
            if moment is not None and not _EPOCH < moment < _END:
                raise ValueError(f"{name} {moment} is outside what the table holds")
        if bool(self.is_deleted) != (self.deleted_at is not None):
            raise ValueError(f"is_deleted is {self.is_deleted}, and deleted_at {self.deleted_at}")
        return self

    def to_json(self) -> bytes:
        """One JSONEachRow line without its newline."""
        return self.model_dump_json(by_alias=True).encode()


def analytics_row(order: OrderSnapshot) -> AnalyticsRow:
    """The row of an order's state. Raises ValueError, in one line, when it does not fit the table."""
    try:
        return AnalyticsRow(
            order_id=order.id,
            user_id=order.user_id,
            order_date=order.order_date,
            created_at=order.created_at,
            total_amount=order.total_amount,
            items_count=len(order.items),
            status=order.status,
            payment_method=order.payment_method or "",
            payment_status=order.payment_status or "",
            product_ids=tuple(item.product_id for item in order.items),
            product_names=tuple(item.product_name for item in order.items),
            quantities=tuple(item.quantity for item in order.items),
            prices=tuple(item.price for item in order.items),
            event_type="DELETED" if order.deleted_at else _EVENT_OF_STATUS[order.status],
            deleted_at=order.deleted_at,
            is_deleted=1 if order.deleted_at else 0,
            version=order.version,
            occurred_at=order.updated_at,
        )
    except ValidationError as invalid:
        fault = invalid.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ValueError(f"{where}: {fault['msg']}" if where else fault["msg"]) from None
