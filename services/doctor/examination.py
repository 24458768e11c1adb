"""One examination: the checks side by side, again while something is amiss and there is time, then the probe."""

import time
from collections.abc import Callable, Sequence

from services.doctor.check import Check, look_at
from services.doctor.findings import Report, State

_PAUSE_SECONDS = 1.0


def examine(
    examined: str,
    checks: Sequence[Check],
    probe: Check | None,
    wait_seconds: float = 0.0,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
    told: Callable[[Report], None] = lambda _report: None,
) -> Report:
    """Looks until all is well, for ``wait_seconds`` at most; ``told`` gets the report of each look that was not.

    The probe comes when nothing fails, or at last: what is down is reported before it is waited for.
    """
    began = clock()

    def left() -> bool:
        return clock() - began < wait_seconds

    while True:
        report = Report(examined, look_at(checks))
        if probe is not None and (report.state is State.OK or not left()):
            report.sections += look_at([probe])
        report.seconds = clock() - began
        if report.state is State.OK or not left():
            return report
        told(report)
        pause(_PAUSE_SECONDS)
