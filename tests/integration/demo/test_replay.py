"""The purchase log through the whole pipeline: exactly what its note says, and nothing new the second time."""

import json
from pathlib import Path

import pytest

from services.settings import PROJECT_ROOT
from tests.support.demo import Demo
from tests.support.process import wait_until

LOG = str(PROJECT_ROOT / "data" / "cdnow_master.txt.gz")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A fresh demo with the log in it; stopped by the last test of this module."""
    demo = Demo(tmp_path_factory.mktemp("replay") / "data")
    done = demo.millrace("replay", LOG, "--json", timeout=900)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stored"] == 69_659
    return demo


def exact(demo: Demo) -> bool:
    """Whether the analytics of all time are the log's, to the cent."""
    stats = demo.get("/api/analytics/stats")
    return (stats["total_orders"], stats["total_revenue"], stats["unique_customers"]) == (69_659, 2_500_315.63, 23_570)


@pytest.mark.timeout(2400)
def test_the_whole_log_shows_exactly_and_replaying_it_again_changes_nothing(filled: Demo) -> None:
    try:
        wait_until(lambda: exact(filled), f"the analytics of the whole log\n{filled.everything()}", 600.0)
        wait_until(filled.verified, "verify to find no difference", 300.0)
        days = filled.get("/api/analytics/daily-sales")
        assert len(days) == 546
        fullest = max(days, key=lambda day: day["order_count"])
        highest = max(days, key=lambda day: day["total_revenue"])
        assert (fullest["order_date"], fullest["order_count"]) == ("1997-02-24", 504)
        assert (highest["order_date"], highest["total_revenue"]) == ("1997-03-18", 17_440.77)

        again = json.loads(filled.millrace("replay", LOG, "--json", timeout=600).stdout)
        assert (again["stored"], again["known"], again["damaged"]) == (0, 69_659, [])
        assert exact(filled)
        assert filled.get("/api/analytics/daily-sales") == days
    finally:
        filled.stop()


def test_a_damaged_line_is_named_and_the_rest_is_imported(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "damaged.txt"
    file.write_text(" 90001 19980101 1 5.00\n 90001 1998xx01 1 5.00\n 90002 19980102 3 10.00\n")
    done = demo.millrace("replay", str(file))
    assert done.returncode == 1
    assert "line 2:" in done.stderr
    assert "2 orders imported" in done.stdout
    wait_until(
        lambda: {day["order_date"] for day in demo.get("/api/analytics/daily-sales")} >= {"1998-01-01", "1998-01-02"},
        "the days of the good lines",
        60.0,
    )
