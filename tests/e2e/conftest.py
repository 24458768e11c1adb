"""One stack for the whole suite, and what the suite owes the machine it runs on."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest
from docker import DockerClient

from tests.support.stack import engine, reaper
from tests.support.stack.stack import Stack

PLUGINS = os.environ.get("MILLRACE_CONNECT_PLUGINS", "")
"""A folder with the real sink connector's release archive; without it services.sink loads the rows."""

CONFIG: dict[str, object] = {
    "images": "local",
    "relay": "outbox",
    **({"sink": "connect", "connect.plugins": PLUGINS} if PLUGINS else {"sink": "python"}),
}
_stacks = pytest.StashKey[list[Stack]]()


@pytest.fixture(scope="session", autouse=True)
def clean_engine() -> Iterator[None]:
    """What dead runs left is removed first; what this run made is gone in the end, or the run fails."""
    client = engine.connect()
    if "TESTCONTAINERS_RYUK_DISABLED" not in os.environ and not reaper.can_have_testcontainers_reaper(client):
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    engine.sweep(client)
    before = _names(client)
    yield
    left = _names(client) - before
    client.close()
    assert not left, f"the suite left behind: {sorted(left)}"


def _names(client: DockerClient) -> set[str]:
    """Everything on the engine that is not another stack's."""
    return {
        f"{kind} {name}"
        for kind, name, labels, _ in engine.everything(client)
        if labels.get(engine.STACK_LABEL, engine.TEST_PREFIX).startswith(engine.TEST_PREFIX)
    }


@pytest.fixture(scope="session")
def stack(clean_engine: None, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The suite's stack, up and healthy. A test leaves it as it found it; orders may stay."""
    with Stack(CONFIG) as running:
        request.config.stash.setdefault(_stacks, []).append(running)
        running.up()
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing test shows the state and the last lines of every container."""
    report = yield
    if report.failed:
        for running in item.config.stash.get(_stacks, []):
            report.sections.extend(running.report())
    return report
