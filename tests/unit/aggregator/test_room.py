"""How much room ClickHouse says it has."""

from __future__ import annotations

import shutil

import pytest
from prometheus_client import REGISTRY

from services.aggregator.room import keep_measuring, measure
from services.observability import metrics
from services.observability.process import StopSignal
from tests.support.clickhouse import Front
from tests.support.warehouse import warehouse


def told(what: str) -> float | None:
    return REGISTRY.get_sample_value(f"millrace_clickhouse_disk_{what}_bytes", {"disk": "default"})


def test_free_and_size_of_the_disk_with_the_data(front: Front) -> None:
    with warehouse(front, "UTC") as store:
        measure(store.client)
    disk = shutil.disk_usage("/")
    free, size = told("free"), told("size")
    assert free is not None
    assert size is not None
    assert 0 < free < size
    assert abs(free - disk.free) < disk.total / 4


def test_without_an_answer_there_is_no_old_one(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics.CLICKHOUSE_DISK_FREE.labels("default").set(1)
    with warehouse(front, "UTC") as store:
        monkeypatch.setattr("services.aggregator.room.load", lambda *_: {"disks": "SELECT no_such_column"})
        measure(store.client)
    assert told("free") is None


def test_it_measures_until_the_process_stops_and_says_when_it_comes_round(front: Front) -> None:
    rests = list[float]()

    class Stop(StopSignal):
        def wait(self, seconds: float) -> bool:
            rests.append(seconds)
            if len(rests) == 2:
                self.set()
            return self.stopped

    with warehouse(front, "UTC") as store:
        keep_measuring(store.client, Stop())
    assert rests == [30, 30]
    assert told("free")
    assert REGISTRY.get_sample_value("millrace_loop_due_timestamp_seconds", {"loop": "room"})
