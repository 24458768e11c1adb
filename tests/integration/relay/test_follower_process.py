"""The relay of RELAY_MODE=debezium as a process, where it cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import on_sqlite_only
from tests.support.process import Subprocess, wait_until
from tests.support.shop import SHOP

pytestmark = on_sqlite_only


def test_without_a_binary_log_it_ends_in_one_line(tmp_path: Path) -> None:
    with SHOP.open(tmp_path) as engine:
        environment = {
            "DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "RELAY_MODE": "debezium",
            "RELAY_METRICS_PORT": "0",
            "MILLRACE_DEMO_DATA": str(tmp_path / "no-demo"),
        }
        relay = Subprocess(["services.relay"], tmp_path / "relay.log", environment)
        try:
            wait_until(lambda: relay.process.poll() is not None, "its end")
        finally:
            relay.kill()
    assert relay.process.returncode == 2
    assert relay.output().strip() == (
        "millrace relay: RELAY_MODE=debezium follows MySQL's binary log, and the database is sqlite: "
        "set RELAY_MODE=outbox"
    )


@pytest.mark.parametrize("mode", ["kafka", "Debezium "])
def test_an_unknown_mode_is_refused(tmp_path: Path, mode: str) -> None:
    relay = Subprocess(
        ["services.relay"], tmp_path / "relay.log", {"RELAY_MODE": mode, "MILLRACE_DEMO_DATA": "nowhere"}
    )
    try:
        wait_until(lambda: relay.process.poll() is not None, "its end")
    finally:
        relay.kill()
    assert relay.process.returncode == 2
    assert "RELAY_MODE" in relay.output()
