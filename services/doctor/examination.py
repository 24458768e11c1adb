"""One examination: the checks side by side, again while something is amiss and there is time, then the probe."""

import time
from collections.abc import Callable, Sequence

from services.doctor.check import Check, Probing, look_at
from services.doctor.findings import Report, Section, State, unknown

_PAUSE_SECONDS = 1.0


def examine(
    examined: str,
    checks: Sequence[Check],
    probe: Probing | None,
    wait_seconds: float = 0.0,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
    told: Callable[[Report], None] = lambda _report: None,
) -> Report:
    """Looks until all is well, for ``wait_seconds`` at most; ``told`` gets the report of each look that was not.

    The probe comes when all is well, or at last, but never through a part that is down.
    """
    began = clock()

    def left() -> bool:
        return clock() - began < wait_seconds

    while True:
        report = Report(examined, look_at(checks))
        if probe is not None and (report.state is State.OK or not left()):
            report.sections += _probed(probe, report)
        report.seconds = clock() - began
        if report.state is State.OK or not left():
            return report
        told(report)
        pause(_PAUSE_SECONDS)


def _probed(probe: Probing, report: Report) -> list[Section]:
    unwell = [
        section.name
        for section in report.sections
        if section.name in probe.needs and any(finding.state is not State.OK for finding in section.findings)
    ]
    if unwell:
        return [Section(probe.name, (unknown(probe.name, f"not tried: see {' and '.join(unwell)}"),))]
    return look_at([probe])
