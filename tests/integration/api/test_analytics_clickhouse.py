"""analytics.sql and the analytics routes against a real ClickHouse with the project's schema."""

import functools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy.engine import Engine

from services.api.analytics_reader import ClickHouseReader
from services.api.app import create_app
from services.clients.clickhouse import connect
from services.clients.clickhouse_schema import migrate_clickhouse
from services.settings import AnalyticsReaderSettings, ApiSettings
from tests.support.clickhouse import Front, StackFront
from tests.support.shop import SHOP, AppClient, Call

ZONE = "America/New_York"
DST_DAY = date(2026, 11, 1)  # the hour from 1:00 to 2:00 comes twice


@functools.cache
def today() -> date:
    """The day on which the tables were filled: collected earlier, it could be another by then."""
    return datetime.now(ZoneInfo(ZONE)).date()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = StackFront(tmp_path_factory.mktemp("clickhouse"), ZONE)
    yield front
    front.stop()


@pytest.fixture(scope="module")
def writer(front: Front) -> Iterator[Client]:
    client = connect(front.url, user=front.writer, password=front.writer_password, database="analytics")
    migrate_clickhouse(client, ZONE)
    _fill(client)
    yield client
    client.close()


def _fill(client: Client) -> None:
    """Sums as the aggregator writes them: two sales today, cancelled ones, two hours and products on the DST day."""
    began = datetime.now(UTC)
    client.insert(
        "cube_day",
        [
            [today(), 2, "50019.99", 2, 2, began, 1],
            [DST_DAY, 3, "100.00", 1, 3, began, 1],
            [date(1997, 3, 18), 1, "0.10", 1, 1, began, 1],
            [date(1998, 1, 1), 0, "0", 0, 1, began, 1],
        ],
        column_names=["order_date", "order_count", "revenue", "unique_customers", "covered", "began", "gen"],
    )
    hours = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in (5, 6)]
    client.insert(
        "cube_hour",
        [
            [DST_DAY, hours[0], "PENDING", 1, "30.00", 1],
            [DST_DAY, hours[1], "COMPLETED", 2, "70.00", 1],
            [DST_DAY, hours[1], "CANCELLED", 4, "9.00", 1],
        ],
        column_names=["order_date", "order_hour", "status", "order_count", "total", "gen"],
    )
    client.insert(
        "cube_product",
        [
            [today(), "101", "Machine, renamed", 2, "50000.00", 1, 1],
            [today(), "102", "Cup", 1, "19.99", 1, 1],
            [today() - timedelta(days=1), "102", "Cup", 10, "199.90", 4, 1],
            [today() - timedelta(days=1), "101", "Machine", 1, "25000.00", 1, 1],
            [today() - timedelta(days=2), "103", "Sample", 1, "0.00", 1, 1],
        ],
        column_names=["order_date", "product_id", "product_name", "quantity", "revenue", "order_count", "gen"],
    )
    client.insert("cube_bucket", [[1, 2, 5, 1], [2, 1, 1, 1]], column_names=["bucket", "customers", "covered", "gen"])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with SHOP.open(tmp_path_factory.mktemp("shop")) as engine:
        yield engine


def client_of(front: Front, database: Engine, url: str) -> AppClient:
    user, password = front.account("api")
    settings = AnalyticsReaderSettings.model_validate(
        {
            "clickhouse_host": url,
            "clickhouse_user": user,
            "clickhouse_password": password,
        }
    )
    reader = ClickHouseReader(settings, ZoneInfo(ZONE))
    return AppClient(create_app(database, ZONE, reader, ApiSettings.model_validate({})))


@pytest.fixture(scope="module")
def api(front: Front, writer: Client, database: Engine) -> Iterator[AppClient]:
    client = client_of(front, database, front.url)
    yield client
    client.close()


def test_daily_sales_are_newest_first_with_their_digits(api: AppClient) -> None:
    answer = api.get("/api/analytics/daily-sales")
    assert answer.status_code == 200, answer.text
    assert answer.text == (
        f'[{{"order_date":"{today()}","order_count":2,"total_revenue":50019.99,"avg_order_value":25010.00,'
        '"unique_customers":2},'
        '{"order_date":"2026-11-01","order_count":3,"total_revenue":100.00,"avg_order_value":33.33,'
        '"unique_customers":1},'
        '{"order_date":"1997-03-18","order_count":1,"total_revenue":0.10,"avg_order_value":0.10,'
        '"unique_customers":1}]'
    )
    assert api.get("/api/analytics/sales").text == answer.text


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("startDate=1997-03-18&endDate=1997-03-18", ["1997-03-18"]),
        ("endDate=1997-03-17", []),
        ("startDate=1997-03-19&endDate=2026-11-01", ["2026-11-01"]),
        ("startDate=0001-01-01&endDate=1997-12-31", ["1997-03-18"]),
        ("startDate=9999-01-01", []),
    ],
)
def test_a_range_includes_both_ends(api: AppClient, query: str, days: list[str]) -> None:
    rows = api.get(f"/api/analytics/daily-sales?{query}").json()
    assert [row["order_date"] for row in rows] == days


def test_the_hour_that_comes_twice_is_two_hours_of_one_day(api: AppClient) -> None:
    rows = api.get("/api/analytics/hourly-sales?startDate=2026-11-01&endDate=2026-11-01")
    assert rows.text == (
        '[{"order_hour":"2026-11-01T01:00:00-05:00","order_count":2,"total_revenue":70.00,"avg_order_value":35.00},'
        '{"order_hour":"2026-11-01T01:00:00-04:00","order_count":1,"total_revenue":30.00,"avg_order_value":30.00}]'
    )
    assert len(api.get("/api/analytics/hourly-sales?limit=1").json()) == 1


def test_every_status_of_a_day_is_counted(api: AppClient) -> None:
    assert api.get("/api/analytics/order-status").json() == [
        {"order_date": "2026-11-01", "status": "CANCELLED", "order_count": 4, "total_amount": 9.0},
        {"order_date": "2026-11-01", "status": "COMPLETED", "order_count": 2, "total_amount": 70.0},
        {"order_date": "2026-11-01", "status": "PENDING", "order_count": 1, "total_amount": 30.0},
    ]


def test_a_ranking_adds_up_days_and_takes_the_newest_name(api: AppClient) -> None:
    ranking = api.get("/api/analytics/product-ranking?days=2")
    assert ranking.text == (
        '[{"product_id":"101","product_name":"Machine, renamed","quantity":3,"total_revenue":75000.00,"order_count":2},'
        '{"product_id":"102","product_name":"Cup","quantity":11,"total_revenue":219.89,"order_count":5}]'
    )
    assert [row["product_id"] for row in api.get("/api/analytics/product-ranking?days=1&limit=1").json()] == ["101"]
    assert len(api.get("/api/analytics/product-ranking?days=36500").json()) == 3


def test_totals_of_all_time_and_of_today(api: AppClient) -> None:
    assert api.get("/api/analytics/stats").text == (
        '{"total_orders":6,"total_revenue":50120.09,"avg_order_value":8353.35,"unique_customers":3}'
    )
    assert api.get("/api/analytics/realtime/sales").text == (
        '{"total_orders":2,"total_revenue":50019.99,"avg_order_value":25010.00,"unique_customers":2}'
    )
    assert api.get("/api/analytics/health").json() == {"status": "ok", "clickhouse": "up"}


def test_all_routes_at_once(api: AppClient) -> None:
    routes = ("daily-sales", "hourly-sales", "order-status", "product-ranking", "stats", "realtime/sales", "health")
    answers = api.all_at_once([Call("GET", f"/api/analytics/{route}") for route in routes * 3])
    assert {answer.status_code for answer in answers} == {200}


def test_without_clickhouse_analytics_are_503_and_orders_go_on(front: Front, database: Engine) -> None:
    client = client_of(front, database, "http://127.0.0.1:9")
    try:
        for route in ("daily-sales", "stats", "health"):
            answer = client.get(f"/api/analytics/{route}")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        order = {"userId": "1", "items": [{"productId": "101", "quantity": 1}]}
        assert client.post("/api/orders", order).status_code == 201
    finally:
        client.close()
