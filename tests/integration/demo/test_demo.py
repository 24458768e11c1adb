"""`millrace demo` as a person uses it: start, order, stop, start again; what goes wrong is said in one line."""

import json
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.demo import MILLRACE, Demo, free_port
from tests.support.process import PROJECT, wait_until


def refused(*arguments: str) -> str:
    """What a demo that cannot start says; it must be one line and exit code 2."""
    done = subprocess.run([str(MILLRACE), "demo", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def curl(line: str) -> tuple[str, str]:
    """Body and status of a printed command."""
    done = subprocess.run(
        [*shlex.split(line), "-s", "-w", "\n%{http_code}"], capture_output=True, text=True, check=True
    )
    body, _, status = done.stdout.rpartition("\n")
    return body, status


def test_the_printed_curls_work_as_pasted(demo: Demo) -> None:
    place, delete = [line for line in demo.output().splitlines() if line.startswith("curl ")]
    before = demo.get("/api/analytics/stats")["total_orders"]
    body, status = curl(place)
    assert status == "201", body
    wait_until(lambda: demo.get("/api/analytics/stats")["total_orders"] > before, "the order to show", 30.0)
    assert " Bearer mr_" in delete
    order_id = json.loads(body)["id"]
    assert curl(delete.replace("ORDER_ID", order_id)) == ("", "204")
    (done,) = [each for each in admin(demo, "actions", "--since", "1h") if each["target"] == order_id]
    assert (done["tokenName"], done["action"], done["outcome"]) == ("bootstrap", "order.delete", "done")


def admin(demo: Demo, *arguments: str) -> Any:
    """What `millrace admin` answers in JSON."""
    done = demo.millrace("admin", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_tokens_made_beside_the_running_demo_are_good_until_they_are_revoked(demo: Demo) -> None:
    def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}", "X-Admin-Id": "somebody"}
        return httpx.delete(f"{demo.url}/admin/orders/unknown", headers=headers, timeout=30).status_code

    first = admin(demo, "create", "visitor", "--expires", "1h")["token"]
    second = admin(demo, "rotate", "visitor")["token"]
    assert [status(first), status(second)] == [404, 404]
    assert len(admin(demo, "revoke", "visitor")) == 2
    assert [status(first), status(second)] == [401, 401]


def test_the_printed_link_answers_with_the_dashboard(demo: Demo) -> None:
    page = httpx.get(f"http://localhost:{demo.port}/", timeout=30)
    assert page.status_code == 200
    assert "<title>" in page.text
    assert f"http://localhost:{demo.port}/" in demo.output()
    assert f"http://localhost:{demo.port}/docs" in demo.output()
    assert httpx.get(f"http://localhost:{demo.port}/openapi.json", timeout=30).json()["openapi"].startswith("3.1.")


def test_a_second_demo_on_the_same_data_says_so_in_one_line(demo: Demo) -> None:
    says = refused("--data", str(demo.data), "--port", str(free_port()), "--clickhouse-port", str(free_port()))
    assert "another demo runs on" in says
    assert "--data" in says


def test_a_taken_port_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        says = refused(
            "--data", str(tmp_path), "--port", str(port), "--clickhouse-port", str(free_port()), "--no-metrics"
        )
    assert f"port {port} is taken" in says


def test_other_commands_find_the_demo_only_while_it_runs(demo: Demo, tmp_path: Path) -> None:
    assert demo.millrace("sql", "SELECT 1").returncode == 0
    done = subprocess.run(
        [str(MILLRACE), "verify"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "MILLRACE_DEMO_DATA": str(tmp_path), "MILLRACE_STACK_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is not set" in done.stderr
    assert "make demo" in done.stderr


@pytest.mark.timeout(300)
def test_data_stays_and_nothing_is_left_running(tmp_path: Path) -> None:
    first = Demo(tmp_path / "data", timezone="Europe/Berlin")
    body = {"userId": 1, "items": [{"productId": 101, "quantity": 2}]}
    placed = httpx.post(f"{first.url}/api/orders", json=body, timeout=30)
    assert placed.status_code == 201
    wait_until(lambda: len(first.pids()) == 8, "all processes to run")
    pids = first.pids()
    first.kill()  # the supervisor alone, and at once: the order may be anywhere on its way
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.values()), "orphans to end", 30.0)

    second = Demo(tmp_path / "data", timezone="Europe/Berlin")
    try:
        wait_until(
            lambda: second.get("/api/analytics/stats")["total_orders"] == 1, "the order of the killed demo", 60.0
        )
        pids = second.pids()
    finally:
        assert second.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert not (tmp_path / "data" / "millrace.env").exists()
    says = refused("--data", str(tmp_path / "data"), "--port", str(free_port()), "--clickhouse-port", str(free_port()))
    assert "Europe/Berlin" in says
