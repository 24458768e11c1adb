"""The servers of the service tests: a stack of their own, so that whoever stops a broker here stops nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.services.program import servers
from tests.support.stack.stack import Stack


@pytest.fixture(scope="module")
def running_servers(clean_engine: None) -> Iterator[Stack]:
    """MySQL, a Kafka node and ClickHouse, up and healthy."""
    with Stack({"images": "local", "sink": "python"}, program=servers) as running:
        running.up()
        yield running
