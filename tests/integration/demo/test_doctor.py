"""`millrace doctor` on a running demo: what it checks, that its probe changes no figure, and what it finds."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.databases import is_locked, open_database
from tests.support.demo import Demo
from tests.support.process import wait_until


def examined(demo: Demo, *options: str) -> dict[str, Any]:
    """The report; the exit code must be the one it names."""
    done = demo.millrace("doctor", "--json", *options)
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == report["exit_code"], done.stderr
    return report


def states(report: dict[str, Any]) -> dict[str, str]:
    return {finding["subject"]: finding["state"] for finding in report["findings"]}


def figures(demo: Demo) -> tuple[Any, ...]:
    """What people and the database see of the shop; today's may count orders only when they are in the views."""
    stats, status = demo.get("/api/analytics/stats"), demo.get("/api/analytics/order-status")
    return stats, status, demo.get("/api/analytics/product-ranking", limit=100)


def test_a_demo_that_works_is_well_and_says_what_is_left_out(demo: Demo) -> None:
    report = examined(demo, "--wait", "60")
    assert report["state"] == "ok", report
    found = states(report)
    assert {subject for subject, state in found.items() if state == "left out"} == {"containers", "connectors"}
    assert found["freshness"] == "ok"
    assert report["examined"] == f"the demo in {demo.data}"


def test_the_probe_of_an_order_that_is_there_changes_no_figure(demo: Demo) -> None:
    body = {"userId": 1, "items": [{"productId": 101, "quantity": 2}]}
    placed = httpx.post(f"{demo.url}/api/orders", json=body, timeout=30).json()
    wait_until(lambda: demo.verified(), "the order to arrive", 60.0)
    before = figures(demo)
    report = examined(demo)
    freshness = next(finding for finding in report["findings"] if finding["check"] == "probe")
    assert freshness["detail"].startswith(f"order {placed['id']} told anew showed ")
    assert figures(demo) == before
    now = demo.get(f"/api/orders/{placed['id']}")
    assert now["version"] == placed["version"] + 1
    assert {name for name in now if now[name] != placed[name]} == {"version", "updatedAt"}


def test_no_probe_changes_nothing_at_all(demo: Demo) -> None:
    count = "SELECT count(), sum(version) FROM orders_analytics FINAL"
    before = demo.millrace("sql", count).stdout
    report = examined(demo, "--no-probe")
    assert "freshness" not in states(report)
    assert demo.millrace("sql", count).stdout == before


def test_people_get_a_table_and_a_summary(demo: Demo) -> None:
    done = demo.millrace("doctor", "--wait", "60")
    assert done.returncode == 0
    assert "all is well" in done.stdout
    assert "left out" in done.stdout


def stopped_without_lock(demo: Demo, pid: int) -> bool:
    """SIGSTOP: a process that stands still with SQLite's one lock would stop all others too."""
    os.kill(pid, signal.SIGSTOP)
    if is_locked(open_database(demo.environment()["DATABASE_URL"])):
        os.kill(pid, signal.SIGCONT)
        return False
    return True


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Demo]:
    """A demo for a test that harms it."""
    started = Demo(tmp_path / "data")
    yield started
    started.stop()


@pytest.mark.timeout(300)
def test_a_first_order_of_its_own_leaves_no_trace_and_a_part_that_hangs_is_named(own: Demo) -> None:
    assert examined(own, "--wait", "60")["state"] == "ok"
    assert own.get("/api/analytics/stats")["total_orders"] == 0
    assert own.get("/api/orders/user/1")["items"] == []
    wait_until(own.verified, "the views to follow the probe's deletion", 60.0)

    aggregator = own.pids()["aggregator"]
    wait_until(lambda: stopped_without_lock(own, aggregator), "the aggregator to stand still outside a transaction")
    try:
        wait_until(
            lambda: states(examined(own, "--no-probe"))["lease aggregator"] == "failing", "the lease to run out", 60.0
        )
        report = examined(own)
        named = {finding["subject"]: finding for finding in report["findings"] if finding["state"] == "failing"}
        assert set(named) == {"lease aggregator", "freshness"}
        assert "its row is in ClickHouse, not in the sums" in named["freshness"]["detail"]
        assert "aggregator.log" in named["freshness"]["remedy"]
    finally:
        os.kill(aggregator, signal.SIGCONT)
    assert examined(own, "--wait", "60")["state"] == "ok"
