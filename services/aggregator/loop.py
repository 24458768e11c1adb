"""Ticks at an even pace while the lease is held, and waits out a ClickHouse that is away."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.aggregator.core import Aggregator
from services.aggregator.leadership import Leadership
from services.aggregator.report import TickReport
from services.aggregator.sparing import Arrivals, Sparing
from services.aggregator.store import NotAllowed
from services.clients.backoff import Backoff
from services.clients.clickhouse import ClickHouseError, Failure, classify
from services.observability import metrics
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import StopSignal

_LOOK_FOR_LEASE_SECONDS = 0.1
_LEAVE_SECONDS = 4.0
_LONGEST_REST = 1.0
_TICK_SECONDS = 300
"""How long a tick may take: a handful of statements, each ended by ClickHouse after 60 s."""

log = get_logger()


@dataclass(frozen=True)
class Cadence:
    """Seconds from one look to the next; where a backlog is left the next look comes at once.

    A long look is followed by a rest half as long, so that ClickHouse has a third of its time for others.
    """

    days: float
    users: float


def run(
    aggregator: Aggregator,
    cadence: Cadence,
    leadership: Leadership,
    stop: StopSignal,
    beside: Mapping[str, Callable[[], None]] | None = None,
) -> None:
    """Keeps the lease and ticks days and users, in a thread each, until told to stop. Raises what a thread died of.

    ``beside``: what else is to be done meanwhile, by name.
    """
    died: list[BaseException] = []

    def alive(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            died.append(error)
            stop.set()

    def ticking(
        cube: str, tick: Callable[[], TickReport], arrivals: Callable[[], Arrivals], every: float
    ) -> Callable[[], None]:
        sparing = Sparing(cube, tick, arrivals)
        return lambda: keep_ticking(cube, sparing, every, leadership.held, aggregator.raise_fence, stop)

    work = {
        "lease": lambda: leadership.keep(stop),
        "days": ticking("days", aggregator.tick_days, aggregator.days.arrivals, cadence.days),
        "users": ticking("users", aggregator.tick_users, aggregator.users.arrivals, cadence.users),
        **(beside or {}),
    }
    threads = [threading.Thread(target=alive, args=(task,), name=name, daemon=True) for name, task in work.items()]
    for thread in threads:
        thread.start()
    while not stop.wait(_LEAVE_SECONDS):
        beat()
    deadline = time.monotonic() + _LEAVE_SECONDS
    for thread in threads:  # one in a long statement is left behind: its mark is not written, so nothing is lost
        thread.join(max(0.0, deadline - time.monotonic()))
    if died:
        raise died[0]


def keep_ticking(
    cube: str,
    tick: Callable[[], TickReport],
    every: float,
    held: Callable[[], bool],
    raise_fence: Callable[[], None],
    stop: StopSignal,
) -> None:
    """Ticks until told to stop. Errors of ClickHouse are waited out; any other is a fault of the program and raised."""
    backoff = Backoff(first=0.2, longest=5)
    while not stop.stopped:
        beat(cube, within=_TICK_SECONDS)
        if not held():
            stop.wait(_LOOK_FOR_LEASE_SECONDS)
            continue
        try:
            report = tick()
        except NotAllowed:
            log.warning("stopped in a recompute: the lease ran out", cube=cube)
        except (ClickHouseError, ConnectionError, TimeoutError) as error:
            raise_fence()
            _wait_out(cube, error, backoff.failed(), stop)
        else:
            backoff.succeeded()
            export(report)
            stop.wait(0 if report.remaining else max(every - report.duration, min(report.duration / 2, _LONGEST_REST)))


def export(report: TickReport) -> None:
    """Sets the metrics of a tick."""
    metrics.AGGREGATOR_TICK_SECONDS.labels(report.cube).observe(report.duration)
    metrics.AGGREGATOR_RECOMPUTED.labels(report.cube).inc(report.recomputed)
    metrics.AGGREGATOR_DIRTY.labels(report.cube).set(report.remaining)
    metrics.AGGREGATOR_BACKLOG.labels(report.cube).set(report.backlog_rows)
    if report.newest_occurred_at is not None:
        metrics.FRESHNESS_SECONDS.observe(max(0.0, time.time() - report.newest_occurred_at))


def _wait_out(cube: str, error: Exception, pause: float, stop: StopSignal) -> None:
    away = classify(error) is Failure.RETRY
    metrics.AGGREGATOR_FAILURES.labels(cube).inc()
    log.warning(
        "ClickHouse does not answer" if away else "ClickHouse refuses a recompute",
        cube=cube,
        error=" ".join(str(error).split())[:500],
        again_in=round(pause, 1),
    )
    stop.wait(pause)
