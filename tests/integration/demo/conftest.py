"""One demo for the tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from tests.support.demo import Demo


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    started = Demo(tmp_path_factory.mktemp("demo") / "data")
    yield started
    started.stop()
