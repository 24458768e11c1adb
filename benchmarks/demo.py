"""The demo from start to verify: `python -m benchmarks.demo [RATE ...]`. Takes about five minutes.

Starts on an empty folder, replays the purchase log, asks the analytics API, loads orders for 20 s at each rate on top
of it, verifies, and starts once more with all of that in place. The acceptance tests' launcher is used, so what is
timed is `millrace` as a person runs it.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import keep, machine
from services.load import percentile
from services.settings import PROJECT_ROOT
from tests.support.demo import Demo
from tests.support.process import wait_until

LOG = PROJECT_ROOT / "data" / "cdnow_master.txt.gz"
RATES, SECONDS = (50, 100, 200), 20
QUERIES = 200
ORDERS, REVENUE, CUSTOMERS = 69_659, 2_500_315.63, 23_570


def timed_start(folder: Path) -> tuple[Demo, float]:
    """A started demo and the seconds from the command to its ready line."""
    began = time.monotonic()
    demo = Demo(folder, settings={})
    return demo, round(time.monotonic() - began, 2)


def replayed(demo: Demo) -> dict[str, Any]:
    """The replay's own figures, and the seconds until the analytics API said exactly what the log holds."""
    began = time.monotonic()
    done = demo.millrace("replay", str(LOG), "--json", timeout=600)
    figures: dict[str, Any] = json.loads(done.stdout)

    def exact() -> bool:
        stats = demo.get("/api/analytics/stats")
        return bool(
            (stats["total_orders"], stats["total_revenue"], stats["unique_customers"]) == (ORDERS, REVENUE, CUSTOMERS)
        )

    wait_until(exact, "the analytics of the whole log", 600)
    return {**figures, "shown_after_seconds": round(time.monotonic() - began, 1)}


def asked(demo: Demo) -> dict[str, float]:
    """Milliseconds that the totals of all time take through the analytics API, one question after the other."""
    took = []
    for _ in range(QUERIES):
        began = time.monotonic()
        demo.get("/api/analytics/stats")
        took.append(time.monotonic() - began)
    return {f"p{round(share * 100)}": round(percentile(took, share) * 1000, 1) for share in (0.5, 0.99)}


def loaded(demo: Demo, rate: int) -> dict[str, Any]:
    """What `millrace load` reports, once verify finds no difference."""
    words = ("load", "--rate", str(rate), "--count", str(rate * SECONDS), "--json")
    figures: dict[str, Any] = json.loads(demo.millrace(*words, timeout=600).stdout)
    wait_until(demo.verified, "verify to find no difference", 120)
    return figures


def main(rates: Sequence[int] = RATES) -> int:
    """Runs all of it; returns the exit code."""
    where, figures = machine(), dict[str, Any]()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        demo, figures["start_empty_s"] = timed_start(Path(folder) / "data")
        try:
            figures["replay"] = replayed(demo)
            figures["verify_log"] = json.loads(demo.millrace("verify", "--json", timeout=600).stdout)
            figures["analytics_api_ms"] = asked(demo)
            figures["load"] = {f"{rate} orders/s": loaded(demo, rate) for rate in rates}
            figures["verify_all"] = json.loads(demo.millrace("verify", "--json", timeout=600).stdout)
        finally:
            began = time.monotonic()
            demo.stop()
            figures["stop_s"] = round(time.monotonic() - began, 2)
        demo, figures["start_with_data_s"] = timed_start(Path(folder) / "data")
        demo.stop()
    keep("demo", figures, where)
    return 0


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]] or RATES))
