"""Which tests stay in one process when they share a server."""

from __future__ import annotations

import pytest

from tests.conftest import together


@pytest.mark.parametrize("test", ["pipeline/test_relay.py::test_order", "reconciler/test_repair.py::test_mends[a/b]"])
def test_who_makes_topics_anew_or_stops_a_server_has_it_to_itself(test: str) -> None:
    assert together(f"tests/integration/{test}") == "topics"


def test_all_others_are_spread() -> None:
    nodeid = "tests/unit/relay/test_relay.py::test_names[pipeline/provision]"
    assert together(nodeid) == nodeid
