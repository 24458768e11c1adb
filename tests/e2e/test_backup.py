"""A backup of MySQL, made and restored as docs/security.md says: analytics follow what the backup knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.oracle import expect_everything_shown, forget_restated, shop_totals, shown_totals
from tests.support.process import PROJECT, wait_until
from tests.support.stack.stack import Stack

DUMP = "/tmp/ecommerce.sql"  # noqa: S108 - in the container, in memory
WRITERS = ("api", "relay", "transformer", "aggregator", "reconciler")


def documented(program: str) -> str:
    """The command of the docs that runs this program in MySQL's container."""
    text = (PROJECT / "docs" / "security.md").read_text()
    (command,) = re.findall(rf"docker exec (?:-i )?mysql sh -c '([^']* {program} [^']*)'", text)
    return str(command)


def place(stack: Stack, quantity: int = 1) -> str:
    """A new order's id."""
    answer = stack.api.post("/api/orders", json={"userId": 1, "items": [{"productId": 101, "quantity": quantity}]})
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()
    return str(placed["id"])


@pytest.fixture
def unmended(stack: Stack) -> Iterator[None]:
    """Afterwards nothing is left of the repair, which other tests would take for one that was needed."""
    yield
    forget_restated(stack)


def test_a_backup_that_is_restored_is_the_truth_again(stack: Stack, unmended: None) -> None:
    changed = place(stack)
    expect_everything_shown(stack, {changed})
    backed_up = shop_totals(stack)
    stack.run_in("mysql", "sh", "-c", f"{documented('mysqldump')} > {DUMP}")
    later = place(stack, 2)
    assert stack.api.post(f"/api/orders/{changed}/cancel").status_code == 200
    expect_everything_shown(stack, {later})
    assert shop_totals(stack) != backed_up

    writers = [role for role in (*WRITERS, "sink") if role in stack.servers()]
    for role in writers:
        stack.stop(role)
    try:
        stack.run_in("mysql", "sh", "-c", f"{documented('mysql')} < {DUMP}")
    finally:
        for role in writers:
            stack.start(role)
    stack.wait_healthy(*writers)
    assert shop_totals(stack) == backed_up

    wait_until(lambda: stack.millrace("verify", "--repair").returncode == 0, "the repair", 240.0, pause=1.0)
    wait_until(stack.verified, "verify to find no difference", 120.0, pause=0.5)
    assert shown_totals(stack) == backed_up
    assert stack.sql("SELECT status FROM orders_analytics FINAL WHERE order_id = {id:String}", id=changed) == [
        {"status": "PENDING"}
    ], "what the backup does not know did not happen"
    assert stack.api.get(f"/api/orders/{later}").status_code == 404
    placed = place(stack)
    wait_until(lambda: shown_totals(stack) == shop_totals(stack), "a new order to show", 120.0)
    assert stack.api.get(f"/api/orders/{placed}").status_code == 200
