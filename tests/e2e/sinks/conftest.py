"""The servers of the sinks' tests: parts of the stack, so that whoever fills a disk here fills nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.sinks.measured import MEASURED, Measured
from tests.e2e.sinks.program import sink_servers
from tests.e2e.sinks.world import World
from tests.support.stack.stack import Stack


@pytest.fixture(scope="session")
def world(clean_engine: None, plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Kafka node, Kafka Connect with the sink's archive or with what stands in for it, and ClickHouse; healthy."""
    config = {"images": "local", "sink": "connect", "connectPlugins": str(plugins)}
    with Stack(config, program=sink_servers) as running:
        running.up()
        world = World(running, tmp_path_factory.mktemp("sinks"))
        try:
            yield world
        finally:
            world.close()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Where a test puts what it measured; shown at the end of the run."""
    return request.config.stash.setdefault(MEASURED, Measured())
