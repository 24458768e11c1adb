"""The tests of the services, which `make test` runs on SQLite and embedded servers, on MySQL, Kafka and ClickHouse."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.process import PROJECT
from tests.support.stack.stack import Stack

_SECONDS = 3600
_ROOMS = {
    "tests.unit.api",
    "tests.unit.clients",
    "tests.unit.domain",
    "tests.unit.reconciler",
    "tests.unit.relay",
    "tests.property",
    "tests.integration.aggregator",
    "tests.integration.api",
    "tests.integration.mysql",
    "tests.integration.pipeline",
    "tests.integration.provision",
    "tests.integration.reconciler",
}


@pytest.mark.timeout(_SECONDS + 60)
def test_the_service_tests_hold_on_the_servers_of_the_stack(running_servers: Stack, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "tests/unit", "tests/property", "tests/integration"]
    command += ["-m", "real_servers", "-n", "2", "--dist", "loadgroup", "--junitxml", str(report)]
    command += ["--tb", "short", "--durations", "10", "-p", "no:cacheprovider"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**inherited, **running_servers.outputs["environment"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    print(done.stdout[-20_000:], done.stderr[-2_000:])
    assert done.returncode == 0, f"{running_servers.report()}"
    outcomes = [(_room(case), "skipped" if case.find("skipped") is not None else "ran") for case in _cases(report)]
    assert {room for room, outcome in outcomes if outcome == "ran"} >= _ROOMS
    assert Counter(outcome for _, outcome in outcomes)["skipped"] <= 3, "what is about SQLite alone"


def _cases(report: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(report).getroot().iter("testcase"))  # noqa: S314 - pytest wrote it


def _room(case: ElementTree.Element) -> str:
    return ".".join(case.attrib["classname"].split(".")[: 2 if ".property." in case.attrib["classname"] else 3])
