"""What users of the original rely on, as its documents have it, on the stack: requests, queries, plain inserts."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
import sqlalchemy as sa

from tests.support.process import wait_until
from tests.support.stack.stack import Stack

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
# kept in the guides for looking into trouble
TROUBLE = [
    "SHOW STATUS LIKE 'Threads_connected'",
    "SHOW VARIABLES LIKE 'slow_query_log'",
    "SELECT table_name, round((data_length + index_length) / 1024 / 1024, 2) AS mib FROM information_schema.tables "
    "WHERE table_schema = 'ecommerce' AND table_name = 'outbox'",
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


def curl(stack: Stack, command: str, *more: str) -> tuple[int, str]:
    """Status and body of a curl command of the documents, its port changed to the stack's."""
    arguments = shlex.split(command.replace("http://localhost:3000", stack.url))
    done = subprocess.run([*arguments, *more, "-s", "-w", "\n%{http_code}"], capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def mysql_shell(stack: Stack, query: str) -> str:
    """What the server's own client prints, the way `make mysql-shell` asks: inside the container, as admin."""
    client = 'MYSQL_PWD="$MYSQL_PASSWORD" mysql -h 127.0.0.1 -u "$MYSQL_USER" ecommerce --batch -e "$0"'
    return stack.run_in("mysql", "bash", "-c", client, query)


@pytest.fixture(scope="module")
def order_id(stack: Stack) -> str:
    """The original's order, placed with its own command and shown."""
    status, body = curl(stack, POST)
    assert status == 201, body
    made = str(json.loads(body)["orderId"])
    query = f"SELECT 1 AS found FROM orders_analytics WHERE order_id = '{made}'"
    wait_until(lambda: stack.sql(query), "the order in ClickHouse", 60.0)
    wait_until(stack.verified, "the order in the views", 60.0)
    return made


def test_the_originals_order_can_be_read_back(stack: Stack, order_id: str) -> None:
    order = stack.get(f"/api/orders/{order_id}")
    assert (order["userId"], order["status"], order["totalAmount"]) == ("1", "PENDING", 50000.0)


@pytest.mark.parametrize("path", READS)
def test_the_originals_reads_answer(stack: Stack, order_id: str, path: str) -> None:
    answer = stack.get(path)
    assert order_id
    assert answer, "an order was placed and shown, so no answer is empty"


def test_the_dashboard_is_html(stack: Stack) -> None:
    status, body = curl(stack, "curl http://localhost:3000/")
    assert status == 200
    assert "<html" in body


@pytest.mark.parametrize("query", ANALYTICS)
def test_the_originals_analytics_queries_run(stack: Stack, order_id: str, query: str) -> None:
    assert order_id
    assert stack.sql(f"{query};"), "the order of today is in all of them"


@pytest.mark.parametrize("query", [*RELATIONAL, *TROUBLE])
def test_the_originals_relational_queries_run(stack: Stack, order_id: str, query: str) -> None:
    assert order_id
    assert len(mysql_shell(stack, f"{query};").splitlines()) >= 2, "a heading and a row"


def test_deletion_needs_the_credential(stack: Stack) -> None:
    """The original's header alone is refused; with the bearer token it works, and the order leaves the sales."""
    wait_until(stack.verified, "the views to be up to date", 60.0)
    before = stack.get("/api/analytics/stats")
    _, body = curl(stack, POST)
    made = json.loads(body)["orderId"]
    wait_until(
        lambda: stack.get("/api/analytics/stats")["total_orders"] == before["total_orders"] + 1, "the order", 60.0
    )
    command = DELETE.replace("{orderId}", made)
    assert curl(stack, command)[0] == 401
    assert curl(stack, command, "-H", f"Authorization: {stack.admin['Authorization']}")[0] == 204
    wait_until(lambda: stack.get("/api/analytics/stats") == before, "the sales without the deleted order", 60.0)


def test_plain_inserts_are_relayed_and_end_in_the_dead_letters(stack: Stack) -> None:
    """The original's manual test, typed into the server's own client: every other column has a default."""
    mysql_shell(
        stack,
        "INSERT INTO orders (id, user_id, total_amount, status, shipping_address) "
        "VALUES ('hand-made', '1', 5000000, 'CANCELLED', 'Seoul'); "
        "INSERT INTO outbox (aggregate_id, aggregate_type, event_type, payload) VALUES ('hand-made', 'Order', "
        '\'OrderCreated\', \'{"orderId": "hand-made", "userId": 1, "totalAmount": 50000, "status": "PENDING"}\')',
    )
    try:
        with stack.mysql().connect() as connection:
            processed = sa.text("SELECT processed FROM outbox WHERE aggregate_id = 'hand-made'")
            wait_until(lambda: _fresh(connection, processed) == 1, "the row to be relayed", 60.0)
        wait_until(lambda: "hand-made" in stack.logs("transformer"), "the transformer to say why", 60.0)
    finally:
        mysql_shell(stack, "DELETE FROM orders WHERE id = 'hand-made'")


def _fresh(connection: sa.Connection, query: sa.TextClause) -> object:
    connection.rollback()
    return connection.scalar(query)
