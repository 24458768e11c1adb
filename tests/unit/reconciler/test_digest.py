"""The relational digest is the one its description says, whichever database works it out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Engine

from services.clients.database import write
from services.domain.tables import order_items, orders
from services.reconciler import digest, relational
from services.reconciler.state import Digest
from tests.support.shop import SHOP

pytestmark = pytest.mark.real_servers

DAY = date(2024, 2, 29)
MOMENT = datetime(2024, 2, 29, 23, 59, 59, 999999, UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    with SHOP.open(tmp_path) as engine:
        yield engine


def _store(engine: Engine, order_id: str, items: list[tuple[str, str, int, str]], deleted: bool = False) -> None:
    def insert(connection: sa.Connection) -> None:
        connection.execute(
            sa.insert(orders).values(
                id=order_id,
                user_id="u|1",
                total_amount=Decimal("12.30"),
                status="COMPLETED",
                payment_status="COMPLETED",
                payment_method=None,
                version=3,
                order_date=DAY,
                created_at=MOMENT,
                updated_at=MOMENT,
                deleted_at=MOMENT if deleted else None,
            )
        )
        for number, (product, name, quantity, price) in enumerate(items):
            connection.execute(
                sa.insert(order_items).values(
                    id=f"{order_id}-{number}",
                    order_id=order_id,
                    product_id=product,
                    product_name=name,
                    quantity=quantity,
                    price=Decimal(price),
                )
            )

    write(engine, insert)


def _number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:10], 16)


def _hex(text: str) -> str:
    return text.encode().hex().upper()


def _read(engine: Engine) -> dict[date, Digest]:
    with engine.connect() as connection:
        digest.install(connection)
        return relational.day_digests(connection)


def test_the_digest_is_what_its_description_says(engine: Engine) -> None:
    """Computed here once more from the words alone."""
    _store(engine, "ö", [("101", "a|b", 2, "6.00"), ("102", "", 1, "0.30")])
    lines = _number(f"{_hex('101')}|{_hex('a|b')}|2|600") + _number(f"{_hex('102')}||1|30")
    status = _hex("COMPLETED")
    text = f"{_hex('ö')}|3|{_hex('u|1')}|2024-02-29 23:59:59.999999|1230|{status}|{status}||2|{lines}"
    assert _read(engine) == {DAY: Digest(1, 1230, _number(text))}


def test_the_order_of_items_and_orders_does_not_matter(engine: Engine, tmp_path: Path) -> None:
    """Neither database promises one."""
    first, second = ("101", "A", 1, "1.00"), ("102", "B", 1, "11.30")
    _store(engine, "x", [first, second])
    _store(engine, "y", [first])
    (tmp_path / "other").mkdir()
    with SHOP.open(tmp_path / "other") as other:
        _store(other, "y", [first])
        _store(other, "x", [second, first])
        assert _read(engine) == _read(other)


def test_deleted_orders_are_absent(engine: Engine) -> None:
    """ClickHouse keeps a marker, the database a row: neither counts."""
    _store(engine, "gone", [("101", "A", 1, "12.30")], deleted=True)
    assert _read(engine) == {}


def test_an_order_without_items_has_a_digest(engine: Engine) -> None:
    """Inserted by hand; it must differ from ClickHouse, not vanish from the comparison."""
    _store(engine, "bare", [])
    assert _read(engine)[DAY].orders == 1


def test_mysql_is_asked_for_the_same() -> None:
    """Cents as integers, UTF-8 bytes in hexadecimal, the same 40 bits, no text that could be cut off."""
    text = str(relational.day_digests_query().compile(dialect=mysql.dialect()))
    assert "CAST(orders.total_amount * 100 AS SIGNED)" in text
    assert "COALESCE(HEX(CONVERT(orders.payment_method USING utf8mb4)), '')" in text
    assert "CAST(CONV(SUBSTRING(SHA2(order_texts.text, 256), 1, 10), 16, 10) AS UNSIGNED)" in text
    assert "CAST(orders.created_at AS CHAR(26))" in text
    assert "GROUP_CONCAT" not in text.upper()
