"""Room on the disk is asked for when the metrics are read."""

from __future__ import annotations

import shutil

from prometheus_client import REGISTRY

from services.observability.disk import export_disk


def test_free_and_size_are_the_root_file_systems() -> None:
    export_disk()
    before = shutil.disk_usage("/")
    free = REGISTRY.get_sample_value("millrace_disk_free_bytes")
    assert REGISTRY.get_sample_value("millrace_disk_size_bytes") == before.total
    assert free is not None
    assert 0 < free <= before.total
    assert abs(free - before.free) < before.total / 4
