"""Which tests run on which servers.

`real_servers`: runs on the embedded servers, and in `make e2e` on MySQL, Kafka and ClickHouse too (tests/e2e/services).
`needs_mysql`, `needs_kafka`: is about that server and runs nowhere else; left out where the run has none.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer  # type: ignore[import-untyped]  # it has none
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.support import servers

# how long an example takes is the machine's business
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_NEEDS = {"needs_mysql": servers.MYSQL, "needs_kafka": servers.KAFKA}
_TOGETHER = {"pipeline": "topics", "reconciler": "topics", "provision": "accounts"}
"""Folders of tests that share what a server has once: topics, a ClickHouse that is stopped, accounts."""


def pytest_configure(config: pytest.Config) -> None:
    """The markers, each with its meaning."""
    for line in (
        "real_servers: runs in `make e2e` on MySQL, Kafka and ClickHouse too",
        "needs_mysql: is about MySQL (MILLRACE_TEST_MYSQL)",
        "needs_kafka: is about Apache Kafka (MILLRACE_TEST_KAFKA)",
    ):
        config.addinivalue_line("markers", line)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs a server that this run was not given."""
    missing = [mark for mark, server in _NEEDS.items() if not server]
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in missing)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """With --dist loadgroup: what shares a server stays in one process. xdist's own way needs a mark on every test."""
    return _ByServer(config, log) if config.getvalue("dist") == "loadgroup" else None


class _ByServer(LoadScopeScheduling):  # type: ignore[misc]  # a base without types
    """Test by test, but the folders of one group to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)


def together(nodeid: str) -> str:
    """What a test runs in one process with: its group, or itself."""
    folders = nodeid.split("::", 1)[0].split("/")[:-1]
    return next((group for folder, group in _TOGETHER.items() if folder in folders), nodeid)
