"""What users of the original rely on and what needs no stack, run as they would run it."""

import contextlib
import json
import shlex
import sqlite3
import subprocess

import pytest

from tests.support.demo import Demo
from tests.support.process import wait_until

POST = (
    'curl -X POST http://localhost:3000/api/orders -H "Content-Type: application/json" '
    '-d \'{"userId": 1, "status": "PENDING", "totalAmount": 50000, '
    '"items": [{"productId": 101, "quantity": 2, "price": 25000}]}\''
)
DELETE = 'curl -X DELETE http://localhost:3000/admin/orders/{orderId} -H "X-Admin-Id: admin-user-123"'
RELATIONAL = [
    "SELECT COUNT(*) AS pending FROM ecommerce.outbox WHERE processed = false",
    "SELECT processed FROM ecommerce.outbox ORDER BY created_at DESC LIMIT 1",
    "SELECT * FROM ecommerce.orders ORDER BY created_at DESC LIMIT 1",
]
ANALYTICS = [
    "SELECT COUNT(*) FROM analytics.orders_analytics",
    "SELECT * FROM analytics.orders_analytics ORDER BY created_at DESC LIMIT 5",
    "SELECT * FROM analytics.daily_sales_mv ORDER BY order_date DESC LIMIT 5",
    "SELECT toDateTime(order_date) AS time, total_revenue AS value FROM analytics.daily_sales_mv "
    "WHERE order_date >= today() - 30 ORDER BY order_date",
    "SELECT sum(order_count) AS value FROM analytics.daily_sales_mv WHERE order_date = today()",
    "SELECT toHour(order_hour) AS hour, sum(order_count) AS orders FROM analytics.hourly_sales_mv "
    "WHERE order_hour >= now() - INTERVAL 24 HOUR GROUP BY hour ORDER BY hour",
    "SELECT status AS label, sum(order_count) AS value FROM analytics.order_status_mv "
    "WHERE order_date >= today() - INTERVAL 7 DAY GROUP BY status",
]
READS = [
    "/api/analytics/daily-sales",
    "/api/analytics/sales",
    "/api/analytics/hourly-sales",
    "/api/analytics/order-status",
    "/api/analytics/stats",
    "/api/analytics/health",
    "/api/products",
    "/api/products/101",
    "/api/orders/user/1",
]


def curl(demo: Demo, command: str, *more: str) -> tuple[int, str]:
    """Status and body of a curl command of the docs, its port changed to the demo's."""
    arguments = shlex.split(command.replace("localhost:3000", f"localhost:{demo.port}"))
    done = subprocess.run([*arguments, *more, "-s", "-w", "\n%{http_code}"], capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@pytest.fixture(scope="module")
def order_id(demo: Demo) -> str:
    """The original's order, placed with its own command and shown."""
    status, body = curl(demo, POST)
    assert status == 201, body
    made = str(json.loads(body)["orderId"])
    wait_until(
        lambda: made in demo.millrace("sql", "SELECT order_id FROM analytics.orders_analytics").stdout,
        "the order in ClickHouse",
        60.0,
    )
    return made


def test_the_originals_order_can_be_read_back(demo: Demo, order_id: str) -> None:
    order = demo.get(f"/api/orders/{order_id}")
    assert (order["userId"], order["status"], order["totalAmount"]) == ("1", "PENDING", 50000.0)


@pytest.mark.parametrize("path", READS)
def test_the_originals_reads_answer(demo: Demo, order_id: str, path: str) -> None:
    answer = demo.get(path)
    assert order_id
    assert answer, "an order was placed and shown, so no answer is empty"


def test_the_dashboard_is_html(demo: Demo) -> None:
    status, body = curl(demo, "curl http://localhost:3000/")
    assert status == 200
    assert "<html" in body


@pytest.mark.parametrize("query", ANALYTICS)
def test_the_originals_analytics_queries_run(demo: Demo, order_id: str, query: str) -> None:
    done = demo.millrace("sql", "--json", f"{query};")
    assert done.returncode == 0, done.stderr
    assert order_id
    assert [json.loads(line) for line in done.stdout.splitlines()], "the order of today is in all of them"


@pytest.mark.parametrize("query", RELATIONAL)
def test_the_originals_relational_queries_run(demo: Demo, order_id: str, query: str) -> None:
    assert order_id
    with contextlib.closing(sqlite3.connect(":memory:")) as shell:
        shell.execute(f"ATTACH '{demo.data / 'ecommerce.db'}' AS ecommerce")
        assert shell.execute(query).fetchone() is not None, query


def test_deletion_needs_the_credential_and_reaches_the_views(demo: Demo) -> None:
    """The original's header alone is refused; with the bearer token it works, and the order leaves the views."""
    before = demo.get("/api/analytics/stats")
    _, body = curl(demo, POST)
    made = json.loads(body)["orderId"]
    wait_until(
        lambda: demo.get("/api/analytics/stats")["total_orders"] == before["total_orders"] + 1, "the order", 60.0
    )
    command = DELETE.replace("{orderId}", made)
    assert curl(demo, command)[0] == 401
    token = demo.environment()["MILLRACE_ADMIN_TOKEN"]
    assert curl(demo, command, "-H", f"Authorization: Bearer {token}")[0] == 204
    wait_until(lambda: demo.get("/api/analytics/stats") == before, "the views without the deleted order", 60.0)


def test_rows_inserted_by_hand_are_relayed_and_end_in_the_dead_letters(demo: Demo) -> None:
    """The original's manual test: the transformer cannot make a whole order of it, and says why."""
    with contextlib.closing(sqlite3.connect(demo.data / "ecommerce.db", timeout=30)) as shell, shell:
        shell.execute(
            "INSERT INTO orders (id, user_id, total_amount, status, shipping_address) "
            "VALUES ('hand-made', '1', 5000000, 'CANCELLED', 'Seoul')"
        )
        shell.execute(
            "INSERT INTO outbox (aggregate_id, aggregate_type, event_type, payload) VALUES ('hand-made', 'Order', "
            '\'OrderCreated\', \'{"orderId": "hand-made", "userId": 1, "totalAmount": 50000, "status": "PENDING"}\')'
        )
    with contextlib.closing(sqlite3.connect(demo.data / "ecommerce.db", timeout=30)) as shell:
        wait_until(
            lambda: shell.execute("SELECT processed FROM outbox WHERE aggregate_id = 'hand-made'").fetchone() == (1,),
            "the row to be relayed",
            60.0,
        )
        wait_until(
            lambda: "hand-made" in (demo.data / "logs" / "transformer.log").read_text(),
            "the transformer to say why",
            60.0,
        )
        with shell:
            shell.execute("DELETE FROM orders WHERE id = 'hand-made'")
