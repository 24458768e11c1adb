"""One stack for the whole suite, and what the suite owes the machine it runs on."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from images.build import build
from images.engine import Engine
from tests.e2e.sinks.measured import MEASURED
from tests.support.stack import engine
from tests.support.stack.project import LOCAL, PLUGINS
from tests.support.stack.stack import Stack
from tests.support.stand_in_sink import plugin_folder

_stacks = pytest.StashKey[list[Stack]]()
HANGS_SECONDS = 900.0
"""A test that takes longer hangs: some restart a dozen containers, JVMs among them, and take down a whole stack."""
NOT_RUN = (
    "the ClickHouse sink connector itself: MILLRACE_CONNECT_PLUGINS names no folder with its release archive, so a "
    "plugin made of Connect's own API played its part (tests/support/stand_in_sink)"
)


@pytest.fixture(scope="session", autouse=True)
def clean_engine() -> Iterator[None]:
    """What dead runs left is removed first; what this run made is gone in the end, or the run fails."""
    client = engine.connect()
    engine.sweep(client)
    before = _looked_at(client)
    yield
    left = _looked_at(client) - before
    client.close()
    assert not left, f"the suite left behind: {sorted(left)}"


def _looked_at(client: DockerClient) -> set[str]:
    """Everything on the engine, where it is this run's alone; elsewhere what this run made."""
    if "CI" in os.environ:
        return {f"{kind} {name}" for kind, name, _, _ in engine.everything(client)}
    return engine.made_here(client)


@pytest.fixture(scope="session")
def plugins() -> Path:
    """A folder with the sink connector's archive, or with what stands in for it; the image made of it is there."""
    folder = Path(PLUGINS) if PLUGINS else plugin_folder()
    build(Engine(), ["connect"], folder, print)
    return folder


@pytest.fixture(scope="session")
def stack(clean_engine: None, plugins: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The suite's stack, up and healthy. A test leaves it as it found it; orders may stay."""
    with Stack({**LOCAL, "sink": "connect", "connectPlugins": str(plugins)}) as running:
        request.config.stash.setdefault(_stacks, []).append(running)
        running.up()
        yield running


@pytest.fixture(scope="module")
def with_connect(stack: Stack) -> Iterator[None]:
    """For a module: `relay: debezium`, and so Kafka Connect; afterwards it is as it was."""
    stack.update({"relay": "debezium"})
    stack.wait_healthy()
    yield
    stack.update({"relay": "outbox"})
    stack.wait_healthy()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's time begins when the stack is up: making it has deadlines of its own, as every wait has."""
    here = Path(__file__).parent
    for item in (item for item in items if here in item.path.parents):
        marked = item.get_closest_marker("timeout")
        seconds = marked.args[0] if marked else HANGS_SECONDS
        item.add_marker(pytest.mark.timeout(seconds, func_only=True), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing test shows the state of every container and the last lines it wrote meanwhile."""
    report = yield
    if report.failed:
        for running in item.config.stash.get(_stacks, []):
            report.sections.extend(running.report(report.start))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not tried is said at the end of every run, quiet ones too."""
    skipped = {str(report.longrepr[2]) for report in terminalreporter.getreports("skipped") if "e2e" in report.nodeid}
    faults = terminalreporter.config.stash.get(MEASURED, None)
    if faults is not None:
        terminalreporter.write_sep("=", "SECONDS UNTIL EVERY ROW WAS THERE")
        for line in faults.lines():
            terminalreporter.write_line(line)
    missing = sorted(one.removeprefix("Skipped: ") for one in skipped)
    if not PLUGINS:
        missing.append(NOT_RUN)
    if missing:
        terminalreporter.write_sep("=", "NOT TESTED HERE", yellow=True, bold=True)
        for one in missing:
            terminalreporter.write_line(f"- {one}")
