"""Every loop beats before its work and before its rest, by the time it will need for them and not more than that."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
import uvicorn
from prometheus_client import REGISTRY
from pydantic import SecretStr

from services.aggregator import __main__ as aggregator_process
from services.aggregator.core import Aggregator
from services.aggregator.leadership import Leadership
from services.aggregator.loop import Cadence, keep_ticking
from services.aggregator.loop import run as run_aggregator
from services.aggregator.report import TickReport
from services.api.server import _Server
from services.clients import relational_schema
from services.clients.batches import Pause, run_batches
from services.clients.clickhouse import ClickHouseError, Failure
from services.clients.consumer import BatchConsumer
from services.clients.delivery import until_stopped
from services.clients.lease import Lease
from services.observability import metrics
from services.observability.heartbeat import MAIN, beat
from services.observability.process import StopSignal, run
from services.payments.provider import Provider
from services.payments.sweep import Sweep
from services.reconciler import schedule
from services.reconciler.report import Report
from services.relay.leading import Leading
from services.relay.outbox import Outbox
from services.settings import PaymentSettings, ReconcilerSettings, RelaySettings

LONGEST = 3700
"""Seconds after which even the slowest loop counts as hanging."""


def left(loop: str) -> float:
    """Seconds until the loop counts as hanging."""
    due = REGISTRY.get_sample_value("millrace_loop_due_timestamp_seconds", {"loop": loop})
    return (due or 0) - time.time()


class Watch(StopSignal):
    """A loop's stop signal: notes at each rest and each piece of work how long the loop has, and stops it in time."""

    def __init__(self, loop: str, rests: int = 2) -> None:
        super().__init__()
        self.loop, self._rests = loop, rests
        self.worked, self.rested = list[float](), list[tuple[float, float]]()
        metrics.LOOP_DUE.labels(loop).set(0)

    def work(self, *_: object) -> None:
        self.worked.append(left(self.loop))
        metrics.LOOP_DUE.labels(self.loop).set(0)  # who beats afterwards, beats anew

    def wait(self, seconds: float) -> bool:
        self.rested.append((seconds, left(self.loop)))
        if len(self.rested) >= self._rests:
            self.set()
        return self.stopped

    def check(self, rests: bool = True) -> None:
        """It had time for each piece of work and each rest, and would be found out if it did not end."""
        assert self.worked
        assert all(0 < had <= LONGEST for had in self.worked), self.worked
        if rests:
            assert self.rested
            assert all(rest < had <= rest + LONGEST for rest, had in self.rested), self.rested


def test_a_beat_is_good_for_the_rest_and_a_while() -> None:
    beat("some", rest=900, within=30)
    assert 925 < left("some") <= 930
    beat()
    assert 55 < left(MAIN) <= 60


def test_a_process_beats_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs before its loop begins is found out as well."""
    monkeypatch.setattr("services.observability.process.stop_on_signals", lambda _stop: None)
    # it is for the whole process, and would take the log away from the tests that come after
    monkeypatch.setattr("services.observability.process.configure_logging", lambda _process, _settings: None)
    watch = Watch(MAIN)
    assert run("test", watch.work) == 0
    watch.check(rests=False)


def test_waiting_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(MAIN)

    def away(*_: object) -> None:
        watch.work()
        raise sa.exc.OperationalError("SELECT", {}, ConnectionError("away"), connection_invalidated=True)

    monkeypatch.setattr(relational_schema, "require_current", away)
    engine = sa.create_mock_engine("mysql+pymysql://", lambda *_: None)
    cast(Any, engine).url = sa.make_url("mysql+pymysql://nobody@192.0.2.1/x")
    assert not relational_schema.wait_until_current(cast(sa.Engine, engine), "UTC", watch)
    watch.check(rests=False)


def test_transformer_and_sink() -> None:
    watch = Watch(MAIN)
    batches = iter([["a message"], []])

    def read(_linger: float) -> list[Any]:
        watch.work()
        batch = next(batches)
        if not batch:
            watch.set()
        return [SimpleNamespace(topic=lambda: "t")] if batch else []

    def work(_batch: object, pause: Pause) -> None:
        metrics.LOOP_DUE.labels(MAIN).set(0)
        pause(0)  # a neighbour that is away is waited for in here
        watch.work()

    consumer = SimpleNamespace(read=read, lag=dict, done=lambda _batch: None, wait=lambda _seconds: None)
    run_batches("test", cast(BatchConsumer, consumer), work, watch)
    watch.check(rests=False)
    assert len(watch.worked) == 3


def test_waiting_for_a_brokers_answer() -> None:
    watch = Watch(MAIN)
    goes_on = until_stopped(watch)
    assert goes_on()
    watch.work()
    watch.check(rests=False)


class Rounds(Leading):
    """A relay whose rounds are long and kept alive by keeping the lease."""

    watch: Watch

    def round(self, stop: StopSignal) -> float:
        self.watch.work()
        self.keep_lease()
        self.watch.work()
        return 0.5

    def forget(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""


def test_relay() -> None:
    watch = Watch(MAIN)
    outbox = SimpleNamespace(backlog=lambda: SimpleNamespace(rows=0, oldest_age=0), purge=lambda _age: 0)
    lease = SimpleNamespace(token=1, renew=lambda: True, release=lambda: None)
    relay = Rounds(cast(Outbox, outbox), cast(Lease, lease), RelaySettings())
    relay.watch = watch
    relay.run(watch)
    watch.check()


def test_relay_without_its_database() -> None:
    watch = Watch(MAIN)

    def away() -> None:
        watch.work()
        raise sa.exc.OperationalError("UPDATE", {}, ConnectionError("away"), connection_invalidated=True)

    lease = SimpleNamespace(token=None, acquire=away, release=lambda: None)
    Rounds(cast(Outbox, None), cast(Lease, lease), RelaySettings()).run(watch)
    watch.check()


def test_aggregator() -> None:
    days, lease = Watch("days"), Watch("lease")

    def tick() -> TickReport:
        days.work()
        return TickReport("days", 0, 0, 0, None, 0.0)

    keep_ticking("days", tick, 0.25, lambda: True, lambda: None, days)
    days.check(rests=False)

    def renew() -> bool:
        lease.work()
        return True

    held = SimpleNamespace(token=1, renew=renew, release=lambda: None)
    Leadership(cast(Lease, held), 30, lambda: None).keep(lease)
    lease.check(rests=False)


def test_the_aggregators_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """It only waits for the others, whose loops beat for themselves."""
    watch = Watch(MAIN)
    idle = SimpleNamespace(start=lambda: None, join=lambda _seconds: None)
    monkeypatch.setattr("services.aggregator.loop.threading.Thread", lambda **_: idle)
    cube = SimpleNamespace(arrivals=None)
    aggregator = SimpleNamespace(tick_days=None, tick_users=None, days=cube, users=cube, raise_fence=None)
    leadership = SimpleNamespace(keep=None, held=None)
    run_aggregator(cast(Aggregator, aggregator), Cadence(1, 1), cast(Leadership, leadership), watch)
    assert [had > 0 for _, had in watch.rested] == [False, True]  # before the first one the process's start has beaten


def test_the_aggregator_without_clickhouse(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(MAIN)

    def away(*_: object, **__: object) -> None:
        watch.work()
        raise ClickHouseError("Connection refused")

    settings = SimpleNamespace(
        url="", clickhouse_user="", clickhouse_password=SecretStr(""), clickhouse_database="analytics"
    )
    monkeypatch.setattr(aggregator_process, "connect", away)
    monkeypatch.setattr(aggregator_process, "load", lambda _group: settings)
    monkeypatch.setattr(aggregator_process, "classify", lambda _error: Failure.RETRY)
    assert aggregator_process._clickhouse("UTC", watch) is None
    watch.check(rests=False)


@pytest.mark.parametrize("report", [Report(), Report(unknown="away"), Report(in_flight_orders={"o"})], ids=str)
def test_reconciler(monkeypatch: pytest.MonkeyPatch, report: Report) -> None:
    watch = Watch(MAIN)

    def one_pass(_stop: StopSignal) -> Report:
        watch.work()
        return report

    monkeypatch.setattr(schedule, "run_pass", one_pass)
    schedule.run_schedule(watch, ReconcilerSettings())
    watch.check()


@pytest.mark.parametrize("outcome", [None, RuntimeError("a fault"), ConnectionError("away")], ids=str)
def test_payment_sweep(monkeypatch: pytest.MonkeyPatch, outcome: Exception | None) -> None:
    watch = Watch("payments")

    def one_round(_self: Sweep, _stop: StopSignal) -> bool:
        watch.work()
        if outcome is not None:
            raise outcome
        return False

    monkeypatch.setattr(Sweep, "round", one_round)
    Sweep(cast(sa.Engine, None), cast(Provider, None), PaymentSettings()).run(watch)
    watch.check()


def test_api() -> None:
    """Its main loop is the server's, which everything that answers a request shares."""
    watch = Watch(MAIN)
    config = uvicorn.Config(lambda *_: None)
    config.load()
    assert asyncio.run(_Server(config, watch).on_tick(10)) is False
    watch.work()
    watch.check(rests=False)
