"""Days and hours are the shop's: 23 and 25 hours when the clock is set, half and quarter hours off UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.aggregator.core import Aggregator
from tests.support.clickhouse import Front
from tests.support.warehouse import order, warehouse

# zone, a moment of the day on which the clock is set (or not), and how many hours that day shows
DAYS = [
    ("Europe/Berlin", datetime(2024, 3, 31, 12, tzinfo=UTC), 23),
    ("Europe/Berlin", datetime(2024, 10, 27, 12, tzinfo=UTC), 25),
    ("America/New_York", datetime(2024, 3, 10, 17, tzinfo=UTC), 23),
    ("America/New_York", datetime(2024, 11, 3, 17, tzinfo=UTC), 25),
    ("Asia/Kolkata", datetime(2024, 3, 31, 6, tzinfo=UTC), 24),
    ("Asia/Kathmandu", datetime(2024, 3, 31, 6, tzinfo=UTC), 24),
    # by half an hour: one hour has 30 minutes in October, one has 90 in April
    ("Australia/Lord_Howe", datetime(2024, 10, 6, 1, tzinfo=UTC), 24),
    ("Australia/Lord_Howe", datetime(2024, 4, 7, 1, tzinfo=UTC), 24),
]


@pytest.mark.parametrize(("zone", "noon", "hours"), DAYS)
def test_the_hours_of_a_day_on_which_the_clock_is_set(front: Front, zone: str, noon: datetime, hours: int) -> None:
    minutes = range(-20 * 60, 20 * 60, 10)
    bought = [order(str(n), noon + timedelta(minutes=minute, seconds=59), zone) for n, minute in enumerate(minutes)]
    with warehouse(front, zone) as store:
        store.insert(*bought)
        Aggregator(store.client, zone).tick_days()
        assert store.views()["hourly_sales_mv"] == store.expected()["hourly_sales_mv"]
        assert store.views()["daily_sales_mv"] == store.expected()["daily_sales_mv"]
        day = bought[len(bought) // 2].order_date
        of_day = "SELECT count(DISTINCT order_hour) FROM cube_hour WHERE order_date = {day:Date} AND order_count > 0"
        assert store.ask(of_day, day=day) == [(hours,)]


@pytest.mark.parametrize("session_zone", ["UTC", "Asia/Tokyo"])
def test_the_hour_shown_is_the_shops_whatever_zone_a_session_has(front: Front, session_zone: str) -> None:
    with warehouse(front, "America/New_York") as store:
        store.insert(order("1", datetime(2024, 1, 10, 3, 30, tzinfo=UTC), "America/New_York"))
        Aggregator(store.client, "America/New_York").tick_days()
        store.client.set_client_setting("session_timezone", session_zone)
        shown = store.ask("SELECT toHour(order_hour), toString(order_hour) FROM hourly_sales_mv")
        assert shown == [(22, "2024-01-09 22:00:00")]
