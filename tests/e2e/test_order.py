"""One order over HTTP to every view and every reader, changed, deleted; and a slice of the purchase log."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.settings import PROJECT_ROOT
from tests.e2e.oracle import expect_everything_shown, shop_totals, shown_totals
from tests.support.process import wait_until
from tests.support.stack.stack import Stack

ITEMS = [{"productId": 101, "quantity": 2, "price": 25000}, {"productId": 103, "quantity": 3}]
VIEWS = ["daily_sales_mv", "hourly_sales_mv", "order_status_mv", "product_ranking_mv", "user_analytics_mv"]
SLICE = 400


def place(stack: Stack, user: int = 7) -> dict[str, Any]:
    answer = stack.api.post("/api/orders", json={"userId": user, "items": ITEMS})
    assert answer.status_code == 201, answer.text
    order: dict[str, Any] = answer.json()
    return order


def raw(stack: Stack, order_id: str) -> list[dict[str, Any]]:
    """The newest row of an order."""
    return stack.sql(f"SELECT status, version, is_deleted FROM orders_analytics FINAL WHERE order_id = '{order_id}'")


def wait_exact(stack: Stack) -> None:
    wait_until(lambda: shown_totals(stack) == shop_totals(stack), "the views to equal the database", 60.0)


@pytest.fixture(scope="module")
def order(stack: Stack) -> dict[str, Any]:
    """An order that every view includes."""
    before = shown_totals(stack)[0]
    placed = place(stack)
    wait_until(lambda: shown_totals(stack)[0] > before, "the order to show", 60.0)
    wait_until(stack.verified, "every view to have it", 60.0)
    return placed


def test_the_order_reads_back_as_it_was_placed(stack: Stack, order: dict[str, Any]) -> None:
    read = stack.get(f"/api/orders/{order['orderId']}")
    assert (read["userId"], read["status"], [item["quantity"] for item in read["items"]]) == ("7", "PENDING", [2, 3])
    assert read["totalAmount"] == sum(item["quantity"] * item["price"] for item in read["items"])


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_includes_it(stack: Stack, order: dict[str, Any], view: str) -> None:
    assert order
    rows = stack.sql(f"SELECT * FROM {view}")
    assert rows, f"{view} is empty although an order is shown"
    if view == "product_ranking_mv":
        (machine,) = [row for row in rows if row["product_id"] == "101" and row["order_date"] == _day(stack)]
        assert int(machine["quantity"]) >= 2
    if view == "user_analytics_mv":
        assert [row for row in rows if row["user_id"] == "7"]


def _day(stack: Stack) -> str:
    return str(stack.sql("SELECT today() AS day")[0]["day"])


def test_the_command_reads_them_too(stack: Stack, order: dict[str, Any]) -> None:
    assert order
    done = stack.millrace("sql", "--json", "SELECT total_orders FROM all_time_stats")
    assert done.returncode == 0, done.stderr
    assert int(json.loads(done.stdout)["total_orders"]) == shown_totals(stack)[0]


def test_the_analytics_api_says_what_the_views_say(stack: Stack, order: dict[str, Any]) -> None:
    assert order
    count, total = shown_totals(stack)
    stats = stack.get("/api/analytics/stats")
    assert (stats["total_orders"], Decimal(str(stats["total_revenue"]))) == (count, total)
    days = stack.get("/api/analytics/daily-sales")
    assert sum(day["order_count"] for day in days) == count
    assert stack.get("/api/analytics/product-ranking", limit=3)
    assert stack.get("/api/analytics/health") == {"status": "ok", "clickhouse": "up"}


def test_a_cancelled_order_leaves_the_sales_and_stays_in_the_statuses(stack: Stack, order: dict[str, Any]) -> None:
    assert order
    before = shown_totals(stack)
    made = place(stack)
    wait_until(lambda: shown_totals(stack)[0] == before[0] + 1, "the order to show", 60.0)
    answer = stack.api.post(f"/api/orders/{made['orderId']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    wait_until(lambda: shown_totals(stack) == before, "the sales without the cancelled order", 60.0)
    assert raw(stack, made["orderId"]) == [{"status": "CANCELLED", "version": made["version"] + 1, "is_deleted": 0}]
    statuses = {row["status"] for row in stack.sql("SELECT status FROM order_status_mv WHERE order_date = today()")}
    assert "CANCELLED" in statuses
    expect_everything_shown(stack, {made["orderId"]})


def test_a_deleted_order_leaves_every_view(stack: Stack, order: dict[str, Any]) -> None:
    """The original's deletion flow: the header alone is refused, the credential deletes, twice is one event."""
    assert order
    wait_until(stack.verified, "every view to be up to date", 60.0)
    before = {view: stack.sql(f"SELECT * FROM {view} ORDER BY ALL") for view in VIEWS}
    made = place(stack)
    path = f"/admin/orders/{made['orderId']}"
    wait_until(lambda: raw(stack, made["orderId"]), "the order's row", 60.0)
    assert stack.api.delete(path, headers={"X-Admin-Id": "admin-user-123"}).status_code == 401
    assert [stack.api.delete(path, headers=stack.admin).status_code for _ in range(2)] == [204, 204]
    assert stack.api.get(f"/api/orders/{made['orderId']}").status_code == 404
    wait_until(lambda: raw(stack, made["orderId"])[0]["is_deleted"] == 1, "the row of the deletion", 60.0)
    wait_until(
        lambda: {view: stack.sql(f"SELECT * FROM {view} ORDER BY ALL") for view in VIEWS} == before,
        "every view as before the deleted order",
        60.0,
    )


def test_a_slice_of_the_purchase_log_shows_exactly(stack: Stack, tmp_path: Path) -> None:
    with gzip.open(PROJECT_ROOT / "data" / "cdnow_master.txt.gz", "rt") as log:
        lines = list(itertools.islice(log, 1, 1 + SLICE))
    file = tmp_path / "slice.txt"
    file.write_text("".join(lines))
    done = stack.millrace("replay", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stored"] == SLICE
    wait_exact(stack)
    dollars: dict[str, Decimal] = defaultdict(Decimal)
    for _, day, _, amount in map(str.split, lines):
        dollars[f"{day[:4]}-{day[4:6]}-{day[6:]}"] += Decimal(amount)
    shown = {row["order_date"]: row["total_revenue"] for row in stack.get("/api/analytics/daily-sales")}
    assert {day: Decimal(str(shown.get(day))) for day in dollars} == dollars
    again = json.loads(stack.millrace("replay", str(file), "--json").stdout)
    assert (again["stored"], again["known"]) == (0, SLICE)
    expect_everything_shown(stack, set())
