"""Events as the domain writes them, for tests that need no database."""

from __future__ import annotations

import json
from typing import Any


def event(order_id: str = "o1", version: int = 1, kind: str = "Order", **changes: Any) -> dict[str, Any]:
    """An event with the whole order, as the domain writes it."""
    order = {
        "id": order_id,
        "userId": "1",
        "totalAmount": "50000.00",
        "status": "PENDING",
        "shippingAddress": None,
        "items": [{"productId": "101", "productName": "Machine", "quantity": 2, "price": "25000.00"}],
        "paymentStatus": None,
        "paymentMethod": None,
        "version": version,
        "orderDate": "2026-01-31",
        "createdAt": "2026-01-31T10:00:00.000001Z",
        "updatedAt": "2026-01-31T10:00:00.000001Z",
        "deletedAt": None,
        **changes,
    }
    data: dict[str, Any] = {"order": order}
    if kind == "Payment":
        data["payment"] = {"id": "p1", "amount": "50000.00", "status": "COMPLETED", "method": "CARD"}
    return {
        "eventId": f"e-{kind}-{order_id}-{version}",
        "eventType": "OrderCreated" if kind == "Order" else "PaymentCompleted",
        "aggregateType": kind,
        "aggregateId": order_id,
        "version": version,
        "occurredAt": "2026-01-31T10:00:00.000001Z",
        "data": data,
    }


def encoded(content: Any) -> bytes:
    """As the outbox's payload has it."""
    return json.dumps(content).encode()
