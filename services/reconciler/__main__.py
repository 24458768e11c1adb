"""`python -m services.reconciler`: verify --repair on a schedule, as a process."""

import sys

from services.observability.process import StopSignal, leave_what_hangs, run
from services.reconciler.schedule import run_schedule
from services.settings import ReconcilerSettings, load

PROCESS = "reconciler"


def body(stop: StopSignal) -> None:
    """Repairs until told to stop; a pass may be cut off anywhere, because the next one starts from what it finds."""
    leave_what_hangs(stop)
    run_schedule(stop, load(ReconcilerSettings))


def main() -> int:
    """Runs the schedule; returns its exit code."""
    return run(PROCESS, body, lambda: load(ReconcilerSettings).verify_metrics_port)


if __name__ == "__main__":
    sys.exit(main())
