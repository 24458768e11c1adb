"""`make test-pipeline` and `make test-deletion-flow` against a running demo, and what they say when a part is stuck."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.demo import Demo
from tests.support.process import PROJECT
from tools.stack import pipeline
from tools.stack.refusal import Failed


def target(demo: Demo, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.stack", command],
        cwd=PROJECT,
        env={**os.environ, "MILLRACE_DEMO_DATA": str(demo.data)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def steps(printed: str) -> list[str]:
    """The parts of a walk, in the order they were reached; every line begins with its time."""
    found = [re.fullmatch(r" *\d+\.\d\d s  (\S+) +\S.*", line) for line in printed.splitlines()]
    assert all(found), printed
    return [step[1] for step in found if step]


def test_an_order_is_shown_on_its_way(demo: Demo) -> None:
    done = target(demo, "test-pipeline")
    assert done.returncode == 0, done.stderr
    assert steps(done.stdout) == ["API", "database", "relay", "ClickHouse", "views"]
    assert "OrderCreated" in done.stdout


def test_a_deletion_is_shown_on_its_way(demo: Demo) -> None:
    before = demo.get("/api/analytics/stats")["total_orders"]
    done = target(demo, "test-deletion-flow")
    assert done.returncode == 0, done.stderr
    arrival = ["database", "relay", "ClickHouse", "views"]
    assert steps(done.stdout) == ["API", *arrival, "API", "API", "API", *arrival, "ClickHouse"]
    assert demo.get("/api/analytics/stats")["total_orders"] == before


def test_a_walk_says_where_an_order_is_stuck(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_DEMO_DATA", str(demo.data))
    sink = demo.pids()["sink"]
    os.kill(sink, signal.SIGSTOP)
    try:
        with pytest.raises(Failed, match="after 15 s it is still in Kafka, before transformer or sink: `make doctor`"):
            pipeline.run(deletion=False, patience=15)
    finally:
        os.kill(sink, signal.SIGCONT)
    assert steps(capsys.readouterr().out) == ["API", "database", "relay"]


def test_without_an_installation_it_says_what_to_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.stack", "test-pipeline"],
        cwd=PROJECT,
        env={"PATH": os.defpath, "MILLRACE_DEMO_DATA": str(tmp_path), "MILLRACE_STACK_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "start `make demo` or `make up`" in done.stderr
