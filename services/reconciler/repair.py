"""Compares, mends, and compares again until both sides are the same or the time is up."""

import time
from collections import Counter
from collections.abc import Callable

from services.reconciler.comparison import CannotTell, cannot_tell, compare
from services.reconciler.mending import mend
from services.reconciler.report import Difference, Kind, Report
from services.reconciler.sources import Sources

WAIT_SECONDS = 60.0
"""How long a repair waits for what it set going, by default."""
_PAUSE_SECONDS = 1.0
_ATTEMPTS = 3
_WAITED_FOR = (Kind.RELAY_BEHIND, Kind.AGGREGATOR_BEHIND)
_LEFT_TO_PEOPLE = (Kind.WRONG_VIEW,)


def repair(
    sources: Sources, wait_seconds: float = WAIT_SECONDS, pause: Callable[[float], object] = time.sleep
) -> Report:
    """Mends every difference it can and returns the last comparison, with what was mended since the first one.

    Each pass mends what the comparison before it named. A difference that comes back is mended three times at most. A
    truthy ``pause`` asks to stop. What is still on its way when the time is up counts as a difference.
    """
    started = time.monotonic()
    named: dict[str, Difference] = {}
    attempts: Counter[str] = Counter()
    refused: dict[str, str] = {}
    while True:
        report = compare(sources, pause)
        if report.unknown is not None:
            break
        for difference in report.differences:
            named.setdefault(difference.subject, difference)
        open_ones = [d for d in report.differences if _worth_a_try(d, attempts)]
        attempts.update({difference.subject for difference in open_ones})
        try:
            with cannot_tell():
                refused |= mend(sources, open_ones)
        except CannotTell as away:
            report.unknown = str(away)
            break
        if not (open_ones or report.truncated or _moving(report, named)):
            break
        if time.monotonic() - started >= wait_seconds or pause(_PAUSE_SECONDS):
            break
    _conclude(report, named, refused)
    report.seconds = time.monotonic() - started
    return report


def _worth_a_try(difference: Difference, attempts: Counter[str]) -> bool:
    if difference.kind in _LEFT_TO_PEOPLE:
        return False
    return difference.kind in _WAITED_FOR or attempts[difference.subject] < _ATTEMPTS


def _moving(report: Report, named: dict[str, Difference]) -> set[str]:
    return (report.in_flight_orders | report.in_flight_cells) & named.keys()


def _conclude(report: Report, named: dict[str, Difference], refused: dict[str, str]) -> None:
    """Says what was mended; what is on its way still, or cannot be mended, stays a difference."""
    moving = _moving(report, named)
    report.differences += [named[subject] for subject in sorted(moving)]
    left = {difference.subject for difference in report.differences}
    report.refused = {subject: why for subject, why in refused.items() if subject in left}
    if report.unknown is None:
        report.mended = [difference for subject, difference in named.items() if subject not in left]
