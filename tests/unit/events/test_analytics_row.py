"""The analytics row: a pure function of the order, and nothing that the table would coerce."""

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from services.events import AnalyticsRow, NotAnEvent, OrderSnapshot, SnapshotItem, analytics_row, parse_order_event
from tests.support.process import PROJECT

NOW = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)


def snapshot(**changes: Any) -> OrderSnapshot:
    plain: dict[str, Any] = {
        "id": "o-1",
        "user_id": "1",
        "total_amount": Decimal("50000.01"),
        "status": "COMPLETED",
        "items": (
            SnapshotItem(product_id="101", product_name="A", quantity=2, price=Decimal("25000.00")),
            SnapshotItem(product_id="112", product_name="B", quantity=1, price=Decimal("0.01")),
        ),
        "payment_status": "COMPLETED",
        "payment_method": "CARD",
        "version": 3,
        "order_date": date(2026, 3, 1),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return OrderSnapshot(**{**plain, **changes})


def test_the_row_has_the_tables_columns_and_forms() -> None:
    row = json.loads(analytics_row(snapshot()).to_json())
    assert row["items.product_id"] == ["101", "112"]
    assert row["items.price"] == ["25000.00", "0.01"]
    assert row["total_amount"] == "50000.01"
    assert row["created_at"] == row["occurred_at"] == "2026-03-01 12:30:00.123456"
    assert (row["items_count"], row["event_type"], row["is_deleted"], row["deleted_at"]) == (2, "COMPLETED", 0, None)


def test_a_deleted_order_is_a_row_that_says_so() -> None:
    row = json.loads(analytics_row(snapshot(deleted_at=NOW)).to_json())
    assert (row["event_type"], row["is_deleted"], row["deleted_at"]) == ("DELETED", 1, "2026-03-01 12:30:00.123456")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"total_amount": Decimal("50000.02")}, "add up"),
        ({"order_date": date(1970, 1, 1)}, "order_date"),
        ({"order_date": date(2149, 6, 6)}, "order_date"),
        ({"created_at": datetime(2200, 1, 1, tzinfo=UTC)}, "created_at"),
    ],
)
def test_what_does_not_fit_the_table_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        analytics_row(snapshot(**changes))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no value"),
        (b"", "JSON"),
        (b"not json", "JSON"),
        (b"{}", "eventId"),
        (b'{"orderId":"1","userId":"1","totalAmount":50000,"status":"PENDING"}', "eventId"),
        (b"[1]", "value"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(value: bytes | None, why: str) -> None:
    with pytest.raises(NotAnEvent, match=why):
        parse_order_event(value)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# a row that violates each CHECK of the table
VIOLATIONS: dict[str, list[dict[str, Any]]] = {
    "order_id_present": [{"order_id": ""}],
    "user_id_present": [{"user_id": ""}],
    "order_date_plausible": [{"order_date": date(1970, 1, 1)}, {"order_date": date(2149, 6, 6)}],
    "created_at_plausible": [{"created_at": EPOCH}, {"created_at": datetime(2150, 1, 1, tzinfo=UTC)}],
    "occurred_at_plausible": [{"occurred_at": EPOCH}, {"occurred_at": datetime(2300, 1, 1, tzinfo=UTC)}],
    "total_amount_plausible": [{"total_amount": Decimal("-1.00")}],
    "items_counted": [{"items_count": 1}, {"items_count": 3}, {"items_count": 0}],
    "items_plausible": [
        {"product_ids": ("", "112")},
        {"quantities": (0, 1)},
        {"prices": (Decimal("25000.01"), Decimal("-0.01"))},
    ],
    "status_known": [{"status": "SENT"}, {"status": ""}],
    "payment_method_known": [{"payment_method": "IOU"}],
    "payment_status_known": [{"payment_status": "LATER"}],
    "event_type_known": [{"event_type": "RESTATED"}],
    "deletion_consistent": [{"is_deleted": 1}, {"deleted_at": NOW}, {"is_deleted": 2, "deleted_at": NOW}],
    "version_plausible": [{"version": 0}, {"version": 2**63}],
}


def test_every_check_of_the_table_has_its_violation_here() -> None:
    schema = "\n".join(path.read_text() for path in sorted((PROJECT / "schemas" / "clickhouse").glob("*.sql")))
    assert set(re.findall(r"CONSTRAINT (\w+) CHECK", schema)) == set(VIOLATIONS)


@pytest.mark.parametrize(
    "changes", [change for changes in VIOLATIONS.values() for change in changes], ids=lambda change: str(list(change))
)
def test_no_row_leaves_that_a_check_of_the_table_would_refuse(changes: dict[str, Any]) -> None:
    plain = dict(analytics_row(snapshot()))
    assert AnalyticsRow(**plain)
    with pytest.raises(ValueError, match="validation error"):
        AnalyticsRow(**{**plain, **changes})


def test_a_moment_is_told_in_utc_whatever_its_zone() -> None:
    seoul = NOW.astimezone(timezone(timedelta(hours=9)))
    row = json.loads(analytics_row(snapshot(created_at=seoul)).to_json())
    assert row["created_at"] == "2026-03-01 12:30:00.123456"
