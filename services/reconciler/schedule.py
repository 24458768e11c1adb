"""verify --repair again and again: what a crash, a lost broker or a hand has damaged is mended unasked."""

import time

from services.observability import metrics
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import StopSignal
from services.reconciler.command import open_sources
from services.reconciler.comparison import CannotTell
from services.reconciler.render import SHOWN, describe
from services.reconciler.repair import repair
from services.reconciler.report import Kind, Report
from services.settings import ReconcilerSettings

_WAIT_SECONDS = 30.0
_RETRY_SECONDS = 5.0
_PASS_SECONDS = 3600
"""How long a pass may take: it reads every order there is."""


def run_schedule(stop: StopSignal, settings: ReconcilerSettings) -> None:
    """Repairs at once and every ``verify_interval`` seconds until told to stop.

    What a pass found on its way is looked at again ``verify_in_flight`` seconds later, until it has arrived or is
    mended; what has set out since waits for the next interval, or passes would never end under steady traffic.
    """
    watched: set[str] | None = None
    while not stop.stopped:
        beat(within=_PASS_SECONDS)
        report = run_pass(stop)
        if report.unknown is not None:
            pause = min(_RETRY_SECONDS, settings.verify_interval)
            beat(rest=pause)
            stop.wait(pause)
            continue
        moving = report.in_flight_orders | report.in_flight_cells
        watched = moving if watched is None else watched & moving
        if watched or report.truncated:
            pause = min(max(settings.verify_in_flight, 1.0), settings.verify_interval)
        else:
            pause, watched = settings.verify_interval, None
        beat(rest=pause)
        stop.wait(pause)


def run_pass(stop: StopSignal) -> Report:
    """One repair, with its metrics and its log lines. Raises SettingsError."""
    try:
        sources = open_sources()
    except CannotTell as reason:
        report = Report(unknown=str(reason))
    else:
        try:
            report = repair(sources, _WAIT_SECONDS, stop.wait)
        finally:
            sources.close()
    _measure(report)
    _log(report)
    return report


def _measure(report: Report) -> None:
    metrics.RECONCILED_PASSES.labels(report.verdict).inc()
    if report.unknown is not None:
        return
    metrics.RECONCILED_AT.set(time.time())
    metrics.RECONCILED_SECONDS.set(report.seconds)
    metrics.RECONCILED_IN_FLIGHT.set(len(report.in_flight_orders) + len(report.in_flight_cells))
    for kind in Kind:
        metrics.RECONCILED_DIFFERENCES.labels(kind.value).set(report.by_kind.get(kind.value, 0))
    for difference in report.mended:
        metrics.RECONCILED_MENDED.labels(difference.kind.value).inc()


def _log(report: Report) -> None:
    log = get_logger()
    if report.unknown is not None:
        log.warning("cannot tell whether analytics are right", reason=report.unknown)
        return
    for difference in report.mended[:SHOWN]:
        log.warning("mended", what=describe(difference))
    for difference in report.differences[:SHOWN]:
        log.error("different", what=describe(difference))
    log.info(
        "compared",
        orders=report.orders,
        differences=len(report.differences),
        mended=len(report.mended),
        in_flight=len(report.in_flight_orders) + len(report.in_flight_cells),
        seconds=round(report.seconds, 2),
    )
