"""The analytics routes: what they ask for, and how they write what they get."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.api.problems import unavailable_now
from tests.support.shop import AppClient
from tests.unit.api.conftest import FakeReader

EVERYTHING = {"start": date(1970, 1, 1), "end": date(2149, 6, 6)}
NOVEMBER = {"start": date(2026, 11, 1), "end": date(2026, 11, 30)}
RANGE = "startDate=2026-11-01&endDate=2026-11-30"
RANGED = ("daily-sales", "sales", "hourly-sales", "order-status")


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("daily-sales", ("daily_sales", EVERYTHING)),
        (f"daily-sales?{RANGE}", ("daily_sales", NOVEMBER)),
        (f"sales?{RANGE}", ("daily_sales", NOVEMBER)),
        ("daily-sales?startDate=0001-01-01&endDate=9999-12-31", ("daily_sales", EVERYTHING)),
        ("daily-sales?startDate=2024-02-29", ("daily_sales", {**EVERYTHING, "start": date(2024, 2, 29)})),
        ("hourly-sales", ("hourly_sales", {**EVERYTHING, "limit": 24})),
        (f"hourly-sales?{RANGE}&limit=5", ("hourly_sales", {**NOVEMBER, "limit": 5})),
        (f"order-status?{RANGE}", ("order_status", NOVEMBER)),
        ("product-ranking?days=36500", ("product_ranking", {"start": date(1970, 1, 1), "limit": 10})),
    ],
)
def test_parameters_are_bound_not_written(api: AppClient, reader: FakeReader, path: str, asked: Any) -> None:
    assert api.get(f"/api/analytics/{path}").status_code == 200
    assert reader.asked == [asked]


def test_a_ranking_of_a_day_begins_today(api: AppClient, reader: FakeReader) -> None:
    today = datetime.now(UTC).date()
    api.get("/api/analytics/product-ranking?days=1&limit=3")
    (_, asked) = reader.asked[0]
    assert asked["limit"] == 3
    assert asked["start"] in (today, today + timedelta(days=1))  # midnight may pass during the request


@pytest.mark.parametrize("route", RANGED)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("startDate=2026-13-01", "startDate"),
        ("startDate=2026-02-30", "startDate"),
        ("endDate=yesterday", "endDate"),
        ("endDate=", "endDate"),
        ("startDate=20261121", "startDate"),
        ("startDate=2026-W01-1", "startDate"),
        ("startDate=2026-11-21T00:00:00Z", "startDate"),
        ("startDate=２０２６-11-21", "startDate"),
        ("startDate=2026-11-21%00", "startDate"),
        ("startDate=2026-11-21'%20OR%201=1", "startDate"),
        ("startDate=2026-11-22&endDate=2026-11-21", "startDate"),
        ("endDate=2026-11-22&endDate=2026-11-21", "endDate"),
    ],
)
def test_a_faulty_range_is_named(api: AppClient, reader: FakeReader, route: str, query: str, field: str) -> None:
    answer = api.get(f"/api/analytics/{route}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert reader.asked == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *[(f"hourly-sales?limit={limit}", "limit") for limit in ("0", "-1", "x", "8785", "1e1")],
        *[(f"product-ranking?limit={limit}", "limit") for limit in ("0", "1001")],
        *[(f"product-ranking?days={days}", "days") for days in ("0", "36501", "NaN", "1.5")],
    ],
)
def test_a_number_out_of_bounds_is_named(api: AppClient, reader: FakeReader, path: str, field: str) -> None:
    answer = api.get(f"/api/analytics/{path}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert reader.asked == []


def test_money_and_times_keep_their_digits(api: AppClient, reader: FakeReader) -> None:
    hour = datetime(2026, 11, 21, 14, tzinfo=ZoneInfo("Europe/Berlin"))
    sales = {"order_count": 7, "total_revenue": Decimal("2500315.60"), "avg_order_value": Decimal("357187.94")}
    told = '"order_count":7,"total_revenue":2500315.60,"avg_order_value":357187.94'
    reader.answer = [{"order_hour": hour, **sales}]
    assert api.get("/api/analytics/hourly-sales").text == f'[{{"order_hour":"2026-11-21T14:00:00+01:00",{told}}}]'
    reader.answer = [{"order_date": date(2026, 11, 21), **sales, "unique_customers": 3}]
    assert api.get("/api/analytics/sales").text == f'[{{"order_date":"2026-11-21",{told},"unique_customers":3}}]'


@pytest.mark.parametrize(("path", "statement"), [("stats", "stats"), ("realtime/sales", "today")])
def test_totals_are_one_object(api: AppClient, reader: FakeReader, path: str, statement: str) -> None:
    reader.answer = [
        {
            "total_orders": 3,
            "total_revenue": Decimal("0.30"),
            "avg_order_value": Decimal("0.10"),
            "unique_customers": 1,
        }
    ]
    assert api.get(f"/api/analytics/{path}").text == (
        '{"total_orders":3,"total_revenue":0.30,"avg_order_value":0.10,"unique_customers":1}'
    )
    assert reader.asked[0][0] == statement


def test_health_says_whether_the_views_can_be_read(api: AppClient, reader: FakeReader) -> None:
    healthy = api.get("/api/analytics/health")
    reader.error = unavailable_now("x")
    ill = api.get("/api/analytics/health")
    assert (healthy.status_code, healthy.json()) == (200, {"status": "ok", "clickhouse": "up"})
    assert (ill.status_code, ill.json()) == (503, {"status": "unavailable", "clickhouse": "down"})


def test_orders_are_taken_while_the_analytics_are_away(api: AppClient, reader: FakeReader) -> None:
    reader.error = unavailable_now("The analytics database does not answer")
    answer = api.get("/api/analytics/stats")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    assert answer.headers["retry-after"] == "1"
    assert api.get("/readyz").status_code == 200
    order = {"userId": "1", "items": [{"productId": "101", "quantity": 1}]}
    assert api.post("/api/orders", order).status_code == 201
