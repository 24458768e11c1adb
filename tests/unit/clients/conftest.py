"""A stage with two partitions assigned."""

import pytest

from tests.unit.clients.stage import Stage


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.fake.assigns(0, 1)
    return stage
