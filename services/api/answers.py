"""What the API answers: camelCase objects, money as JSON numbers with their exact digits, times in UTC with Z."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import simplejson
from starlette.responses import Response

from services.domain.model import Inventory, Order, Payment, Product, User


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON in which 25000.00 stays 25000.00. Raises ValueError for NaN and infinities, which JSON does not have."""
    text = simplejson.dumps(content, use_decimal=True, allow_nan=False, default=_plain, separators=(",", ":"))
    return Response(text.encode(), status, dict(headers or {}), media_type="application/json")


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def instant(moment: datetime) -> str:
    """``2026-11-21T11:38:40.123456Z``"""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def order_answer(order: Order) -> dict[str, Any]:
    """An order; ``orderId`` repeats ``id``."""
    return {
        "id": order.id,
        "orderId": order.id,
        "userId": order.user_id,
        "totalAmount": order.total_amount,
        "status": order.status,
        "shippingAddress": order.shipping_address,
        "items": [
            {
                "productId": item.product_id,
                "productName": item.product_name,
                "quantity": item.quantity,
                "price": item.price,
            }
            for item in order.items
        ],
        "paymentStatus": order.payment_status,
        "paymentMethod": order.payment_method,
        "version": order.version,
        "createdAt": instant(order.created_at),
        "updatedAt": instant(order.updated_at),
    }


def product_answer(product: Product) -> dict[str, Any]:
    """A product of the catalogue."""
    return {
        "id": product.id,
        "name": product.name,
        "price": product.price,
        "createdAt": instant(product.created_at),
    }


def user_answer(user: User) -> dict[str, Any]:
    """A user."""
    return {"id": user.id, "email": user.email, "name": user.name, "createdAt": instant(user.created_at)}


def payment_answer(payment: Payment) -> dict[str, Any]:
    """An attempt to pay. ``failure``: why it failed, or why a refund is not done yet, in the provider's words."""
    return {
        "id": payment.id,
        "orderId": payment.order_id,
        "amount": payment.amount,
        "method": payment.method,
        "status": payment.status,
        "failure": payment.failure,
        "refundPending": payment.refund_pending,
        "createdAt": instant(payment.created_at),
        "updatedAt": instant(payment.updated_at),
    }


def inventory_answer(stock: Inventory) -> dict[str, Any]:
    """A product's stock."""
    return {
        "productId": stock.product_id,
        "quantity": stock.quantity,
        "reserved": stock.reserved,
        "available": stock.available,
        "version": stock.version,
    }
